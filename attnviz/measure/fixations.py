"""How well a map tells where people look, as the MIT/Tübingen saliency benchmark defines it.

The definitions are those of saliency.tuebingen.ai and its code, pysaliency; the papers: Bylinskii et al., arXiv
1604.03605 (the measures), Kümmerer et al., arXiv 1704.08615 (which map is best for which). A map need not be a
density: where a measure takes one, the map minus its minimum over its sum is taken for it.

All of them compare on a grid over the picture: maps and counts of fixations are (h, w) of the same shape.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import InputError
from attnviz.reduce.ranking import weighted_auc

Floats = NDArray[np.floating]
Points = NDArray[np.floating]  # (N, 2): x and y as shares of the picture's width and height

# Of the density of fixations, as a share of the picture's width: one degree of visual angle where a picture of 800
# pixels fills 33 degrees, as OSIE's did (Xu et al. 2014).
SPREAD = 0.03
_EPSILON = float(np.finfo(np.float64).eps)  # of the benchmark's KL


def auc(values: Floats, fixations: Floats) -> float:
    """AUC as the benchmark has it ("AUC-Judd"): fixations against all locations, whatever was fixated.

    A location that was fixated twice counts twice. Departs from Judd's own code in taking fixated locations for
    negatives too, and in ties counting one half, as the Tübingen benchmark does.

    Args:
        values: (h, w), finite, in any unit.
        fixations: (h, w), how many fell in each cell.

    Returns:
        Without a unit, from 0 to 1, 0.5 by chance; NaN without fixations.
    """
    _check(values, fixations)
    return weighted_auc(values.ravel(), fixations.ravel(), np.ones(values.size))


def shuffled_auc(values: Floats, fixations: Floats, others: Floats) -> float:
    """Shuffled AUC: fixations on this picture against the fixations on all other pictures.

    People look at the middle of any picture; here that earns nothing.

    Args:
        values: (h, w), finite, in any unit.
        fixations: (h, w), how many fell in each cell.
        others: (h, w), how many of the fixations on other pictures fell in each cell.

    Returns:
        Without a unit, from 0 to 1, 0.5 by chance and for the centre; NaN without fixations of both kinds.
    """
    _check(values, fixations)
    _check(values, others)
    return weighted_auc(values.ravel(), fixations.ravel(), others.ravel())


def nss(values: Floats, fixations: Floats) -> float:
    """Normalised scanpath saliency: the mean at the fixations of the map with mean 0 and standard deviation 1.

    Returns:
        In standard deviations of the map; 0 by chance; 0 for a map that is the same everywhere; NaN without fixations.
    """
    _check(values, fixations)
    total = float(fixations.sum())
    return float((_standardised(values) * fixations).sum() / total) if total else float("nan")


def correlation(values: Floats, density: Floats) -> float:
    """Pearson's correlation of a map with the density of fixations (CC).

    Returns:
        Without a unit, from -1 to 1, 0 by chance; NaN where one of them is the same everywhere.
    """
    _check(values, density)
    one, other = _standardised(values), _standardised(density)
    if not one.any() or not other.any():
        return float("nan")
    return float(np.clip((one * other).mean(), -1.0, 1.0))


def kl_divergence(values: Floats, density: Floats) -> float:
    """Kullback-Leibler divergence of the density of fixations from a map (the benchmark's "image-based KL").

    Returns:
        In nats, 0 (the map is the density) and up; lower is better.
    """
    _check(values, density)
    expected, found = density / density.sum(), _as_density(values)
    return float((expected * np.log(_EPSILON + expected / (found + _EPSILON))).sum())


def counts_on_grid(points: Points, grid: tuple[int, int]) -> NDArray[np.float64]:
    """How many of some points fall in each cell; those outside of the picture are left out.

    Args:
        points: (N, 2), x and y as shares of the picture's sides.
        grid: (h, w).

    Returns:
        float64 (h, w).
    """
    inside = points[((points >= 0) & (points < 1)).all(axis=1)]
    counts = np.zeros(grid)
    np.add.at(counts, (np.int64(inside[:, 1] * grid[0]), np.int64(inside[:, 0] * grid[1])), 1.0)
    return counts


def fixation_density(counts: Floats, spread: float = SPREAD) -> NDArray[np.float64]:
    """Fixations blurred by a Gaussian: where people look, as a density.

    Args:
        counts: (h, w), how many fell in each cell; cells are square.
        spread: Standard deviation as a share of the picture's width.

    Returns:
        float64 (h, w), sums to 1; what the Gaussian carries beyond the edges is cut off.

    Raises:
        InputError: There are no fixations.
    """
    if not counts.sum() > 0:
        raise InputError("expected at least one fixation inside of the picture, got none")
    height, width = counts.shape
    rows, columns = (_gaussian(side, spread * width) for side in (height, width))
    blurred = rows @ counts @ columns
    return np.asarray(blurred / blurred.sum(), dtype=np.float64)


def viewers_ceiling(viewers: Sequence[Points], grid: tuple[int, int], spread: float = SPREAD) -> dict[str, float]:
    """How well all other viewers together tell where one looks: what a map can reach at most, about.

    The gold standard of the benchmark, leaving one viewer out: the density of the others' fixations is scored on those
    of the one, and the mean over viewers taken, weighted by their fixations.

    Args:
        viewers: Points of each viewer.
        grid: (h, w).
        spread: As for `fixation_density`.

    Returns:
        ``auc`` and ``nss``; NaN with fewer than two viewers.
    """
    counts = [counts_on_grid(points, grid) for points in viewers]
    seen = [count for count in counts if count.sum()]
    if len(seen) < 2:
        return {"auc": float("nan"), "nss": float("nan")}
    total = np.sum(seen, axis=0)
    scores = []
    for own in seen:
        others = fixation_density(total - own, spread)
        scores.append((auc(others, own), nss(others, own)))
    mean = np.average(scores, axis=0, weights=[own.sum() for own in seen])
    return {"auc": float(mean[0]), "nss": float(mean[1])}


def _gaussian(side: int, spread: float) -> NDArray[np.float64]:
    distance = np.subtract.outer(np.arange(side), np.arange(side))
    weights: NDArray[np.float64] = np.exp(-0.5 * (distance / max(spread, 1e-6)) ** 2)
    return weights


def _standardised(values: Floats) -> NDArray[np.float64]:
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    spread = float(centred.std())
    return centred / spread if spread > 1e-12 * max(1.0, float(np.abs(values).max())) else np.zeros(values.shape)


def _as_density(values: Floats) -> NDArray[np.float64]:
    mass = values.astype(np.float64) - float(values.min())
    total = float(mass.sum())
    return mass / total if total > 0 else np.full(values.shape, 1.0 / values.size)


def _check(values: Floats, other: Floats) -> None:
    if values.shape != other.shape or values.ndim != 2:
        raise InputError(
            f"expected a map and what it is compared with of one shape (h, w), got {values.shape} and {other.shape}"
        )
