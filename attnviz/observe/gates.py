"""Gates: what came out of a sigmoid, a softmax or a tanh and multiplies a feature map, whoever wrote it.

A tensor's root is where its numbers come from by arithmetic at each place alone. What multiplies its own root is no
gate but an activation: SiLU, Mish, GELU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from attnviz.models.sites import SiteKind

SQUASHING = {"sigmoid", "hardsigmoid", "tanh", "hardtanh", "expit"}
VIEWS = {
    *(
        "unsqueeze",
        "squeeze",
        "view",
        "view_as",
        "reshape",
        "reshape_as",
        "flatten",
        "unflatten",
        "contiguous",
        "clone",
    ),
    *(
        "expand",
        "expand_as",
        "repeat",
        "permute",
        "transpose",
        "interpolate",
        "upsample",
        "to",
        "type_as",
        "float",
        "half",
    ),
    *("broadcast_to", "detach", "dropout", "movedim", "getitem", "type", "clamp", "chunk", "split", "unbind", "iter"),
    *("tile", "repeat_interleave", "T", "mT", "swapaxes", "select", "narrow", "alpha_dropout", "dropout2d"),
}
ARITHMETIC = {
    "add",
    "sub",
    "rsub",
    "mul",
    "div",
    "true_divide",
    "neg",
    "pow",
    "square",
    "subtract",
    "multiply",
    "divide",
}
_POINTWISE = (
    ARITHMETIC | SQUASHING | {"softplus", "relu", "relu6", "exp", "log", "erf", "rdiv", "rpow", "clamp", "log1p"}
)


@dataclass(frozen=True)
class _Gate:
    root: object  # of what was squashed
    value: Tensor | None  # the numbers in (0, 1); None: the tensor itself, which would otherwise keep itself alive


class GateWatch:
    """Follows squashed tensors through one forward pass until they multiply features."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._gates = WeakTensorKeyDictionary()
        self._roots = WeakTensorKeyDictionary()

    def multiplied(self, name: str, args: Sequence[Any]) -> tuple[SiteKind | None, str, Tensor] | None:
        """Kind (None with a reason), reason and a copy of the gate that a call is about to multiply with, or None.

        Args:
            name: Of the call.
            args: Its arguments.
        """
        if name not in {"mul", "multiply"} or len(args) < 2 or not all(isinstance(a, Tensor) for a in args[:2]):
            return None
        one, other = args[0], args[1]
        for gate, features in ((one, other), (other, one)):
            found: _Gate | None = self._gates.get(gate)
            if found is None or features.ndim != 4 or gate.ndim != 4 or features in self._gates:
                continue
            if found.root is self._root(features):
                continue
            value = _without_expanded(gate if found.value is None else found.value)
            if value.ndim != 4 or max(features.shape[2:]) == 1:
                continue
            return self._classified(value, features)
        return None

    def is_gate(self, tensor: Tensor) -> bool:
        """Whether a tensor is a squashed one that is followed, or such a one shifted and scaled."""
        return tensor in self._gates

    def note(self, name: str, args: Sequence[Any], outs: Sequence[Tensor]) -> None:
        """Remember what a call made of gates and roots."""
        tensors = [a for a in args if isinstance(a, Tensor)]
        if not tensors:
            return
        source = tensors[0]
        gate: _Gate | None = self._gates.get(source)
        for out in outs:
            if name in SQUASHING or name == "softmax":
                self._gates[out] = _Gate(self._root(source), None)
            elif gate is not None and (name in VIEWS or self._shifted(name, args, tensors)):
                same = name in VIEWS
                self._gates[out] = _Gate(
                    gate.root, gate.value if same and gate.value is None else self._kept(gate, source, out, same)
                )
            if name in _POINTWISE:
                roots = {id(self._root(t)): self._root(t) for t in tensors if t.numel() > 1}
                if len(roots) == 1:
                    self._roots[out] = next(iter(roots.values()))

    def _root(self, tensor: Tensor) -> object:
        root: object = self._roots.get(tensor)
        if root is None:
            root = self._roots[tensor] = object()
        return root

    @staticmethod
    def _shifted(name: str, args: Sequence[Any], tensors: Sequence[Tensor]) -> bool:
        """Whether a call is arithmetic with plain numbers: 1 + gate, 2 * gate."""
        return name in ARITHMETIC and all(t.numel() == 1 for t in tensors[1:])

    @staticmethod
    def _kept(gate: _Gate, source: Tensor, out: Tensor, same: bool) -> Tensor | None:
        """The squashed numbers behind a shifted gate; None where a view no longer tells them."""
        value = source if gate.value is None else gate.value
        if same and value.numel() == out.numel():
            return value.reshape(out.shape)
        return value if not same else None

    def _classified(self, value: Tensor, features: Tensor) -> tuple[SiteKind | None, str, Tensor]:
        count, channels, height, width = (int(n) for n in value.shape)
        kept = value.detach().clone()
        if height == width == 1:
            return "channel_gate", "", kept
        if height == 1 or width == 1:
            return None, "it gates rows or columns alone", kept
        if channels == 1 and count > self._batch and count % self._batch == 0:
            return "group_gate", "", kept.reshape(self._batch, count // self._batch, height, width)
        return ("spatial_gate" if channels == 1 else "gate"), "", kept


def _without_expanded(gate: Tensor) -> Tensor:
    """A gate without the dimensions along which it only repeats itself."""
    for dim in range(1, gate.ndim):
        if gate.stride(dim) == 0 and gate.shape[dim] > 1:
            gate = gate.narrow(dim, 0, 1)
    return gate
