"""How well numbers tell locations apart: the one area under the ROC curve, within rings, and ranks."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


def weighted_auc(scores: Floats, positive: Floats, negative: Floats) -> float:
    """Chance that a location drawn by its positive weight scores higher than one drawn by its negative weight.

    Equal scores count one half (Mann-Whitney U over the number of pairs).

    Args:
        scores: (N,) finite numbers in any unit.
        positive: (N,) how often each location is a positive, 0 or more; for fixations, how many fell there.
        negative: (N,) how often it is a negative.

    Returns:
        Without a unit, from 0 to 1; 0.5 for scores that know nothing; NaN where one kind has no weight.
    """
    _, group = np.unique(scores, return_inverse=True)
    group = group.ravel()
    ups, downs = np.bincount(group, positive), np.bincount(group, negative)
    total = float(ups.sum() * downs.sum())
    below = np.cumsum(downs) - downs
    return float((ups * (below + 0.5 * downs)).sum() / total) if total > 0 else float("nan")


def roc_auc(scores: Floats, inside: Flags, weights: Floats | None = None) -> float:
    """Chance that a location inside scores higher than one outside, ties counting one half.

    Args:
        scores: (N,) any finite numbers.
        inside: (N,) True for locations of the object.
        weights: (N,) non-negative share of each location; None: all equal.

    Returns:
        In [0, 1]; 0.5 for scores that know nothing; NaN where there is no location of one kind.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    return weighted_auc(scores, weights * inside, weights * ~inside)


def ring_auc(scores: Floats, inside: Flags, ring: NDArray[np.integer]) -> tuple[float, float]:
    """Compare only locations at the same distance from the centre.

    Objects sit in the middle, so a map that only knows the middle scores high on `roc_auc` (0.73 on Tiny ImageNet)
    and exactly 0.5 here.

    Args:
        scores: (N,).
        inside: (N,).
        ring: (N,) number of the ring each location lies in.

    Returns:
        The mean over rings of their ROC-AUC, weighted by their pairs, and the number of pairs; NaN and 0 without any.
    """
    total, pairs = 0.0, 0.0
    for number in np.unique(ring):
        here = ring == number
        count = float(inside[here].sum()) * float((~inside[here]).sum())
        if count:
            total += count * roc_auc(scores[here], inside[here])
            pairs += count
    return (total / pairs if pairs else float("nan")), pairs


def rings(height: int, width: int) -> NDArray[np.int64]:
    """Number the distinct distances of cell centres from the map's centre: int64 (height, width)."""
    y, x = np.mgrid[:height, :width]
    squared = (2 * y - height + 1) ** 2 + (2 * x - width + 1) ** 2
    return np.unique(squared, return_inverse=True)[1].reshape(height, width)


def centre_score(height: int, width: int) -> Floats:
    """Minus the distance from the centre, in cells: the map that knows only where pictures' middles are."""
    y, x = np.mgrid[:height, :width]
    return np.asarray(-np.hypot(y - (height - 1) / 2, x - (width - 1) / 2))


def centre_prior(height: int, width: int) -> NDArray[np.float32]:
    """A Gaussian in the middle, a quarter of each side wide: where people look and objects are, whatever the photo.

    The centre baseline of the MIT saliency benchmark: a symmetric Gaussian stretched to the picture's proportions.

    Returns:
        float32 (height, width) in (0, 1].
    """
    y = (np.arange(height) + 0.5) / height - 0.5
    x = (np.arange(width) + 0.5) / width - 0.5
    return np.exp(-0.5 * ((y[:, None] / 0.25) ** 2 + (x[None] / 0.25) ** 2)).astype(np.float32)


def spearman(one: Floats, other: Floats) -> float:
    """Rank agreement of two maps: Pearson's correlation of their mid-ranks (Spearman's rho, corrected for ties).

    Args:
        one: Any finite numbers.
        other: As many.

    Returns:
        Without a unit, from -1 (reversed order) over 0 (unrelated) to 1; NaN where one is the same everywhere.
    """
    first, second = (_mid_ranks(values) for values in (one, other))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float(np.clip((first * second).sum() / size, -1.0, 1.0)) if size > 0 else float("nan")


def _mid_ranks(values: Floats) -> NDArray[np.float64]:
    _, place, count = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(count) - (count - 1) / 2.0)[place.ravel()]
    return ranks
