"""What stands between a product and its softmax, folded into query and key: scales, biases, masks and windows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from attnviz.observe.layouts import APART, Layout, separated

MOST_OF_BIAS = 2**24  # numbers of a bias that are kept, heads x N x M: 64 MB


@dataclass(frozen=True)
class Step:
    """One thing done to the energies.

    Attributes:
        what: ``"mul"`` or ``"add"``.
        value: A number, or a tensor that is spread over the energies.
        shape: Of the energies then, (..., N, M).
        turned: Whether the tensor's last two dimensions are to be exchanged.
    """

    what: str
    value: Any
    shape: torch.Size
    turned: bool = False

    def transposed(self) -> Step:
        """Of energies whose rows are columns now."""
        return replace(self, turned=not self.turned)

    def spread(self) -> Any:  # noqa: ANN401 - a number or a tensor
        """The value, a tensor as (G, N, M) or (G, 1, 1)."""
        if not isinstance(self.value, Tensor):
            return self.value
        if self.value.numel() == 1:
            return self.value.reshape(())
        tail = self.shape[-2:] if self.what == "add" else torch.Size((1, 1))
        value = self.value.expand(*self.shape[:-2], *tail).reshape(-1, *tail)
        return value.transpose(-1, -2) if self.turned else value


KeptName = Literal["query", "key", "other_query", "other_key"]


@dataclass(frozen=True)
class Kept:
    """Query and key of which q.k is the network's own energy, in new memory.

    Attributes:
        query: float32 (B, heads, h * w, c).
        key: float32 (B, heads, h * w, c).
        other_query: float32 (B, heads, P, c), of tokens that are no places; None without any.
        other_key: float32 (B, heads, P, c).
        extra: How many of the c, the last ones, are not the network's own: they stand for a bias, a mask, windows.
    """

    query: Tensor
    key: Tensor
    other_query: Tensor | None = None
    other_key: Tensor | None = None
    extra: int = field(default=0, kw_only=True)

    @property
    def names(self) -> tuple[KeptName, ...]:
        """Of the tensors that there are."""
        every: tuple[KeptName, ...] = ("query", "key", "other_query", "other_key")
        return tuple(name for name in every if getattr(self, name) is not None)


def kept(query: Tensor, key: Tensor, steps: tuple[Step, ...], layout: Layout) -> Kept | str:
    """What is kept of the tensors of a product, or why nothing is.

    A bias adds as many entries to each query as there are keys in its window: the query has its own row of the bias
    there, the key of column m has 1 in the m-th and 0 elsewhere.

    Args:
        query: (..., N, c).
        key: (..., M, c).
        steps: What was done to their product, in order.
        layout: Where the places are.
    """
    if layout.query_rows is None or layout.key_rows is None:
        return layout.reason
    lead = query.shape[:-2]
    if lead != key.shape[:-2]:
        lead = torch.broadcast_shapes(lead, key.shape[:-2])
        query, key = (t.expand(*lead, *t.shape[-2:]) for t in (query, key))
    batch, heads, count = layout.query_rows.shape
    folded = Folded(steps, (batch * heads, query.shape[-2], key.shape[-2]))
    if folded.bias is not None and heads * count * key.shape[-2] > MOST_OF_BIAS:
        return f"its bias of {heads} x {query.shape[-2]} x {key.shape[-2]} is too large to keep"
    if layout.prefix is not None and folded.bias is None:
        return _in_order(query, key, folded.scale, layout.prefix, (batch, heads))
    parts = [
        folded.query(_places(query, layout.query_rows), layout.query_rows),
        folded.key(_places(key, layout.key_rows), layout.key_rows),
    ]
    if layout.other_rows is not None:
        of_query, of_key = layout.other_rows
        parts.append(folded.query(_places(query, of_query), of_query))
        parts.append(folded.key(_places(key, of_key), of_key))
    windows = separated(layout)
    if windows is not None:
        parts = [torch.cat([t, w.expand(*t.shape[:2], *w.shape)], -1) for t, w in zip(parts, windows, strict=False)]
    return Kept(*parts, extra=int(parts[0].shape[-1] - query.shape[-1]))


def kept_in_order(query: Tensor, key: Tensor, scale: float, layout: Layout) -> Kept | None:
    """The same as `kept`, for energies that are only scaled and places that are in order; None where they are not."""
    if layout.prefix is None or layout.query_rows is None or query.shape[:-2] != key.shape[:-2]:
        return None
    batch, heads, _ = layout.query_rows.shape
    return _in_order(query, key, scale, layout.prefix, (batch, heads))


def _in_order(query: Tensor, key: Tensor, scale: float | Tensor, prefix: int, lead: tuple[int, int]) -> Kept:
    """The same of (..., N, c) whose places are in order behind other tokens: one copy of each, and views of it."""
    queries, keys = (
        t.detach() if t.shape[:-2] == lead else t.detach().reshape(*lead, *t.shape[-2:]) for t in (query, key)
    )
    scale = scale.view(*lead, 1, 1) if isinstance(scale, Tensor) and scale.ndim else scale
    queries, keys = queries.float() * scale, keys.to(torch.float32, copy=True)
    if not prefix:
        return Kept(queries, keys)
    return Kept(queries[:, :, prefix:], keys[:, :, prefix:], queries[:, :, :prefix], keys[:, :, :prefix])


def _places(tensor: Tensor, rows: Tensor) -> Tensor:
    """These rows of (..., N, c), as (B, heads, n, c)."""
    count, grouped = tensor.shape[-2], tensor.flatten(0, -3)
    return grouped[rows // count, rows % count]


class Folded:
    """Steps as one scale and one bias.

    Args:
        steps: What was done to the energies, in order.
        shape: Of the energies, (G, N, M).

    Attributes:
        scale: A number, or a tensor (G, 1, 1).
        bias: float32 (G, N, M); None where it is the same for every key, which a softmax does not see.
    """

    def __init__(self, steps: tuple[Step, ...], shape: tuple[int, ...]) -> None:
        self.scale: Any = 1.0
        bias: Any = 0
        self._shape = shape
        for step in steps:
            value = step.spread()
            if step.what == "add":
                bias = bias + value
            else:
                self.scale, bias = self.scale * value, bias * value
        shared = not isinstance(bias, Tensor) or bias.ndim == 0
        self.bias = None if shared else bias.detach().float().clamp_min(-APART).expand(-1, *shape[1:])

    def query(self, query: Tensor, rows: Tensor) -> Tensor:
        """Queries (B, heads, n, c) of these rows of (G, N): times the scale, their rows of the bias behind them."""
        scale = self.scale
        if isinstance(scale, Tensor) and scale.ndim:
            scale = scale.flatten()[rows // self._shape[1]].unsqueeze(-1)
        scaled: Tensor = query.detach().float() * scale
        return scaled if self.bias is None else torch.cat([scaled, self.bias.flatten(0, 1)[rows]], -1)

    def key(self, key: Tensor, rows: Tensor) -> Tensor:
        """Keys (B, heads, n, c) of these rows of (G, M), with 1 at their own column of the bias behind them."""
        if self.bias is None:
            return key.detach().to(torch.float32, copy=True)
        columns = self._shape[2]
        return torch.cat([key.detach().float(), functional.one_hot(rows % columns, columns).float()], -1)
