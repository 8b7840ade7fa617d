"""Many channels to one number per location."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from attnviz.errors import InputError, OptionError
from attnviz.reduce.maps import FloatArray, checked

How = Literal["mean", "max", "min", "absolute", "norm"]


def collapse(values: FloatArray, how: How = "mean") -> FloatArray:
    """Reduce the channels of an activation to one map; nothing is rescaled.

    Args:
        values: float32 (C, h, w), finite, in any unit.
        how: Over the channels c of each location:

            - ``"mean"``: mean of v_c, keeps the unit and the sign;
            - ``"max"``: largest v_c; ``"min"``: smallest v_c;
            - ``"absolute"``: mean of |v_c|, 0 or more, as in attention transfer (arXiv 1612.03928) with p = 1;
            - ``"norm"``: Euclidean length sqrt(sum of v_c squared), 0 or more; grows with C.

    Returns:
        float32 (h, w), summed in double precision.

    Raises:
        InputError: Not a finite float32 (C, h, w), or a length beyond float32.
        OptionError: `how` is none of these.
    """
    reduction = _REDUCTIONS.get(how)
    if reduction is None:
        raise OptionError(f"expected how to be one of {', '.join(get_args(How))}, got {how!r}")
    return reduction(checked(values, ndim=3, what="an activation"))


def _mean(values: FloatArray) -> FloatArray:
    return np.asarray(values.mean(axis=0, dtype=np.float64), dtype=np.float32)


def _absolute(values: FloatArray) -> FloatArray:
    return _mean(np.abs(values))


def _norm(values: FloatArray) -> FloatArray:
    lengths = np.sqrt(np.square(values, dtype=np.float64).sum(axis=0))
    if lengths.max() > np.finfo(np.float32).max:
        raise InputError(f"expected an activation whose length float32 can hold, got {lengths.max():g}")
    return np.asarray(lengths, dtype=np.float32)


_REDUCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "mean": _mean,
    "max": lambda values: values.max(axis=0),
    "min": lambda values: values.min(axis=0),
    "absolute": _absolute,
    "norm": _norm,
}
