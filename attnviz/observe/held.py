"""What a known pass copies while the network runs, as little as can be; put in order when it is asked for.

Fresh memory costs more than the copying: the system hands it out page by page. So what a pass copied into is kept for
the next one once nobody holds it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attnviz.observe.energies import Kept, KeptName, kept_in_order
from attnviz.observe.gates import classified, without_expanded
from attnviz.observe.layouts import Form, Layout, form_of

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


class HeldGate:
    """A gate that was copied; stands for a `FoundGate`.

    Args:
        copied: As it met the features, without the dimensions along which it only repeats itself.
        grid: (h, w) of the features.
        batch: How many pictures.
    """

    def __init__(self, copied: Tensor, grid: tuple[int, int], batch: int) -> None:
        self._copied, self._grid, self._batch = copied, grid, batch

    @property
    def value(self) -> Tensor:
        """Its numbers, as those of a `FoundGate`."""
        return classified(self._copied, self._grid, self._batch, frozenset()).value


@dataclass(frozen=True)
class DirectGate:
    """A gate that is known to be an argument of a multiplication.

    Attributes:
        at: Which one.
        shapes: Of both arguments.
        repeats: Whether it only repeats itself along a dimension.
    """

    at: int
    shapes: tuple[torch.Size, torch.Size]
    repeats: bool

    @classmethod
    def of(cls, args: Sequence[Any], at: int) -> DirectGate:
        """The one among these arguments."""
        return cls(at, (args[0].shape, args[1].shape), 0 in args[at].stride())

    def held(self, args: Sequence[Any], batch: int) -> HeldGate | None:
        """It, copied; None where the arguments are others than were known."""
        if len(args) < 2 or self.of(args, self.at) != self:
            return None
        gate = without_expanded(args[self.at]) if self.repeats else args[self.at]
        shape = self.shapes[1 - self.at]
        return HeldGate(gate.detach().clone(), (shape[-2], shape[-1]), batch)


@dataclass(frozen=True)
class DirectAttention:
    """The attention of a call that makes all of it at once, its layout being known.

    Attributes:
        layout: Where the places are.
        form: Of query and key.
    """

    layout: Layout
    form: Form

    def is_made_by(self, args: Sequence[Any]) -> bool:
        """Whether query and key lie as they did, so that the layout holds."""
        return len(args) > 1 and form_of(args[0], args[1]) == self.form

    def held(
        self, number: int, args: Sequence[Any], kwargs: dict[str, Any], spare: Spare | None
    ) -> HeldAttention | None:
        """It, copied; None where it is not plain."""
        layout = self.layout
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
