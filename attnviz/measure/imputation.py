"""Filling in pixels that were taken out, so that what is left tells nothing of where they were (ROAD).

Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", arXiv 2202.00449, section 4:
every missing pixel is the weighted mean of its eight neighbours, those next to it with 1/6 and the diagonal ones with
1/12, and a little noise. The authors solve the sparse system directly; here conjugate gradients solve many at once.
"""

import torch
from torch import Tensor
from torch.nn import functional

NOISE = 0.01  # the authors' code; in standard deviations of the colours
_MOST_STEPS = 1000  # a hole of a whole picture of 300 pixels takes about as many
_SMALLEST = 16  # pixels: smaller pictures are solved at once
TOLERANCE = 5e-3  # of the residual, relative: leaves errors of 0.02 standard deviations of the colours, twice the noise


def imputed(
    image: Tensor, known: Tensor, noise: float = NOISE, *, tolerance: float = TOLERANCE, seed: int = 0
) -> Tensor:
    """A picture with its missing pixels filled in, once for each set of missing pixels.

    Args:
        image: float (3, H, W), mean and std removed.
        known: bool (B, H, W), False where a pixel is missing.
        noise: Standard deviation of what is added to the pixels filled in.
        tolerance: Where the solver stops: residual over what is given.
        seed: Of the noise.

    Returns:
        float (B, 3, H, W); where everything is missing, 0: the mean colour.
    """
    keep = known[:, None].to(image)
    missing = 1 - keep
    filled = _filled(image * keep, keep, tolerance)
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(filled.shape, generator=generator).to(image)
    return image * keep + (filled + noise * random) * missing


def _filled(kept: Tensor, keep: Tensor, tolerance: float) -> Tensor:
    """The missing pixels of pictures (B, 3, H, W) of which `keep` (B, 1, H, W) is 1 where they are known.

    A picture of half the size is filled in first: enlarged, it is a start from which few steps are left.
    """
    missing = 1 - keep
    start = torch.zeros_like(kept)
    if min(kept.shape[2:]) >= 2 * _SMALLEST:
        share = functional.avg_pool2d(keep, 2, ceil_mode=True)
        means = functional.avg_pool2d(kept, 2, ceil_mode=True) / share.clamp_min(1e-6)
        half = (share > 0).to(keep)
        coarse = means * half + _filled(means * half, half, tolerance) * (1 - half)
        start = missing * functional.interpolate(coarse, size=kept.shape[2:], mode="bilinear")
    return _solved(missing * _neighbours(kept), missing, _neighbours(torch.ones_like(keep)), start, tolerance)


def _solved(right: Tensor, missing: Tensor, total: Tensor, start: Tensor, tolerance: float) -> Tensor:
    """Solve total * x - neighbours(x) = right where pixels are missing, for every picture and colour at once.

    The sum of neighbours' weights, `total`, is 1 but at the edges, where a pixel has fewer.
    """
    x = start
    residual = right - missing * (total * x - _neighbours(x))
    direction = residual.clone()
    size = _dot(residual, residual)
    enough = _dot(right, right) * tolerance**2
    for _ in range(_MOST_STEPS):
        if bool((size <= enough).all()):
            break
        image = missing * (total * direction - _neighbours(direction))
        step = size / _dot(direction, image).clamp_min(1e-30)
        x += step * direction
        residual -= step * image
        new = _dot(residual, residual)
        direction = residual + new / size.clamp_min(1e-30) * direction
        size = new
    return x


def _neighbours(values: Tensor) -> Tensor:
    """Weighted sum of the eight neighbours, none beyond the edge: (1 2 1) x (1 2 1) / 12 without its middle."""
    rows = 2 * values
    rows[..., 1:, :] += values[..., :-1, :]
    rows[..., :-1, :] += values[..., 1:, :]
    both = 2 * rows
    both[..., 1:] += rows[..., :-1]
    both[..., :-1] += rows[..., 1:]
    return (both - 4 * values) / 12


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(dim=(2, 3), keepdim=True)
