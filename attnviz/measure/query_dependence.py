"""Does a position attention depend on the query, and does it draw the features of a class together?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attnviz.position_attention import PositionAttention

Floats = NDArray[np.floating]


def own_class_ratio(rows: Floats, labels: NDArray[np.integer], queries: NDArray[np.integer], void: int) -> Floats:
    """How much more of a row falls on the query's own class than that class's share of the picture.

    Args:
        rows: (Q, N), each row sums to 1.
        labels: (N,) class of each location; `void` where unknown.
        queries: (Q,) location of each row's query; those of unknown class give nan.
        void: The label that is no class.

    Returns:
        (Q,): 1 for a row that spreads evenly.
    """
    own = labels[None, :] == labels[queries][:, None]
    mass = (rows * own).sum(1)
    ratio = mass / own.mean(1)
    return np.where(labels[queries] == void, np.nan, ratio)


def mean_total_variation(rows: Floats) -> float:
    """Mean over pairs of rows of half the sum of absolute differences: 0 for equal rows, 1 for disjoint ones."""
    count = len(rows)
    distances = [0.5 * np.abs(rows[i] - rows[i + 1 :]).sum(1) for i in range(count - 1)]
    return float(np.concatenate(distances).mean()) if count > 1 else float("nan")


def compactness(features: Floats, labels: NDArray[np.integer], void: int) -> float:
    """How far apart the features of a class are, over how far apart the classes' means are.

    Args:
        features: (C, N), a column for each location.
        labels: (N,) class of each location; `void` where unknown.
        void: The label that is no class.

    Returns:
        Mean squared distance of a location's features from its class's mean, over the mean squared distance of the
        classes' means (weighted by their locations) from the mean of all; without a unit, 0 (each class one point) and
        up; NaN with fewer than two classes.
    """
    known = labels != void
    columns, classes = features[:, known].astype(np.float64), labels[known]
    present = np.unique(classes)
    if len(present) < 2:
        return float("nan")
    centre = columns.mean(axis=1)
    within = between = 0.0
    for number in present:
        members = columns[:, classes == number]
        mean = members.mean(axis=1)
        within += float(((members - mean[:, None]) ** 2).sum())
        between += members.shape[1] * float(((mean - centre) ** 2).sum())
    return within / between if between > 0 else float("nan")


@dataclass(frozen=True)
class QueryDependence:
    """Whether a position attention looks elsewhere for another query, and what that does to the features.

    Attributes:
        label: Of the attention.
        gamma: Its weight in the residual sum; 0: the network ignores it.
        total_variation: Mean over pairs of queries of half the sum of absolute differences between their rows, 0 (all
            look at the same places: sinks) to 1 (disjoint).
        own_class: Mass of a row on its query's own class over that class's share of the picture, mean over queries; 1
            for a row that spreads evenly; NaN where no classes are known.
        sink_mass: Share of all attention that the 1 % of the locations receive which receive the most; 0.01 where it
            is even.
        compactness_before: `compactness` of the features that go into the module; None where they are not recorded.
        compactness_after: The same of those that come out.
        verdict: In words.
    """

    label: str
    gamma: float
    total_variation: float
    own_class: float
    sink_mass: float
    compactness_before: float | None
    compactness_after: float | None
    verdict: str


def dependence_of(
    label: str,
    attention: PositionAttention,
    labels: NDArray[np.integer] | None = None,
    *,
    void: int = 255,
    features: tuple[Floats, Floats] | None = None,
    queries: int = 64,
) -> QueryDependence:
    """Measure one position attention on one photo.

    Args:
        label: Of the attention.
        attention: Query and key.
        labels: (h, w) class of each location, true or predicted; None: none are known.
        void: The label that is no class.
        features: (C, h, w) before and after the module; None: not recorded.
        queries: So many rows are looked at, at random places that are the same every time.
    """
    height, width = attention.grid
    count = height * width
    chosen = np.sort(np.random.default_rng(0).permutation(count)[: min(queries, count)])
    rows = np.stack([attention.row(int(i) // width, int(i) % width).ravel() for i in chosen])
    variation = mean_total_variation(rows)
    flat = None if labels is None else labels.ravel()
    ratio = float("nan")
    if flat is not None:
        ratios = own_class_ratio(rows, flat, chosen, void)
        ratio = float(np.nanmean(ratios)) if not np.isnan(ratios).all() else float("nan")
    received = np.sort(attention.received.ravel())[::-1]
    sink = float(received[: max(1, round(0.01 * count))].sum())
    compact: list[float | None] = [None, None]
    if features is not None and flat is not None:
        compact = [compactness(part.reshape(part.shape[0], -1), flat, void) for part in features]
    words = _verdict(attention.gamma, variation, ratio, sink)
    return QueryDependence(label, attention.gamma, variation, ratio, sink, compact[0], compact[1], words)


def _verdict(gamma: float, variation: float, ratio: float, sink: float) -> str:
    """What the numbers say; the borders are a scale to read by: a twentieth, a tenth, and twice the class's share."""
    if gamma == 0:
        return "The network ignores this attention: γ is 0."
    if variation < 0.05:
        where = "all places look at the same few" if sink >= 0.1 else "every place looks at all alike"
        return f"The attention hardly depends on the query: {where}."
    if math.isnan(ratio):
        return "Different places look at different places."
    if ratio >= 2:
        return f"Places look at their own class, {ratio:.1f} times as much as its share of the picture."
    return f"Rows differ, but not by class: {ratio:.1f} times the own class's share of the picture."
