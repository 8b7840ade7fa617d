import math

import numpy as np
import pytest

from attnviz.measure.bootstrap import interval, mean_interval


def test_an_interval_is_as_wide_as_theory_says():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = mean_interval(values)
    assert found.value == pytest.approx(values.mean())
    assert found.count == 400
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)
    assert found.low < found.value < found.high


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    covered = [found.low <= 0 <= found.high for found in (mean_interval(rng.normal(0, 1, 40)) for _ in range(200))]
    assert 0.89 <= np.mean(covered) <= 0.99


def test_photos_without_the_number_do_not_count():
    assert mean_interval([1.0, math.nan, 3.0]).value == 2.0
    assert mean_interval([1.0, math.nan, 3.0]).count == 2
    assert mean_interval([math.nan]).count == 0
    assert math.isnan(mean_interval([]).value)
    assert mean_interval([7.0]) == mean_interval([7.0, math.nan])
    assert (mean_interval([7.0]).low, mean_interval([7.0]).high) == (7.0, 7.0)


def test_the_same_photos_give_the_same_interval():
    assert mean_interval([1.0, 2.0, 5.0]) == mean_interval([1.0, 2.0, 5.0])


def test_a_statistic_of_how_often_each_photo_was_drawn():
    counts = np.array([[8.0, 2.0], [1.0, 9.0]])  # right and wrong of two photos
    found = interval(2, lambda drawn: (drawn @ counts)[..., 0] / (drawn @ counts).sum(axis=-1))
    assert found.value == pytest.approx(9 / 20)
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.8))
