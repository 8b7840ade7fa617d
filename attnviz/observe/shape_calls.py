"""What calls that only turn a tensor do to its dimensions, read from their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

_TRANSPOSES = {"transpose", "swapaxes", "swapdims"}


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


def tensors_in(args: Sequence[Any]) -> list[Tensor]:
    """The tensors among arguments, also those in lists."""
    flat = [b for a in args for b in (a if isinstance(a, (list, tuple)) else (a,))]
    return [a for a in flat if isinstance(a, Tensor)]


def _argument(args: Sequence[Any], kwargs: dict[str, Any], place: int, key: str, default: Any) -> Any:  # noqa: ANN401
    return args[place] if len(args) > place else kwargs.get(key, default)


def _dim(dim: int, tensor: Tensor) -> int:
    return dim % max(1, tensor.ndim)
