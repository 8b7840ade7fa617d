"""Gates: what came out of a sigmoid, a softmax or a tanh and multiplies a feature map, whoever wrote it.

A tensor's root is where its numbers come from by views and arithmetic at each place alone. What multiplies its own
root is no gate but an activation: SiLU, Mish, GELU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from attnviz.observe.gate_places import GateOrder, order_beside, order_of_maps
from attnviz.observe.places import PRODUCTS, Places
from attnviz.observe.shape_calls import tensors_in

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
    *("expand", "expand_as", "repeat", "permute", "transpose", "interpolate", "upsample", "to", "type_as", "float"),
    *("half", "broadcast_to", "detach", "dropout", "movedim", "getitem", "type", "clamp", "chunk", "split", "unbind"),
    *("iter", "tile", "repeat_interleave", "T", "mT", "swapaxes", "select", "narrow", "alpha_dropout", "dropout2d"),
}
ARITHMETIC = {
    *("add", "sub", "rsub", "mul", "div", "true_divide", "neg", "pow", "square", "subtract", "multiply", "divide"),
}
_POINTWISE = {
    *ARITHMETIC,
    *SQUASHING,
    "softplus",
    "relu",
    "relu6",
    "exp",
    "log",
    "erf",
    "rdiv",
    "rpow",
    "clamp",
    "log1p",
}
_MULTIPLIES = {"mul", "multiply", "addcmul"}
_CLIPPING = {"relu6", "hardtanh"}
GateKind = Literal["spatial_gate", "group_gate", "channel_gate", "gate", "row_gate", "column_gate"]


@dataclass(frozen=True)
class FoundGate:
    """A gate that was found.

    Attributes:
        kind: What it is.
        value: A copy of its numbers, as `attnviz.models.sites.SiteKind` says; of rows or columns (B, C, h, w).
        grid: (h, w) of the features that it multiplies or, of a softmax over places, of its places.
        calls: Numbers of the calls that made it.
        at: Which argument of the multiplication is the gate, where its numbers can be read there; None else.
        places: Which dimensions of the tensor that multiplies are its places; empty where nobody asked.
    """

    kind: GateKind
    value: Tensor
    grid: tuple[int, int]
    calls: frozenset[int]
    at: int | None = None
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class GatedFeatures:
    """What a gate multiplies.

    Attributes:
        tensor: As it is in the network.
        order: How it lies; None: as (B, C, h, w), with groups of channels among the pictures or branches before C.
        plain: Whether the gate multiplies it as it is shown, and not scaled or shifted.
    """

    tensor: Tensor
    order: GateOrder | None
    plain: bool

    def laid(self, tensor: Tensor, batch: int) -> Tensor:
        """It, or what came out of the multiplication, of the first picture: (C, h, w)."""
        laid = tensor if self.order is None else self.order.laid(tensor)
        return laid.reshape(batch, -1, *laid.shape[-2:])[0]


@dataclass(frozen=True)
class _Gate:
    root: object  # of what was squashed
    value: Tensor | None  # the numbers in (0, 1); None: the tensor itself, which would otherwise keep itself alive
    calls: frozenset[int]


class GateWatch:
    """Follows squashed tensors through one forward pass until they multiply features.

    Args:
        batch: How many pictures.
        places: Of the picture, of all tensors so far; None where the orders are known from an earlier pass.
        orders: Number of a call -> how its gate's numbers lie, None where they are of no places of the picture; filled
            where places are given.
    """

    def __init__(self, batch: int, places: Places | None, orders: dict[int, GateOrder | None]) -> None:
        self._batch, self._places, self._orders = batch, places, orders
        self._gates = WeakTensorKeyDictionary()
        self._roots = WeakTensorKeyDictionary()
        self._clipped = WeakTensorKeyDictionary()  # to more than 1: only a share of it is a gate, relu6(x + 3) / 6
        self._unshifted: Tensor | None = None  # a gate that is about to be shifted, maybe in place
        self.features: GatedFeatures | None = None  # what the gate that was found last is about to multiply

    def multiplied(self, number: int, name: str, args: Sequence[Any]) -> FoundGate | None:
        """The gate that a call is about to multiply with, or None.

        Args:
            number: Of the call.
            name: Of the call.
            args: Its arguments.
        """
        self._unshifted, self.features = None, None
        if name in ARITHMETIC and args and isinstance(args[0], Tensor):
            gate: _Gate | None = self._gates.get(args[0])
            if gate is not None and gate.value is None and self._shifted(name, args, tensors_in(args)):
                self._unshifted = args[0].detach().clone()
        if name in PRODUCTS:
            return self._summed(number, args)
        first = 1 if name == "addcmul" else 0
        factors = args[first : first + 2]
        if name not in _MULTIPLIES or len(factors) < 2 or not all(isinstance(a, Tensor) for a in factors):
            return None
        for at in (0, 1):
            found = self._between(number, factors[at], factors[1 - at])
            if found is not None:
                return found if found.at is None else replace(found, at=None if first else at)
        return None

    def _between(self, number: int, gated: Tensor, features: Tensor) -> FoundGate | None:
        """The gate, where one factor is one and the other is features."""
        found: _Gate | None = self._gates.get(gated)
        if found is None or features.ndim not in {3, 4, 5} or gated.ndim != features.ndim or features in self._gates:
            return None
        value = without_expanded(gated if found.value is None else found.value)
        if found.root is self._root(features) or value.ndim != gated.ndim or max(features.shape[1:]) == 1:
            return None
        order = self._lies_otherwise(number, gated, features)
        if order is not None:
            self.features = GatedFeatures(features, order, plain=found.value is None)
            laid = classified(order.laid(value), order.grid, self._batch, found.calls)
            return replace(laid, places=(2, 3) if order.dims is None else order.dims[2:])
        if features.ndim == 3 or max(features.shape[-2:]) == 1 or not self._placed(number, gated, features):
            return None
        grid = int(features.shape[-2]), int(features.shape[-1])
        self.features = GatedFeatures(features, None, plain=found.value is None)
        gate = classified(value.detach().clone(), grid, self._batch, found.calls)
        gate = replace(gate, places=(features.ndim - 2, features.ndim - 1))
        return gate if found.value is not None else replace(gate, at=0)  # whichever it is

    def is_gate(self, tensor: Tensor) -> bool:
        """Whether a tensor is a squashed one that is followed, or such a one shifted and scaled."""
        return tensor in self._gates

    def note(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]) -> None:
        """Remember what a call made of gates and roots."""
        tensors = [a for a in args if isinstance(a, Tensor)]
        if not tensors:
            return
        source = tensors[0]
        gate: _Gate | None = self._gates.get(source)
        for out in outs:
            if name in _CLIPPING and _high(name, args, kwargs) > 1:
                self._clipped[out] = self._root(source)
            elif source in self._clipped and self._shifted(name, args, tensors):
                self._gates[out] = _Gate(self._clipped[source], None, frozenset({number}))
            elif name in SQUASHING or name == "softmax":
                self._gates[out] = _Gate(self._root(source), None, frozenset({number}))
            elif gate is not None and (name in VIEWS or self._shifted(name, args, tensors)):
                same = name in VIEWS
                value = gate.value if same and gate.value is None else self._kept(gate, source, out, same)
                self._gates[out] = _Gate(gate.root, value, gate.calls | {number})
            elif name in _MULTIPLIES and gate is not None and len(tensors) == 2 and tensors[1] in self._gates:
                other: _Gate = self._gates[tensors[1]]  # of rows and of columns, before they meet the features
                self._gates[out] = _Gate(gate.root, None, gate.calls | other.calls | {number})
            if name in VIEWS and out.numel() == source.numel() and out is not source:
                self._roots[out] = self._root(source)
            elif name in _POINTWISE:
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

    def _kept(self, gate: _Gate, source: Tensor, out: Tensor, same: bool) -> Tensor | None:
        """The squashed numbers behind a shifted gate; None where a view no longer tells them."""
        value = gate.value if gate.value is not None else source if self._unshifted is None else self._unshifted
        if same and value.numel() == out.numel():
            return value.reshape(out.shape)
        return value if not same else None

    def _summed(self, number: int, args: Sequence[Any]) -> FoundGate | None:
        """A softmax over all places, by which a matrix product is about to sum features (GCNet)."""
        for tensor in tensors_in(args):
            gate: _Gate | None = self._gates.get(tensor)
            if gate is None or gate.value is not None:
                continue
            if self._places is not None:
                numbers = self._places.of(tensor)
                self._orders[number] = None if numbers is None else order_of_maps(numbers, tensor, self._batch)
            order = self._orders.get(number)
            if order is not None:
                value = order.maps(tensor)
                kind: GateKind = "spatial_gate" if value.shape[1] == 1 else "group_gate"
                places = tuple(range(1, tensor.ndim)) if order.dims is None else order.dims[-1:]
                return FoundGate(kind, value, order.grid, gate.calls, places=places)
        return None

    def _placed(self, number: int, gate: Tensor, features: Tensor) -> bool:
        """Whether a gate's places are the picture's: by their numbers, or by the proportions of its grid.

        Deformable attention multiplies what it sampled by its weights, a query by a sample: no place among them.
        """
        if self._places is not None and gate.shape[-2:] != (1, 1) and features.ndim == 4:
            known = self._places.of(features) is not None or self._places.of(gate) is not None
            if not known and not self._places.has_proportions(int(features.shape[2]), int(features.shape[3])):
                self._orders[number] = None
        return self._orders.get(number, ()) is not None

    def _lies_otherwise(self, number: int, gate: Tensor, features: Tensor) -> GateOrder | None:
        """How a gate lies whose places do not lie as in the picture: in patches, in windows, in a row."""
        beside = None if self._places is None else self._places.of(features)
        if beside is not None and (order := order_beside(beside, self._batch)) is not None:
            self._orders[number] = order
        elif self._places is not None and gate.ndim == 4:
            numbers = self._places.of(gate)
            first = None if numbers is None else numbers.along(1)
            if numbers is not None and first is not None and first.numel() == self._batch * math.prod(numbers.grid):
                ordered, where = first.flatten().sort()
                at = torch.arange(len(where), device=where.device)
                lies_so = torch.equal(where, at) and numbers.grid == tuple(gate.shape[2:])
                if torch.equal(ordered, (at + 1).to(ordered.dtype)) and not lies_so:
                    self._orders[number] = GateOrder(numbers.grid, None, where)
        return self._orders.get(number)


def classified(value: Tensor, grid: tuple[int, int], batch: int, calls: frozenset[int]) -> FoundGate:
    """A gate, by its shape.

    Args:
        value: Its numbers, of 4 dimensions, without those along which it only repeats itself; of 5 where it weighs
            branches of features side by side (selective kernels, split attention).
        grid: (h, w) of the features that it multiplies.
        batch: How many pictures.
        calls: Numbers of the calls that made it.
    """
    value = value.flatten(1, 2) if value.ndim == 5 else value
    count, channels, height, width = (int(n) for n in value.shape)
    kind: GateKind = "spatial_gate" if channels == 1 else "gate"
    if height == width == 1:
        return FoundGate("channel_gate", value, grid, calls)
    if height == 1 or width == 1:
        kind = "column_gate" if height == 1 and grid[0] > 1 else "row_gate" if grid[1] > 1 else kind
        value = value.expand(-1, -1, *grid)
    elif channels == 1 and count > batch and count % batch == 0:
        kind, value = "group_gate", value.reshape(batch, count // batch, height, width)
    return FoundGate(kind, value, (int(value.shape[2]), int(value.shape[3])), calls)


def _high(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> float:
    """What a call clips at from above."""
    return 6.0 if name == "relu6" else float(args[2] if len(args) > 2 else kwargs.get("max_val", 1.0))


def without_expanded(gate: Tensor) -> Tensor:
    """A gate without the dimensions along which it only repeats itself."""
    for dim in range(1, gate.ndim):
        if gate.stride(dim) == 0 and gate.shape[dim] > 1:
            gate = gate.narrow(dim, 0, 1)
    return gate
