"""Start a wider network from a narrower one: it answers as the narrow one does, and has channels to learn with."""

import torch
from torch import Tensor


@torch.no_grad()
def grow_into(wide: Tensor, narrow: Tensor) -> None:
    """Put a narrow network's weight in the first channels of a wide one's, in place.

    The other output channels stay as they were initialised. The narrow network's own outputs get zeros for the other
    input channels, so that they are what they were. (Net2Net, arXiv 1511.05641, copies channels instead, which then
    have to be told apart.)

    Args:
        wide: (O, I, ...) or (O,), freshly initialised.
        narrow: (o, i, ...) or (o,), with o <= O and i <= I, else of the same shape.

    Raises:
        ValueError: The shapes are no such pair.
    """
    if wide.ndim != narrow.ndim or wide.shape[2:] != narrow.shape[2:] or any(map(int.__lt__, wide.shape, narrow.shape)):
        raise ValueError(f"expected a weight that fits in {tuple(wide.shape)}, got {tuple(narrow.shape)}")
    if narrow.ndim > 1:
        wide[: narrow.shape[0]] = 0
    wide[tuple(slice(size) for size in narrow.shape)] = narrow
