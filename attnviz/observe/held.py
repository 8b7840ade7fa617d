"""What a known pass copies while the network runs, as little as can be; put in order when it is asked for.

Fresh memory costs more than the copying: the system hands it out page by page. So what a pass copied into is kept for
the next one once nobody holds it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from attnviz.observe.energies import Kept, KeptName, kept_in_order
from attnviz.observe.gates import FoundGate, classified, without_expanded
from attnviz.observe.layouts import Layout

MOST_SPARE = 2**24  # numbers that are kept for the next pass, of one network and shape of input: 64 MB

Spare = dict[int, tuple[Tensor, Tensor]]  # number of a call -> memory for its query and key that nobody uses


class HeldAttention:
    """A position attention whose places are in order; stands for an `Attention`.

    Args:
        query: (..., N, c); copied.
        key: (..., N, c); copied.
        scale: Of their product.
        layout: Where the places are.
        number: Of the call.
        spare: Memory for the copies, by numbers of calls; they are given back to it. None: no memory is used again.
    """

    reason = ""

    def __init__(
        self, query: Tensor, key: Tensor, scale: float, layout: Layout, number: int, spare: Spare | None
    ) -> None:
        self.layout, self._scale, self._number, self._spare = layout, scale, number, spare
        self._kept: Kept | None = None
        found = None if spare is None else spare.pop(number, None)
        if found is None or (found[0].shape, found[0].dtype) != (query.shape, query.dtype):
            with torch.inference_mode(False):  # else it could not be written into outside of that mode
                found = torch.empty_like(query), torch.empty_like(key)  # laid out as they are
        self._copies: tuple[Tensor, Tensor] | None = found[0].copy_(query.detach()), found[1].copy_(key.detach())

    @property
    def kept(self) -> Kept | None:
        """Its query and key, in new memory."""
        if self._copies is not None:
            self._kept = kept_in_order(*self._copies, self._scale, self.layout)
            self._give_back()
        return self._kept

    @property
    def names(self) -> tuple[KeptName, ...]:
        """Of the tensors that are kept."""
        return ("query", "key", "other_query", "other_key") if self.layout.prefix else ("query", "key")

    def _give_back(self) -> None:
        if self._spare is not None and self._copies is not None:
            self._spare[self._number] = self._copies
        self._copies = None

    def __del__(self) -> None:
        self._give_back()


def hold_gate(args: Sequence[Any], at: int, batch: int) -> FoundGate:
    """The gate that is known to be an argument of a multiplication."""
    shape = args[1 - at].shape
    value = without_expanded(args[at]).detach().clone()
    return classified(value, (int(shape[-2]), int(shape[-1])), batch, frozenset())


def hold_attention(
    number: int, args: Sequence[Any], kwargs: dict[str, Any], layout: Layout, spare: Spare | None
) -> HeldAttention | None:
    """The attention of a call that makes all of it at once, its layout being known; None where it is not plain."""
    if layout.prefix is None or layout.query_rows is None or len(args) < 3 or len(args) > 4:
        return None
    if kwargs.get("is_causal") or (args[3] if len(args) > 3 else kwargs.get("attn_mask")) is not None:
        return None
    query, key, shape = args[0], args[1], layout.query_rows.shape
    rows = shape[0] * shape[1] * (layout.prefix + shape[2])
    if query.shape != key.shape or query.numel() != rows * query.shape[-1]:
        return None
    scale = kwargs.get("scale")
    return HeldAttention(query, key, query.shape[-1] ** -0.5 if scale is None else scale, layout, number, spare)
