"""Does a position attention depend on the query, and does it draw the features of a class together?"""

import numpy as np
from numpy.typing import NDArray

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
