"""Which rows of a tensor are places of the picture: a feature map's locations followed through views and permutations.

A view keeps the order of its numbers, so that locations lie where as many numbers stand before them as before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

FRESH = {  # what computes a new (B, C, h, w) from another
    *("conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
    *("interpolate", "upsample", "pixel_shuffle", "grid_sample", "pad"),
}
_SHUFFLES = {  # what gives a tensor of the same shape with its places elsewhere, or is not followed
    *("roll", "flip", "fliplr", "flipud", "rot90", "gather", "index_select", "take_along_dim", "sort", "movedim"),
    *("moveaxis", "repeat_interleave", "unfold", "fold", "rearrange"),
}
_TRANSPOSES = {"transpose", "swapaxes", "swapdims"}


@dataclass(frozen=True)
class Tokens:
    """Where in a tensor's shape the locations are.

    Attributes:
        dim: The dimension of the locations; of their rows, where rows and columns are two dimensions.
        flat: Whether they are one dimension, row by row.
        grid: (h, w).
        before: Other tokens that stand before them (CLS, registers).
        after: Other tokens that stand after them.
        apart: From the dimension of rows to that of columns; more than 1 while pictures are cut into patches.
    """

    dim: int
    flat: bool
    grid: tuple[int, int]
    before: int = 0
    after: int = 0
    apart: int = 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """Sizes of their dimensions, one or two."""
        return (self.before + self.grid[0] * self.grid[1] + self.after,) if self.flat else self.grid


def of_feature_map(features: Tensor) -> Tokens | None:
    """The locations of (B, C, h, w); None for another shape."""
    return Tokens(2, False, (int(features.shape[2]), int(features.shape[3]))) if features.ndim == 4 else None


def followed(tokens: Tokens, name: str, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Tokens | None:
    """Where the locations of a call's first tensor are in its result; None where that cannot be told."""
    source: Tensor = args[0] if isinstance(args[0], Tensor) else out
    order = permutation(name, args, kwargs)
    if order is not None:
        return _permuted(tokens, order)
    if name in _SHUFFLES:
        return None
    if tokens.apart > 1:
        return tokens if out.shape == source.shape else None
    if name == "getitem":
        return _indexed(tokens, args[1], source)
    if name == "unbind":
        removed = _dim(_argument(args, kwargs, 1, "dim", 0), source)
        own = range(tokens.dim, tokens.dim + len(tokens.lengths))
        return None if removed in own else replace(tokens, dim=tokens.dim - (removed < tokens.dim))
    return _viewed(tokens, source, out)


def concatenated(found: Sequence[Tokens | None], args: Sequence[Any], kwargs: dict[str, Any]) -> Tokens | None:
    """The locations after `torch.cat`: what is put before or after them along their dimension is counted."""
    parts: Sequence[Tensor] = args[0]
    own = [number for number, tokens in enumerate(found) if tokens is not None]
    tokens = found[own[0]] if own else None
    if tokens is None:
        return None
    dim = _dim(_argument(args, kwargs, 1, "dim", 0), parts[0])
    if dim not in range(tokens.dim, tokens.dim + len(tokens.lengths)):
        return tokens
    if not tokens.flat or len(own) > 1:
        return None
    before = sum(int(part.shape[dim]) for part in parts[: own[0]])
    after = sum(int(part.shape[dim]) for part in parts[own[0] + 1 :])
    return replace(tokens, before=tokens.before + before, after=tokens.after + after)


def permutation(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> list[int] | None:
    """The order of dimensions that a call makes; None where it makes none."""
    source = args[0]
    if name in _TRANSPOSES:
        names = ("dim0", "dim1") if name == "transpose" else ("axis0", "axis1")
        one, other = (_dim(_argument(args, kwargs, 1 + i, key, 0), source) for i, key in enumerate(names))
        order = list(range(source.ndim))
        order[one], order[other] = other, one
        return order
    if name == "permute":
        given = kwargs.get("dims", args[1:])
        given = given[0] if len(given) == 1 and not isinstance(given[0], int) else given
        return [_dim(d, source) for d in given]
    if name in {"mT", "mH"} or (name in {"t", "T"} and source.ndim == 2):
        return [*range(source.ndim - 2), source.ndim - 1, source.ndim - 2]
    return None


def _permuted(tokens: Tokens, order: list[int]) -> Tokens | None:
    dim = order.index(tokens.dim)
    if tokens.flat:
        return replace(tokens, dim=dim)
    apart = order.index(tokens.dim + tokens.apart) - dim
    return replace(tokens, dim=dim, apart=apart) if apart > 0 else None  # else columns stand before rows


def _viewed(tokens: Tokens, source: Tensor, out: Tensor) -> Tokens | None:
    old, new = list(source.shape), list(out.shape)
    if len(old) < tokens.dim + len(tokens.lengths):
        return None
    before = math.prod(old[: tokens.dim])
    flat = replace(tokens, flat=True)
    for dim in sorted(range(len(new)), key=lambda d: d != tokens.dim):
        if math.prod(new[:dim]) != before:
            continue
        for shape in (tokens, flat):
            if tuple(new[dim : dim + len(shape.lengths)]) == shape.lengths:
                return replace(shape, dim=dim)
        if tokens.flat and not tokens.before and not tokens.after and tuple(new[dim : dim + 2]) == tokens.grid:
            return replace(tokens, dim=dim, flat=False)
        if not tokens.flat and len(new) > dim + 3:
            rows, high, columns, wide = new[dim : dim + 4]
            if (rows * high, columns * wide) == tokens.grid:  # cut into patches of high x wide
                return replace(tokens, dim=dim, grid=(rows, columns), apart=2)
    return None


def _indexed(tokens: Tokens, index: object, source: Tensor) -> Tokens | None:
    items = list(index) if isinstance(index, tuple) else [index]
    if any(isinstance(item, (Tensor, list, bool)) for item in items):
        return None
    used = sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis not in items:
        items.append(Ellipsis)
    at = items.index(Ellipsis)
    items[at : at + 1] = [slice(None)] * (source.ndim - used)
    own = range(tokens.dim, tokens.dim + len(tokens.lengths))
    dim, moved = 0, 0
    for item in items:
        if item is None:
            moved += dim <= tokens.dim
            continue
        if isinstance(item, int):
            if dim in own:
                return None
            moved -= dim < tokens.dim
        elif isinstance(item, slice) and dim in own:
            start, stop, step = item.indices(int(source.shape[dim]))
            cut = int(source.shape[dim]) - stop
            if step != 1 or start > tokens.before or cut > tokens.after or (not tokens.flat and (start or cut)):
                return None
            tokens = replace(tokens, before=tokens.before - start, after=tokens.after - cut)
        dim += 1
    return replace(tokens, dim=tokens.dim + moved)


def _argument(args: Sequence[Any], kwargs: dict[str, Any], place: int, key: str, default: Any) -> Any:  # noqa: ANN401
    return args[place] if len(args) > place else kwargs.get(key, default)


def _dim(dim: int, tensor: Tensor) -> int:
    return dim % max(1, tensor.ndim)
