import numpy as np
import pytest

from attnviz.measure.query_dependence import mean_total_variation, own_class_ratio


def test_own_class_ratio_by_hand():
    labels = np.array([0, 0, 1, 9])
    rows = np.array([[0.5, 0.4, 0.1, 0.0], [0.25] * 4, [0.25] * 4])
    ratio = own_class_ratio(rows, labels, np.array([0, 2, 3]), void=9)
    assert ratio[:2].tolist() == [pytest.approx(0.9 / 0.5), pytest.approx(1.0)]
    assert np.isnan(ratio[2])


def test_total_variation_of_equal_and_disjoint_rows():
    rows = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert mean_total_variation(rows) == pytest.approx((0 + 1 + 1) / 3)
    assert np.isnan(mean_total_variation(rows[:1]))
