"""What stands between a product and its softmax, folded into query and key: scales, biases, masks and windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

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


def kept(
    query: Tensor, key: Tensor, steps: tuple[Step, ...], layout: Layout
) -> tuple[Tensor | None, Tensor | None, Tensor | None, str]:
    """Query, key and the queries of other tokens, of which q.k is the network's own energy; and why not.

    A bias adds as many entries to each query as there are keys in its window: the query has its own row of the bias
    there, the key of column m has 1 in the m-th and 0 elsewhere.

    Args:
        query: (..., N, c).
        key: (..., M, c).
        steps: What was done to their product, in order.
        layout: Where the places are.

    Returns:
        Query (B, heads, h * w, c'), key (B, heads, h * w, c'), tokens (B, heads, T, c') or None, in new memory; a
        reason where they are None.
    """
    if layout.query_rows is None or layout.key_rows is None:
        return None, None, None, layout.reason
    lead = query.shape[:-2]
    if lead != key.shape[:-2]:
        lead = torch.broadcast_shapes(lead, key.shape[:-2])
        query, key = (t.expand(*lead, *t.shape[-2:]) for t in (query, key))
    batch, heads, count = layout.query_rows.shape
    folded = _Folded(steps, (batch * heads, query.shape[-2], key.shape[-2]))
    if folded.bias is not None and heads * count * key.shape[-2] > MOST_OF_BIAS:
        return None, None, None, f"its bias of {heads} x {query.shape[-2]} x {key.shape[-2]} is too large to keep"
    of_query = folded.scaled(_places(query, layout.query_rows, layout.starts and layout.starts[0]), layout.query_rows)
    of_key = _places(key, layout.key_rows, layout.starts and layout.starts[1]).detach().float()
    of_key = of_key.clone() if of_key.data_ptr() == key.data_ptr() or layout.starts is not None else of_key
    tokens = None
    if layout.token_rows is not None:
        tokens = folded.scaled(_places(query, layout.token_rows, None), layout.token_rows)
    if folded.bias is not None:
        bias = folded.bias.flatten(0, 1)
        one_hot = functional.one_hot(layout.key_rows % key.shape[-2], key.shape[-2]).float()
        of_query, of_key = torch.cat([of_query, bias[layout.query_rows]], -1), torch.cat([of_key, one_hot], -1)
        tokens = None if tokens is None else torch.cat([tokens, bias[layout.token_rows]], -1)
    windows = separated(layout)
    if windows is not None:
        of_query, of_key = (
            torch.cat([t, w.expand(*t.shape[:2], *w.shape)], -1)
            for t, w in zip((of_query, of_key), windows, strict=True)
        )
    return of_query, of_key, tokens, ""


def _places(tensor: Tensor, rows: Tensor, start: int | None) -> Tensor:
    """These rows of (..., N, c) as (B, heads, n, c); a view where they follow a first one in order."""
    if start is None:
        count, grouped = tensor.shape[-2], tensor.flatten(0, -3)
        return grouped[rows // count, rows % count]
    placed = tensor.narrow(-2, start, rows.shape[-1])
    return placed if placed.shape[:-2] == rows.shape[:2] else placed.reshape(*rows.shape, -1)


class _Folded:
    """Steps as one scale and one bias.

    Attributes:
        bias: float32 (G, N, M); None where it is the same for every key, which a softmax does not see.
    """

    def __init__(self, steps: tuple[Step, ...], shape: tuple[int, ...]) -> None:
        self._scale: Any = 1.0
        bias: Any = 0
        self._length = shape[1]
        for step in steps:
            value = step.spread()
            if step.what == "add":
                bias = bias + value
            else:
                self._scale, bias = self._scale * value, bias * value
        shared = not isinstance(bias, Tensor) or bias.ndim == 0
        self.bias = None if shared else bias.detach().float().clamp_min(-APART).expand(-1, *shape[1:])

    def scaled(self, query: Tensor, rows: Tensor) -> Tensor:
        """Queries (B, heads, n, c) of these rows of (G, N), times the scale, float32 and in new memory."""
        scale = self._scale
        if isinstance(scale, Tensor) and scale.ndim:
            scale = scale.flatten()[rows // self._length].unsqueeze(-1)
        scaled: Tensor = query.detach().float() * scale
        return scaled
