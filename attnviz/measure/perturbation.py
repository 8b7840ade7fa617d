"""Pictures from which the places of a map are taken, most important first, and how probable a category stays.

Deletion and insertion: Petsiuk et al., RISE, arXiv 1806.07421. ROAD: arXiv 2202.00449, see
`attnviz.measure.imputation`. A curve goes over shares of the pixels; its area, by trapezoids, is one number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from attnviz.measure.imputation import NOISE, TOLERANCE, imputed

Removal = Literal["deletion", "insertion", "road_most", "road_least"]
_BLUR_SIDE, _BLUR_SPREAD = 11, 5.0  # pixels; RISE's substrate for insertion


@dataclass(frozen=True)
class Job:
    """One picture to be made.

    Attributes:
        map: Number of the map by whose order pixels are taken.
        removal: ``"deletion"``: the most important pixels become the mean colour; ``"insertion"``: they become sharp in
            a blurred picture; ``"road_most"`` and ``"road_least"``: the most and the least important are filled in.
        share: Of the pixels, from 0 to 1.
    """

    map: int
    removal: Removal
    share: float


def order_of(values: NDArray[np.floating], seed: int = 0) -> NDArray[np.int64]:
    """Numbers of the pixels, the largest value first; equal ones in random order, so that none is preferred.

    Args:
        values: (H, W), finite.
        seed: Of the random order.
    """
    shuffled = np.random.default_rng(seed).permutation(values.size)
    order = shuffled[np.argsort(-values.ravel()[shuffled].astype(np.float64), kind="stable")]
    return order.astype(np.int64)


def pictures_of(
    image: Tensor,
    orders: Sequence[NDArray[np.int64]],
    jobs: Sequence[Job],
    *,
    noise: float = NOISE,
    tolerance: float = TOLERANCE,
) -> Tensor:
    """Make the pictures of some jobs.

    Args:
        image: float (3, H, W), mean and std removed.
        orders: Of each map, from `order_of`.
        jobs: What to make.
        noise: Of ROAD's filling, standard deviations of the colours.
        tolerance: Of its solver.

    Returns:
        float (len(jobs), 3, H, W).
    """
    made = image.expand(len(jobs), *image.shape).clone()
    taken = torch.stack([_taken(image, orders[job.map], job) for job in jobs])
    for i, job in enumerate(jobs):
        if job.removal == "deletion":
            made[i] = image * ~taken[i]
        elif job.removal == "insertion":
            made[i] = torch.where(taken[i], image, blurred(image))
    road = [i for i, job in enumerate(jobs) if job.removal.startswith("road") and bool(taken[i].any())]
    if road:
        made[road] = imputed(image, ~taken[road], noise, tolerance=tolerance)
    return made


def curve_jobs(count: int, shares: Sequence[float], road_shares: Sequence[float]) -> Iterator[Job]:
    """All jobs of some maps, in order: pictures that are the same for every map are made once, for the first."""
    for number in range(count):
        inner = [share for share in shares if 0 < share < 1]
        if number == 0:
            yield from (Job(0, "deletion", 0.0), Job(0, "deletion", 1.0), Job(0, "insertion", 0.0))
        for share in inner:
            yield Job(number, "deletion", share)
            yield Job(number, "insertion", share)
        for share in road_shares:
            yield Job(number, "road_most", share)
            yield Job(number, "road_least", share)


def area(shares: Sequence[float], curve: Sequence[float]) -> float:
    """Area under a curve by trapezoids, over the width that it spans: a mean probability, from 0 to 1."""
    x, y = np.asarray(shares, float), np.asarray(curve, float)
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / (x[-1] - x[0]))


def road_score(most: Sequence[float], least: Sequence[float]) -> float:
    """ROAD, combined as in pytorch-grad-cam: half of what taking the least leaves more than taking the most.

    Returns:
        In units of probability, from -0.5 to 0.5; 0 by chance, larger is better.
    """
    return float((np.mean(least) - np.mean(most)) / 2)


def blurred(image: Tensor) -> Tensor:
    """RISE's blurred picture: a Gaussian of 5 pixels cut to 11 x 11; float (3, H, W)."""
    distance = torch.arange(_BLUR_SIDE, dtype=image.dtype, device=image.device) - _BLUR_SIDE // 2
    line = torch.exp(-0.5 * (distance / _BLUR_SPREAD) ** 2)
    line = line / line.sum()
    padded = functional.pad(image[None], (_BLUR_SIDE // 2,) * 4, mode="replicate")[0][:, None]
    rows = functional.conv2d(padded, line.view(1, 1, -1, 1))
    return functional.conv2d(rows, line.view(1, 1, 1, -1))[:, 0]


def _taken(image: Tensor, order: NDArray[np.int64], job: Job) -> Tensor:
    """Bool (H, W): the pixels that a job is about."""
    count = len(order)
    if job.removal.startswith("road"):
        # as pytorch-grad-cam: of distinct values those under the percentile stay
        number = count - int(np.ceil((count - 1) * (1 - job.share) - 1e-9))
    else:
        number = round(job.share * count)
    chosen = order[count - number :] if job.removal == "road_least" else order[:number]
    flags = torch.zeros(count, dtype=torch.bool)
    flags[torch.from_numpy(np.ascontiguousarray(chosen))] = True
    return flags.view(image.shape[1:]).to(image.device)
