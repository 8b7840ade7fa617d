"""How far a mean over photos may be off: bootstrap confidence intervals, the photos being what is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A number with its confidence interval.

    Attributes:
        value: Over all photos.
        low: Lower end.
        high: Upper end.
        count: Photos that have the number.
    """

    value: float
    low: float
    high: float
    count: int


def mean_interval(values: Sequence[float] | Floats, *, seed: int = 0) -> Interval:
    """The mean with its percentile bootstrap interval (Efron 1979) of 95 %, from 2,000 resamples.

    Args:
        values: One number per photo; NaN where a photo has none.
        seed: Of the resamples: the same for the same number of photos, so that paired numbers are drawn together.

    Returns:
        NaN throughout without photos; an interval of no width for one photo.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return interval(len(known), lambda weights: weights @ known / weights.sum(axis=-1), seed=seed)


def interval(count: int, statistic: Callable[[Floats], Floats], *, seed: int = 0) -> Interval:
    """Any statistic of photos with its percentile bootstrap interval.

    Args:
        count: Photos.
        statistic: How often each photo was drawn, (..., count) -> the statistic, (...).
        seed: Of the resamples.
    """
    if count == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    found = np.asarray(statistic(drawn.astype(np.float64)))
    low, high = np.nanquantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    whole = float(np.asarray(statistic(np.ones((1, count))))[0])
    return Interval(whole, float(low), float(high), count)
