"""Where the numbers of a gate are on the picture, if they do not lie as (B, C, h, w): channels last, or tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from attnviz.observe.places import Numbers

_ABOUT = 1e-2  # how far from 1 a softmax may sum in half precision


@dataclass(frozen=True)
class GateOrder:
    """How the numbers of a gate are put in order.

    Attributes:
        grid: (h, w) of its places.
        dims: Order of its dimensions with the channels second; None where they are.
        order: Of its places then, int64 (B * h * w,); None where they are in order.
    """

    grid: tuple[int, int]
    dims: tuple[int, ...] | None = None
    order: Tensor | None = None

    def laid(self, value: Tensor) -> Tensor:
        """A gate as (B, C, h, w); with h or w 1 where it is the same for all rows, columns or places."""
        value = value.detach()
        value = value.clone() if self.dims is None else value.permute(self.dims).contiguous()
        if self.order is None:
            return value
        if value.ndim == 3 and value.shape[2] == 1:
            return value.unsqueeze(-1)
        channels = int(value.shape[1])
        placed = value.movedim(1, -1).reshape(-1, channels)[self.order]
        return placed.view(-1, *self.grid, channels).movedim(-1, 1).contiguous()

    def maps(self, softmax: Tensor) -> Tensor:
        """A softmax over all places, of one map or several, as (B, maps, h, w)."""
        if self.dims is None:
            return GateOrder(self.grid, None, self.order).laid(softmax.reshape(1, 1, -1))
        value = softmax.permute(self.dims)
        return GateOrder(self.grid, None, self.order).laid(value.reshape(value.shape[0], -1, value.shape[-1]))


def order_beside(numbers: Numbers, batch: int) -> GateOrder | None:
    """How a gate lies that multiplies features of these places, features having their channels elsewhere, or tokens.

    Args:
        numbers: Of the features, (B, ...) of 3 or 4 dimensions.
        batch: How many pictures.

    Returns:
        None where the features are (B, C, h, w) in order, or of places that are not all of the picture's.
    """
    ndim, cells = numbers.of.ndim, math.prod(numbers.grid)
    if ndim not in {3, 4} or numbers.of.shape[0] != batch:
        return None
    for channel in range(1, ndim):
        first = numbers.along(channel)
        others = [dim for dim in range(1, ndim) if dim != channel]
        if first is None or math.prod(first.shape[1:]) < cells:
            continue
        if ndim == 3:
            order = _whole_order(first.flatten(), batch * cells)
            return None if order is None else GateOrder(numbers.grid, (0, channel, *others), order)
        for places in (others, others[::-1]):
            dims = (0, channel, *places)
            if tuple(first.permute(dims).shape[2:]) == numbers.grid and _in_order(first.permute(dims), batch * cells):
                return None if dims == (0, 1, 2, 3) else GateOrder(numbers.grid, dims)
    return None


def order_of_maps(numbers: Numbers, softmax: Tensor, batch: int) -> GateOrder | None:
    """How a softmax over all places lies, of one map or of several; None where it is none.

    Args:
        numbers: Of the softmax.
        softmax: (B, ..., maps, N), (B, ..., N, maps), or of any shape of one number for each place.
        batch: How many pictures.
    """
    count = batch * math.prod(numbers.grid)
    if softmax.numel() == count > batch:
        order = _whole_order(numbers.of.flatten(), count)
        return None if order is None else GateOrder(numbers.grid, None, order)
    if softmax.ndim < 3 or softmax.shape[0] != batch or softmax.numel() % count:
        return None
    for dims in _with_places_last(softmax.ndim):
        places = numbers.of.permute(dims)
        value = softmax.detach().permute(dims)
        if value.shape[-1] != count // batch or bool(((value.sum(-1) - 1).abs() > _ABOUT).any()):
            continue
        each = places.reshape(batch, -1, places.shape[-1])
        order = _whole_order(each[:, 0].flatten(), count)
        if order is not None and bool((each == each[:, :1]).all()):
            return GateOrder(numbers.grid, dims, order)
    return None


def _with_places_last(ndim: int) -> Iterator[tuple[int, ...]]:
    yield tuple(range(ndim))
    yield (*range(ndim - 2), ndim - 1, ndim - 2)


def _whole_order(numbers: Tensor, count: int) -> Tensor | None:
    """The order of all places among rows, some of which may be of none; None where one is missing or there twice."""
    placed = (numbers > 0).nonzero().flatten()
    if len(placed) != count:
        return None
    ordered, order = numbers[placed].sort()
    at = torch.arange(1, count + 1, device=ordered.device, dtype=ordered.dtype)
    return placed[order] if torch.equal(ordered, at) else None


def _in_order(numbers: Tensor, count: int) -> bool:
    flat = numbers.flatten()
    return torch.equal(flat, torch.arange(1, count + 1, device=flat.device, dtype=flat.dtype))
