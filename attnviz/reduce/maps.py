"""What a map is, checked at the border of this stage."""

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import InputError

FloatArray = NDArray[np.float32]


def checked(values: FloatArray) -> FloatArray:
    """The array itself, once it is known to be float32, of two axes, not empty and finite.

    Raises:
        InputError: It is not.
    """
    if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.ndim != 2 or values.size == 0:
        got = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise InputError(f"expected a map as a float32 array of shape (h, w) that is not empty, got {got}")
    finite = np.isfinite(values)
    if not finite.all():
        raise InputError(f"expected a map of finite numbers, got {int((~finite).sum())} that are not")
    return values


def checked_mass(values: FloatArray) -> NDArray[np.float64]:
    """A map's values in double precision, once they are known to be shares of something.

    Raises:
        InputError: Not a map, or a value is negative, or all are zero.
    """
    mass = checked(values).astype(np.float64)
    if mass.min() < 0:
        raise InputError(f"expected a map without negative values, got one with {mass.min():g}")
    if mass.max() == 0:
        raise InputError("expected a map with some mass, got one of zeros")
    return mass
