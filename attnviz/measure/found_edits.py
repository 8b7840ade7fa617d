"""Change attention that was found in other people's networks, where their code computes it, without their modules."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from attnviz.observe.attention_products import Attention, AttentionWatch
from attnviz.observe.gates import GateWatch
from attnviz.observe.places import Places
from attnviz.observe.shape_calls import tensors_in
from attnviz.observe.watch_calls import Call, Calls, CallWatcher

Edit = Literal["flat", "even", "one", "shuffle", "head_off"]
_EDITED = {
    *("mul", "__mul__", "__rmul__", "__imul__", "mul_", "multiply", "multiply_"),
    *(
        "addcmul",
        "addcmul_",
        "matmul",
        "__matmul__",
        "__rmatmul__",
        "bmm",
        "baddbmm",
        "einsum",
        "scaled_dot_product_attention",
    ),
}


@dataclass(frozen=True)
class FoundEdit:
    """What to do with one attention that was found.

    Attributes:
        edit: ``"flat"``: what multiplies the features, as its mean over locations; ``"even"``: as its mean over
            channels; ``"one"``: 1, the gate left out; ``"shuffle"``: the rows of the attention exchanged between
            queries; ``"head_off"``: what one head gathers set to 0.
        head: Of ``"head_off"``, from 0.
    """

    edit: Edit
    head: int = 0


@contextmanager
def found_changed(x: Tensor, edits: Mapping[int, FoundEdit]) -> Iterator[None]:
    """Within it a forward pass of this thread on `x` computes with some of its attentions changed.

    Args:
        x: The input, (B, 3, H, W): what is found depends on its sides.
        edits: Number of the attention, in the order of `attnviz.find_attention`'s table -> what to do with it.
    """
    with _Edits(_Editor(x, edits)):
        yield


class _Editor(CallWatcher):
    """Finds the attention again, in the order in which `attnviz.observe.discover` found it, and says what to change."""

    def __init__(self, x: Tensor, edits: Mapping[int, FoundEdit]) -> None:
        self.swaps: list[tuple[Tensor, Tensor]] = []  # of the call about to be made: its argument -> another
        self._edits, self._count, self._batch = edits, 0, int(x.shape[0])
        self._last: dict[int | None, FoundEdit | None] = {}  # number of a joined softmax -> what was done with it
        self._places = Places(x)
        self._gates, self._products = (
            GateWatch(self._batch, self._places, {}),
            AttentionWatch(self._batch, self._places, {}),
        )

    def before(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.swaps = []
        attention = self._products.finished(number, name, args, kwargs)
        found = self._gates.multiplied(number, name, args) if attention is None else None
        if found is not None:
            edit = self._next()
            if edit is not None:
                gate = next(a for a in tensors_in(args) if self._gates.is_gate(a))
                self.swaps = [(gate, _changed_gate(gate, edit.edit, found.places))]
        if attention is not None:
            edit = self._last.get(attention.joined) if attention.again else self._next()
            self._last[attention.joined] = edit
            if edit is not None:
                self.swaps += self._of_attention(edit, attention, name, args, kwargs)

    def after(
        self, number: int, func: Call, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]
    ) -> None:
        self._places.note(func, name, args, kwargs, outs)
        self._gates.note(number, name, args, kwargs, outs)
        self._products.note(number, name, args, kwargs, outs)

    def _next(self) -> FoundEdit | None:
        self._count += 1
        return self._edits.get(self._count - 1)

    def _of_attention(
        self, edit: FoundEdit, found: Attention, name: str, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> list[tuple[Tensor, Tensor]]:
        if name == "scaled_dot_product_attention":
            given = {**dict(zip(("query", "key", "value"), args, strict=False)), **kwargs}
            query, value = given["query"], given["value"]
            if edit.edit == "shuffle":
                return [(query, _rows_exchanged(query, found.layout.grid, -2))]
            return [(value, _without_head(value, self._batch, found.layout.heads, edit.head))]
        softmax = next(a for a in tensors_in(args) if self._products.is_softmax(a))
        if edit.edit == "shuffle":
            sums = softmax.detach().sum(dim=-1)
            by_row = bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-3))
            return [(softmax, _rows_exchanged(softmax, found.layout.grid, -2 if by_row else -1))]
        return [(softmax, _without_head(softmax, self._batch, found.layout.heads, edit.head))]


class _Edits(Calls):
    """Makes a call with other arguments, where the editor says so."""

    def __init__(self, editor: _Editor) -> None:
        super().__init__(editor)
        self._editor = editor

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - whatever the call gives
        if getattr(func, "__name__", "") not in _EDITED:
            return super().__torch_function__(func, types, args, kwargs)

        @functools.wraps(func)
        def with_other_arguments(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the call gives
            swaps, self._editor.swaps = self._editor.swaps, []
            if not swaps:
                return func(*given, **named)
            return func(*_swapped(given, swaps), **{key: _swapped(value, swaps) for key, value in named.items()})

        return super().__torch_function__(with_other_arguments, types, args, kwargs)


def exchanged(count: int, before: int = 0) -> Tensor:
    """A fixed order of `count` places in which the first `before` stay and each of the others is another's.

    A random cycle: no place keeps its own, which a plain shuffle may leave.
    """
    order = torch.randperm(count - before, generator=torch.Generator().manual_seed(0))
    found = torch.arange(count)
    found[before + order] = before + order.roll(1)
    return found


def _rows_exchanged(tensor: Tensor, grid: tuple[int, int] | None, dim: int) -> Tensor:
    """Give every location another's row; tokens that are no locations and stand in front keep theirs."""
    count = int(tensor.shape[dim])
    places = count if grid is None else min(count, math.prod(grid))
    return tensor.index_select(dim % tensor.ndim, exchanged(count, count - places).to(tensor.device))


def _without_head(tensor: Tensor, batch: int, heads: int, head: int) -> Tensor:
    leading = math.prod(tensor.shape[:-2])
    if leading != batch * heads:  # heads that share a value: the change would be another one
        return tensor
    apart = tensor.reshape(batch, heads, *tensor.shape[-2:]).clone()
    apart[:, head] = 0
    return apart.reshape(tensor.shape)


def _swapped(value: Any, swaps: Sequence[tuple[Tensor, Tensor]]) -> Any:  # noqa: ANN401 - arguments of any call
    if isinstance(value, (list, tuple)):
        return type(value)(_swapped(part, swaps) for part in value)
    return next((new for old, new in swaps if value is old), value)


def _changed_gate(gate: Tensor, edit: Edit, places: Sequence[int]) -> Tensor:
    """A gate as its mean over locations, as its mean over channels, or as 1; some of its dimensions are places."""
    if edit == "one":
        return torch.ones_like(gate)
    dims = places if edit == "flat" else [dim for dim in range(1, gate.ndim) if dim not in places]
    return gate.mean(dim=list(dims), keepdim=True).expand_as(gate) if dims else gate
