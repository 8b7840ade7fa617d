"""Which numbers of a tensor belong to which place of the picture, whatever views, windows and shifts it went through.

Beside each tensor goes one of the same shape that holds the number of a place instead of a feature; what only moves
numbers about (views, permutations, rolls, slices) is done to it as well. 0 stands for no place: CLS, registers,
padding. Where all features of a place hold the same number it is one number in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

FRESH = {  # what computes a new (B, C, h, w) from another
    *("conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
    *("interpolate", "upsample", "pixel_shuffle", "pixel_unshuffle", "boolean_dispatch"),
}
MOVES = {  # what moves numbers about and computes none
    *(
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "expand",
        "expand_as",
        "view_as",
        "reshape_as",
    ),
    *("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "T", "mT", "H", "mH", "adjoint"),
    *("roll", "flip", "fliplr", "flipud", "rot90", "gather", "index_select", "take_along_dim", "select", "narrow"),
    *("getitem", "chunk", "split", "tensor_split", "unbind", "iter", "repeat", "repeat_interleave", "tile", "unfold"),
    *("pad", "broadcast_to", "as_strided", "channel_shuffle"),
}
JOINS = {"cat", "concat", "concatenate", "stack"}
PRODUCTS = {"matmul", "bmm", "baddbmm", "einsum", "rmatmul"}
_MIXES_PLACES = {
    "sort",
    "argsort",
    "topk",
    "cumsum",
    "fold",
    "flatten_parameters",
    "scatter",
    "index_add",
    "index_copy",
}


@dataclass(frozen=True)
class Numbers:
    """The places of one tensor.

    Attributes:
        grid: (h, w).
        of: float32 of the tensor's shape: 1 + picture * h * w + row by row, exact up to 2**24; 0 where no place is.
    """

    grid: tuple[int, int]
    of: Tensor

    def equals(self, other: Numbers | None) -> bool:
        """Whether those of another tensor are the same."""
        return other is not None and self.grid == other.grid and torch.equal(self.of, other.of)

    def along(self, dim: int) -> Tensor | None:
        """The numbers where they are the same all along a dimension, which is of length 1 then; else None."""
        first = self.of.narrow(dim, 0, 1)
        same = self.of.stride(dim) == 0 or self.of.shape[dim] == 1 or bool((self.of == first).all())
        return first if same else None


class Places:
    """Follows the places of the picture through one forward pass."""

    def __init__(self, x: Tensor) -> None:
        self._batch, self._size = int(x.shape[0]), (int(x.shape[2]), int(x.shape[3]))
        self._of = WeakTensorKeyDictionary()
        self._fresh: dict[tuple[int, int], Tensor] = {}
        self._of[x] = self._new(x)

    def has_proportions(self, height: int, width: int) -> bool:
        """Whether a grid covers the picture with cells as wide as high, give or take what padding adds."""
        strides = self._size[0] / height, self._size[1] / width
        return max(strides) <= 1.5 * min(strides)

    def of(self, tensor: Tensor) -> Numbers | None:
        """The places of a tensor; None where they are not known."""
        found: Numbers | None = self._of.get(tensor)
        return found

    def note(
        self,
        func: Callable[..., Any],
        name: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        outs: Sequence[Tensor],
    ) -> None:
        """Remember where the places are in what a call gave.

        Args:
            func: The call.
            name: Its plain name.
            args: Its arguments.
            kwargs: Its arguments by name.
            outs: The tensors that it gave.
        """
        tensors = [a for a in _flat(args) if isinstance(a, Tensor)]
        if not outs or not tensors:
            return
        if name in FRESH and outs[0].ndim == 4:
            self._keep(outs[0], self._computed(tensors[0], outs[0]))
        elif name == "grid_sample":  # as large as the features: warped; else samples, which lie anywhere
            warped = tensors[0].shape[2:] == outs[0].shape[2:]
            self._keep(outs[0], self._computed(tensors[0], outs[0]) if warped else None)
        elif name in JOINS:
            self._keep(outs[0], self._joined(func, tensors, args, kwargs, outs[0]))
        elif name in MOVES:
            self._moved(func, name, tensors[0], args, kwargs, outs)
        elif name in PRODUCTS or name in {"linear", "conv1d", "scaled_dot_product_attention"}:
            self._keep(outs[0], self._multiplied(name, tensors, outs[0]))
        elif name not in _MIXES_PLACES:
            for out in outs:
                self._keep(out, self._same(tensors, out))

    def _keep(self, out: Tensor, numbers: Numbers | None) -> None:
        if numbers is not None:
            self._of[out] = numbers
        elif out in self._of:
            del self._of[out]

    def _new(self, features: Tensor) -> Numbers:
        """Numbers of a (B, C, h, w) whose places are its own."""
        grid = int(features.shape[2]), int(features.shape[3])
        if grid not in self._fresh:
            count = self._batch * grid[0] * grid[1]
            numbers = torch.arange(1, count + 1, dtype=torch.float32, device=features.device)
            self._fresh[grid] = numbers.view(self._batch, 1, *grid)
        return Numbers(grid, self._fresh[grid].expand(features.shape))

    def _computed(self, source: Tensor, out: Tensor) -> Numbers | None:
        known = self.of(source)
        if known is not None and known.of.ndim == 4 and source.shape[2:] == out.shape[2:]:
            first = known.along(1)  # may be places of windows, or shifted ones
            if first is not None and first.shape[0] == out.shape[0]:
                return Numbers(known.grid, first.expand(out.shape))
        computed = out.shape[0] == self._batch and (known is not None or self.has_proportions(*out.shape[2:]))
        return self._new(out) if computed else None

    def _joined(
        self,
        func: Callable[..., Any],
        parts: Sequence[Tensor],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        out: Tensor,
    ) -> Numbers | None:
        known = [self.of(part) for part in parts]
        known = [n if n is not None and bool(n.of.any()) else None for n in known]  # a class token is of no grid
        grids = {numbers.grid for numbers in known if numbers is not None}
        if len(grids) != 1:
            return None
        own = [
            torch.zeros(1, device=out.device).expand(part.shape) if numbers is None else numbers.of
            for part, numbers in zip(parts, known, strict=True)
        ]
        if out.ndim == 4 and all(n.shape[2:] == out.shape[2:] and n.stride(1) == 0 for n in own):
            firsts = [n[:, :1] for n in own]  # features of the same places side by side
            if firsts[0].shape[0] == out.shape[0] and all(torch.equal(n, firsts[0]) for n in firsts[1:]):
                return Numbers(grids.pop(), firsts[0].expand(out.shape))
        joined = func(own, *args[1:], **{key: value for key, value in kwargs.items() if key != "tensors"})
        if joined.shape != out.shape:
            return None
        numbers = Numbers(grids.pop(), joined)
        first = numbers.along(-1)  # as tokens behind a class token: one number in memory again
        return numbers if first is None else Numbers(numbers.grid, first.expand(out.shape))

    def _moved(
        self,
        func: Callable[..., Any],
        name: str,
        source: Tensor,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        outs: Sequence[Tensor],
    ) -> None:
        known = self.of(source)
        if known is None:
            return
        given = {key: value for key, value in kwargs.items() if key not in {"input", "self", "value"}}
        rest = args[1:3] if name == "pad" else args[1:]  # padding is no place, whatever its value
        moved: Any = ()
        for whole in (False, True):  # not every view can be had of what is one number in memory
            with suppress(RuntimeError, TypeError, ValueError, IndexError):
                moved = func(known.of.contiguous() if whole else known.of, *rest, **given)
                break
        for out, numbers in zip(outs, [moved] if isinstance(moved, Tensor) else moved, strict=False):
            self._keep(out, Numbers(known.grid, numbers) if numbers.shape == out.shape else None)

    def _multiplied(self, name: str, tensors: Sequence[Tensor], out: Tensor) -> Numbers | None:
        """Rows of a matrix product are of the first factor's places, columns of the second's."""
        left = self.of(tensors[-2] if name == "baddbmm" else tensors[0])
        if name == "conv1d":
            first = None if left is None or left.of.shape[-1] != out.shape[-1] else left.along(1)
            return None if left is None or first is None else Numbers(left.grid, first.expand(out.shape))
        if left is not None and left.of.shape[:-1] == out.shape[:-1]:
            first = left.along(-1)
            if first is not None:
                return Numbers(left.grid, first.expand(out.shape))
            if name == "linear" or tensors[1].ndim == 2:
                return self._coarser(left, out)
        right = self.of(tensors[-1]) if name in {"matmul", "bmm", "baddbmm"} else None
        if right is not None and right.of.ndim == out.ndim and right.of.shape[-1] == out.shape[-1]:
            first = right.along(-2)
            if first is not None and first.shape[:-2] == out.shape[:-2]:
                return Numbers(right.grid, first.expand(out.shape))
        return None

    def _coarser(self, numbers: Numbers, out: Tensor) -> Numbers | None:
        """Places of tokens that are made of several places each: patches that were cut, cells that were merged."""
        height, width = numbers.grid
        placed = numbers.of > 0  # padding is not
        count = placed.sum(-1)
        if not bool(count.all()):
            return None
        index = (numbers.of - 1).clamp_min(0).double()
        picture = (index / (height * width)).floor()
        cell = index - picture * height * width
        y = (cell / width).floor()
        x = cell - y * width
        rows, row = ((y * placed).sum(-1) / count).unique(return_inverse=True)
        columns, column = ((x * placed).sum(-1) / count).unique(return_inverse=True)
        coarse = picture.amax(-1) * len(rows) * len(columns) + row * len(columns) + column + 1
        if coarse.numel() != self._batch * len(rows) * len(columns) or len(coarse.unique()) != coarse.numel():
            return None
        return Numbers((len(rows), len(columns)), coarse.float().unsqueeze(-1).expand(out.shape))

    def _same(self, tensors: Sequence[Tensor], out: Tensor) -> Numbers | None:
        """The places of the first tensor that has some and the shape of what came out."""
        for tensor in tensors:
            known = self.of(tensor)
            if known is not None and known.of.shape == out.shape:
                return known
        return None


def _flat(args: Sequence[Any]) -> list[Any]:
    return [b for a in args for b in (a if isinstance(a, (list, tuple)) else (a,))]
