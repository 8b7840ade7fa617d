"""How each operation of PyTorch changes which part of the picture a cell sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attnviz.inputs.receptive_field import Reach

Reaches = tuple[Reach, Reach]


@dataclass(frozen=True)
class Seen:
    """What the cells of one tensor see.

    Attributes:
        reach: Down and across; None: the tensor has no cells that lie over the picture, or they were lost sight of.
        dims: Its dimensions that run over the cells: (rows, columns), or one for both in reading order.
        width: Cells in a row where one dimension is for both; else 0.
        everywhere: Whether it sees the whole picture.
    """

    reach: Reaches | None
    dims: tuple[int, ...] = ()
    width: int = 0
    everywhere: bool = False


_ALL = Seen(None, everywhere=True)
_SAME = {
    "expand",
    "clone",
    "detach",
    "alias",
    "_to_copy",
    "copy_",
    "contiguous",
    "dropout",
    "native_dropout",
    "lift_fresh",
}
_VIEWS = {"view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "flatten", "_reshape_alias"}
_REDUCTIONS = {"mean", "sum", "amax", "amin", "var", "std", "max", "min", "norm", "linalg_vector_norm", "argmax"}
_REDUCTIONS |= {"var_mean", "logsumexp"}
_SPLITS = {"split", "split_with_sizes", "chunk", "unbind"}
_NORM_PLACES = {"native_group_norm"}  # whose mean and deviation are taken over all places


def of_picture(picture: Tensor) -> dict[int, tuple[Tensor, Seen]]:
    """What is known at the start: each pixel (B, 3, H, W) sees itself."""
    pixel = Reach(Fraction(0), Fraction(1), Fraction(1))
    return {id(picture): (picture, Seen((pixel, pixel), (2, 3)))}


class FieldWatch(TorchDispatchMode):
    """Within it, what every tensor sees is noted; tensors are kept alive so that none takes another's place."""

    def __init__(self, known: dict[int, tuple[Tensor, Seen]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = known

    def seen(self, tensor: Tensor) -> Seen | None:
        """What a tensor sees; None: nothing of the picture."""
        found = self._known.get(id(tensor))
        return None if found is None else found[1]

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        inputs = [tensor for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)]
        if any(id(tensor) in self._known for tensor in inputs):
            for result in tree_leaves(out):
                if isinstance(result, Tensor):
                    self._known[id(result)] = (result, self._step(func, args, kwargs or {}, result, inputs))
        return out

    def _step(
        self, func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor, inputs: list[Tensor]
    ) -> Seen:
        name = func.overloadpacket.__name__
        sources = [(tensor, seen) for tensor in inputs if (seen := self.seen(tensor)) is not None]
        if torch.Tag.pointwise in func.tags or name in _SAME or name in {"cat", "stack"}:
            return _joined(name, args, out, sources)
        first = self.seen(args[0]) if args and isinstance(args[0], Tensor) else None
        others = any(seen is not first for _, seen in sources)
        if first is None or (others and name not in {"bmm", "mm"}):
            return _ALL
        if "batch_norm" in name or name in _NORM_PLACES:
            own = name in _NORM_PLACES or (name != "_native_batch_norm_legit_no_training" and args[5] is True)
            return replace(first, everywhere=first.everywhere or own) if out.ndim == args[0].ndim else _ALL
        step = _STEPS.get(name)
        if first.reach is None or step is None or others:
            return _ALL
        return step(first, args, kwargs, out)


def _joined(name: str, args: Sequence[Any], out: Tensor, sources: list[tuple[Tensor, Seen]]) -> Seen:
    """Of elementwise operations with broadcasting, and of tensors side by side: all that any of them sees."""
    everywhere = any(seen.everywhere for _, seen in sources)
    local: Seen | None = None
    for tensor, seen in sources:
        if seen.reach is None:
            continue
        if name in {"cat", "stack"}:
            dim = (args[1] if len(args) > 1 else 0) % out.ndim
            if dim in seen.dims or (name == "stack" and dim <= min(seen.dims)):
                return _ALL
        dims = tuple(dim + out.ndim - tensor.ndim for dim in seen.dims)  # broadcasting lines up the last dimensions
        if name != "cat" and any(out.shape[new] != tensor.shape[old] for new, old in zip(dims, seen.dims, strict=True)):
            everywhere = True  # a map of one cell, spread over all
            continue
        reach = seen.reach if local is None else _union(local, seen, dims)
        if reach is None:
            return _ALL
        local = Seen(reach, dims, seen.width)
    return _ALL if local is None else replace(local, everywhere=everywhere)


def _union(one: Seen, other: Seen, dims: tuple[int, ...]) -> Reaches | None:
    if one.reach is None or other.reach is None or one.dims != dims:
        return None
    rows, columns = (_hull(a, b) for a, b in zip(one.reach, other.reach, strict=True))
    return None if rows is None or columns is None else (rows, columns)


def _hull(one: Reach, other: Reach) -> Reach | None:
    """What either of two sees, and what lies between."""
    if one.stride != other.stride:
        return None
    start = min(one.start, other.start)
    return Reach(start, max(one.start + one.size, other.start + other.size) - start, one.stride)


def _windowed(reach: Reach, *, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
    """After a window of `kernel` cells was moved over the cells."""
    return Reach(
        reach.start - padding * reach.stride,
        reach.size + (kernel - 1) * dilation * reach.stride,
        reach.stride * stride,
    )


def _convolution(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """aten.convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)."""
    _, weight, _, stride, padding, dilation, transposed = args[:7]
    if transposed or weight.ndim != 4 or seen.dims != (2, 3):
        return _ALL
    return _moved(seen, [_pair(v) for v in (weight.shape[2:], stride, padding, dilation)])


def _pool(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """aten.max_pool2d(input, kernel, stride, padding, dilation), and its kin that return where the maximum was."""
    return _pooled(seen, args, args[4] if len(args) > 4 else 1)


def _average(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """aten.avg_pool2d(input, kernel, stride, padding, ...)."""
    return _pooled(seen, args, 1)


def _pooled(seen: Seen, args: Sequence[Any], dilation: Any) -> Seen:  # noqa: ANN401 - a number or a pair
    kernel = args[1]
    stride = args[2] if len(args) > 2 and args[2] else kernel
    padding = args[3] if len(args) > 3 else 0
    if len(seen.dims) != 2:
        return _ALL
    return _moved(seen, [_pair(v) for v in (kernel, stride, padding, dilation)])


def _pair(value: Any) -> tuple[int, int]:  # noqa: ANN401 - a number or one or two in a list
    numbers = [int(n) for n in value] if isinstance(value, (list, tuple)) else [int(value)]
    return numbers[0], numbers[-1]


def _moved(seen: Seen, sizes: list[tuple[int, int]]) -> Seen:
    if seen.reach is None:
        return _ALL
    rows, columns = (
        _windowed(reach, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        for reach, kernel, stride, padding, dilation in zip(seen.reach, *sizes, strict=True)
    )
    return replace(seen, reach=(rows, columns))


def _padded(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """Padding by zeros, by the border or by a mirror, (left, right, top, bottom): the cells move, none sees more."""
    pads = list(args[1])
    if seen.reach is None or seen.dims != (out.ndim - 2, out.ndim - 1) or any(pads[4:]):
        return _ALL
    left, top = pads[0], pads[2] if len(pads) > 2 else 0
    rows, columns = seen.reach
    moved = (
        replace(rows, start=rows.start - top * rows.stride),
        replace(columns, start=columns.start - left * columns.stride),
    )
    return replace(seen, reach=moved)


def _viewed(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """Another shape: the cells are where as many numbers stand before them as before, if there is such a place."""
    shape, new = args[0].shape, out.shape
    first = seen.dims[0]
    if len(seen.dims) == 2 and seen.dims[1] != first + 1:
        return _ALL
    before, cells = prod(shape[:first]), [shape[dim] for dim in seen.dims]
    for at in range(len(new)):
        if prod(new[:at]) == before:
            if list(new[at : at + len(cells)]) == cells:
                return replace(seen, dims=tuple(range(at, at + len(cells))))
            if len(cells) == 2 and new[at] == prod(cells):
                return replace(seen, dims=(at,), width=cells[1])
            if seen.width and list(new[at : at + 2]) == [cells[0] // seen.width, seen.width]:
                return replace(seen, dims=(at, at + 1), width=0)
    return _ALL


def _reduced(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """A mean, sum or maximum over some dimensions: over all cells, or beside them."""
    ndim = args[0].ndim
    given = kwargs.get("dim", args[1] if len(args) > 1 else None)
    if given is None or isinstance(given, bool):
        return _ALL
    dims = {dim % ndim for dim in (given if isinstance(given, (list, tuple)) else [given])}
    if dims & set(seen.dims) or not dims:
        return _ALL
    if out.ndim == ndim:
        return seen
    return replace(seen, dims=tuple(dim - sum(gone < dim for gone in dims) for dim in seen.dims))


def _length(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """aten.linalg_vector_norm(input, order, dim, keepdim)."""
    return _reduced(seen, [args[0], *args[2:]], kwargs, out)


def _softmax(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    across = args[1] % args[0].ndim in seen.dims
    return replace(seen, everywhere=seen.everywhere or across)


def _layer_norm(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    if out.ndim != args[0].ndim:
        return _ALL
    across = any(dim >= out.ndim - len(args[1]) for dim in seen.dims)
    return replace(seen, everywhere=seen.everywhere or across)


def _permuted(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    order = [dim % out.ndim for dim in args[1]]
    return replace(seen, dims=tuple(order.index(dim) for dim in seen.dims))


def _transposed(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    one, other = (dim % out.ndim for dim in ((0, 1) if len(args) < 3 else args[1:3]))
    swap = {one: other, other: one}
    return replace(seen, dims=tuple(swap.get(dim, dim) for dim in seen.dims))


def _sliced(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """aten.slice(input, dim, start, end, step)."""
    dim = (args[1] if len(args) > 1 else 0) % out.ndim
    if dim not in seen.dims or seen.reach is None:
        return seen
    start, step = (args[2] if len(args) > 2 else 0) or 0, args[4] if len(args) > 4 else 1
    if len(seen.dims) == 1 and (start or step != 1 or out.shape != args[0].shape):
        return _ALL
    start = start if start >= 0 else start + args[0].shape[dim]
    reaches = [
        Reach(r.start + start * r.stride, r.size, r.stride * step) if d == dim else r
        for d, r in zip(seen.dims, seen.reach, strict=False)
    ]
    return seen if len(seen.dims) == 1 else replace(seen, reach=(reaches[0], reaches[1]))


def _selected(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    gone = args[1] % args[0].ndim
    return _ALL if gone in seen.dims else replace(seen, dims=tuple(dim - (gone < dim) for dim in seen.dims))


def _split(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    dim = (args[2] if len(args) > 2 else kwargs.get("dim", 0)) % args[0].ndim
    return _ALL if dim in seen.dims or out.ndim != args[0].ndim else seen


def _product(seen: Seen, args: Sequence[Any], kwargs: dict[str, Any], out: Tensor) -> Seen:
    """A matrix product with weights, of features in the last dimension."""
    return _ALL if out.ndim - 1 in seen.dims else seen


_STEPS: dict[str, Callable[[Seen, Sequence[Any], dict[str, Any], Tensor], Seen]] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "max_pool2d_with_indices": _pool,
    "max_pool2d": _pool,
    "avg_pool2d": _average,
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), _padded),
    **dict.fromkeys(_VIEWS, _viewed),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    "linalg_vector_norm": _length,
    "_softmax": _softmax,
    "native_layer_norm": _layer_norm,
    "permute": _permuted,
    "transpose": _transposed,
    "t": _transposed,
    "slice": _sliced,
    "select": _selected,
    **dict.fromkeys(_SPLITS, _split),
    "mm": _product,
    "bmm": _product,
}
