import numpy as np
import pytest

from attnviz.measure.overlap import confusion, intersection_over_union


def test_iou_by_hand():
    truth = np.array([0, 0, 1, 1, 255])
    predicted = np.array([0, 1, 1, 1, 0])
    counts = confusion(truth, predicted, 3)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    iou = intersection_over_union(counts)
    assert iou[:2].tolist() == [0.5, pytest.approx(2 / 3)]
    assert np.isnan(iou[2])
