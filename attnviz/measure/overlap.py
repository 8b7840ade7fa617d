"""How well predicted classes agree with others: the true ones, or those of another run. NumPy only."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def confusion(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Count (truth, predicted) pairs where the truth is a class: int64 (classes, classes)."""
    known = truth < classes
    pairs = truth[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def intersection_over_union(counts: NDArray[np.int64]) -> Floats:
    """Per class: correct pixels over pixels that are the class or are called so; nan where there are none."""
    correct = np.diag(counts).astype(float)
    union = counts.sum(0) + counts.sum(1) - correct
    found: Floats = np.divide(correct, union, out=np.full(len(counts), np.nan), where=union > 0)
    return found
