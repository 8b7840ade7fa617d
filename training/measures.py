"""Numbers that say whether attention is used, and where it looks. NumPy only; each is checked by hand in the tests."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


def roc_auc(scores: Floats, inside: Flags, weights: Floats | None = None) -> float:
    """Chance that a location inside scores higher than one outside, ties counting one half.

    Args:
        scores: (N,) any finite numbers.
        inside: (N,) True for locations of the object.
        weights: (N,) non-negative share of each location; None: all equal.

    Returns:
        In [0, 1]; 0.5 for scores that know nothing; nan where there is no location of one kind.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    _, group = np.unique(scores, return_inverse=True)
    positive = np.bincount(group, weights * inside)
    negative = np.bincount(group, weights * ~inside)
    total = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float((positive * (below + 0.5 * negative)).sum() / total) if total > 0 else float("nan")


def ring_auc(scores: Floats, inside: Flags, ring: NDArray[np.integer]) -> tuple[float, float]:
    """Compare only locations at the same distance from the centre.

    Objects sit in the middle, so a map that only knows the middle scores high on `roc_auc` (0.73 on Tiny ImageNet)
    and exactly 0.5 here.

    Args:
        scores: (N,).
        inside: (N,).
        ring: (N,) number of the ring each location lies in.

    Returns:
        The mean over rings of their ROC-AUC, weighted by their pairs, and the number of pairs; nan and 0 without any.
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
    """Minus the distance from the centre: the map that knows only where pictures' middles are."""
    y, x = np.mgrid[:height, :width]
    return -np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)


def cells_inside(box: tuple[int, int, int, int], picture: int, cells: int) -> Flags:
    """Cells whose centre lies in a box.

    Args:
        box: left, top, right, bottom in pixels, both ends inside.
        picture: Side of the square picture in pixels.
        cells: Side of the grid.

    Returns:
        bool (cells, cells).
    """
    left, top, right, bottom = box
    centre = (np.arange(cells) + 0.5) * picture / cells
    columns = (centre >= left) & (centre < right + 1)
    rows = (centre >= top) & (centre < bottom + 1)
    return rows[:, None] & columns[None, :]


def border_share(values: Floats) -> float:
    """Share of a map's mass above its minimum that lies in the outermost ring of cells.

    Args:
        values: (..., h, w); the minimum is taken per map.

    Returns:
        Mean over maps, in [0, 1]; compare with `border_area`. A flat map counts as its area.
    """
    mass = values - values.min(axis=(-2, -1), keepdims=True)
    total = mass.sum(axis=(-2, -1))
    inner = mass[..., 1:-1, 1:-1].sum(axis=(-2, -1))
    flat = border_area(*values.shape[-2:])
    return float(np.where(total > 0, 1 - inner / np.where(total > 0, total, 1), flat).mean())


def border_area(height: int, width: int) -> float:
    """Share of the cells that lie in the outermost ring."""
    return 1 - max(0, height - 2) * max(0, width - 2) / (height * width)


def confusion(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Count (truth, predicted) pairs where the truth is a class: int64 (classes, classes)."""
    known = truth < classes
    pairs = truth[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def intersection_over_union(counts: NDArray[np.int64]) -> Floats:
    """Per class: correct pixels over pixels that are the class or are called so; nan where there are none."""
    correct = np.diag(counts).astype(float)
    union = counts.sum(0) + counts.sum(1) - correct
    return np.divide(correct, union, out=np.full(len(counts), np.nan), where=union > 0)


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
