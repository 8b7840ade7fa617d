"""Measures of focus: by hand, against their definitions counted out, and at the ends of their ranges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attnviz.errors import InputError, OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.reduce.focus import (
    border_share,
    cells_in_box,
    centroid,
    entropy,
    gini,
    half_mass_area,
    mass_in_box,
    mass_in_mask,
    normalised_entropy,
    points_inside,
    roc_auc,
)

EVEN = np.full((3, 4), 0.7, np.float32)
POINT = np.zeros((3, 4), np.float32)
POINT[1, 2] = 5.0
RAMP = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
MASSES = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(0, 1e6, width=32)
).filter(lambda values: values.max() > 0)
GEOMETRY = Geometry((20, 40), (10, 0, 30, 20), (64, 64))  # the network saw the middle square
MASS_MEASURES = [
    *(entropy, normalised_entropy, half_mass_area, centroid, gini, border_share),
    lambda values: mass_in_mask(values, np.zeros(values.shape)),
    lambda values: mass_in_box(values, GEOMETRY, (10, 0, 20, 20)),
]


def test_entropy():
    assert entropy(EVEN) == pytest.approx(math.log(12), rel=1e-12)
    assert entropy(POINT) == 0.0
    assert entropy(np.array([[1, 1, 2]], np.float32)) == pytest.approx(1.5 * math.log(2), rel=1e-12)


def test_normalised_entropy():
    assert normalised_entropy(EVEN) == pytest.approx(1.0)
    assert normalised_entropy(POINT) == 0.0
    assert normalised_entropy(np.array([[1, 1, 2]], np.float32)) == pytest.approx(1.5 * math.log(2) / math.log(3))
    assert normalised_entropy(np.ones((1, 1), np.float32)) == 1.0


def test_half_mass_area():
    assert half_mass_area(EVEN) == pytest.approx(0.5)
    assert half_mass_area(POINT) == pytest.approx(0.5 / 12)
    assert half_mass_area(RAMP) == pytest.approx((1 + 1 / 3) / 4)  # half of 10: the 4 and a third of the 3


def test_centroid():
    assert centroid(EVEN) == pytest.approx((0.5, 0.5))
    assert centroid(POINT) == pytest.approx((2.5 / 4, 0.5))
    assert centroid(RAMP) == pytest.approx((0.25 * 0.4 + 0.75 * 0.6, 0.25 * 0.3 + 0.75 * 0.7))


def test_mass_in_a_mask_that_cuts_cells():
    assert mass_in_mask(RAMP, np.array([[1.0, 0.5], [0.0, 0.25]])) == pytest.approx((1 + 1 + 1) / 10)
    with pytest.raises(InputError, match="mask of shape"):
        mass_in_mask(RAMP, np.ones((1, 2)))


def test_pointing_game():
    inside = np.array([[True, False], [False, True]])
    assert points_inside(RAMP, inside) == 1.0
    assert points_inside(-RAMP, ~inside) == 0.0
    assert points_inside(np.ones((2, 2), np.float32), inside) == 0.5
    with pytest.raises(InputError, match="mask of shape"):
        points_inside(RAMP, inside[:1])


def test_gini():
    assert gini(EVEN) == pytest.approx(0.0, abs=1e-12)
    assert gini(POINT) == pytest.approx(1 - 1 / 12, rel=1e-12)
    assert gini(RAMP) == pytest.approx(0.25, rel=1e-12)  # differences 1 1 1 2 2 3, twice, over 16: 1.25 / (2 * 2.5)


@settings(max_examples=100, deadline=None)
@given(MASSES)
def test_gini_is_half_the_mean_difference_relative_to_the_mean(values):
    flat = values.astype(np.float64).ravel()
    expected = np.abs(flat[:, None] - flat[None]).mean() / (2 * flat.mean())
    assert gini(values) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_border_share():
    assert border_share(EVEN) == pytest.approx(10 / 12)
    assert border_share(POINT) == 0.0
    assert border_share(np.flipud(POINT), width=2) == 1.0  # two rings cover three rows
    assert border_share(np.arange(9, dtype=np.float32).reshape(3, 3)) == pytest.approx(1 - 4 / 36)
    assert border_share(np.ones((6, 8), np.float32), width=2) == pytest.approx(1 - 8 / 48)
    assert border_share(np.ones((1, 5), np.float32)) == 1.0


def test_mass_in_box():
    """Cells of 10 x 10 photo pixels, from (10, 0) on."""
    assert mass_in_box(RAMP, GEOMETRY, (10, 0, 20, 10)) == pytest.approx(0.1)
    assert mass_in_box(RAMP, GEOMETRY, (20, 0, 30, 20)) == pytest.approx(0.6)
    assert mass_in_box(RAMP, GEOMETRY, (0, 0, 40, 20)) == 1.0
    assert mass_in_box(RAMP, GEOMETRY, (-1e9, -1e9, 1e9, 1e9)) == 1.0
    assert mass_in_box(RAMP, GEOMETRY, (0, 0, 10, 20)) == 0.0  # unseen
    assert mass_in_box(RAMP, GEOMETRY, (15, 5, 25, 15)) == pytest.approx(0.25)  # a quarter of each cell
    assert mass_in_box(RAMP, GEOMETRY, (12.5, 0, 20, 10)) == pytest.approx(0.075)


@settings(max_examples=100, deadline=None)
@given(MASSES)
def test_an_even_split_of_the_photo_splits_the_mass(values):
    halves = [mass_in_box(values, GEOMETRY, box) for box in ((0, 0, 17.3, 20), (17.3, 0, 40, 20))]
    assert sum(halves) == pytest.approx(1.0, abs=1e-9)


def test_cells_in_box():
    np.testing.assert_array_equal(cells_in_box(GEOMETRY, (15, 5, 25, 15), (2, 2)), [[True, False], [False, False]])
    np.testing.assert_array_equal(cells_in_box(GEOMETRY, (0, 0, 25.01, 15.01), (2, 2)), np.ones((2, 2), bool))
    np.testing.assert_array_equal(cells_in_box(GEOMETRY, (0, 0, 10, 20), (2, 2)), np.zeros((2, 2), bool))


def test_roc_auc_by_hand():
    inside = np.array([[False, False], [True, True]])
    assert roc_auc(RAMP, inside) == 1.0
    assert roc_auc(-RAMP, inside) == 0.0
    assert roc_auc(np.zeros((2, 2), np.float32), inside) == 0.5
    assert roc_auc(RAMP, np.array([[True, False], [False, True]])) == 0.5
    assert roc_auc(np.array([[1.0, 2.0], [2.0, 3.0]], np.float32), inside) == pytest.approx(3.5 / 4)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_roc_auc_counts_pairs(data):
    """Few distinct values, so that ties are many."""
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=7))
    values = data.draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([-2.0, -0.0, 0.0, 0.5, 3.0])))
    inside = data.draw(hnp.arrays(np.bool_, shape))
    if inside.all() or not inside.any():
        with pytest.raises(InputError, match="inside and"):
            roc_auc(values, inside)
        return
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in values[inside] for b in values[~inside]]
    assert roc_auc(values, inside) == pytest.approx(sum(wins) / len(wins), abs=1e-12)
    assert roc_auc(values, ~inside) == pytest.approx(1 - sum(wins) / len(wins), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(MASSES, st.floats(2.0**-20, 2.0**20))
def test_ranges_and_scale(values, factor):
    """Only proportions count, and every measure stays in its range."""
    scaled = (values * np.float32(factor)).astype(np.float32)
    if np.count_nonzero(scaled) != np.count_nonzero(values):
        return  # the smallest numbers vanish when scaled
    n = values.size
    assert 0.0 <= entropy(values) <= math.log(n) + 1e-9
    assert 0.0 <= gini(values) <= 1 - 1 / n + 1e-9
    assert 0.0 <= border_share(values) <= 1.0
    if values[values > 0].min() > 1e-30 and scaled[scaled > 0].min() > 1e-30:
        for measure in MASS_MEASURES:
            assert measure(scaled) == pytest.approx(measure(values), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("measure", MASS_MEASURES)
def test_what_is_no_mass_is_refused(measure):
    with pytest.raises(InputError, match="without negative values, got one with -1"):
        measure(np.array([[1.0, -1.0]], np.float32))
    with pytest.raises(InputError, match="some mass"):
        measure(np.zeros((2, 2), np.float32))
    with pytest.raises(InputError, match="finite numbers"):
        measure(np.array([[1.0, np.nan]], np.float32))
    with pytest.raises(InputError, match="as a float32 array"):
        measure(np.ones((2, 2)))


def test_impossible_options_are_refused():
    with pytest.raises(OptionError, match="frame of at least 1"):
        border_share(EVEN, 0)
    for box in ((5, 0, 5, 9), (0, 9, 5, 9), (9, 0, 5, 9), (0, 0, np.nan, 1), (0, 0, np.inf, 1)):
        with pytest.raises(OptionError, match="expected a box"):
            mass_in_box(EVEN, GEOMETRY, box)
        with pytest.raises(OptionError, match="expected a box"):
            cells_in_box(GEOMETRY, box, (3, 4))
    with pytest.raises(OptionError, match="at least 1 x 1"):
        cells_in_box(GEOMETRY, (0, 0, 1, 1), (0, 4))


@pytest.mark.parametrize("inside", [np.ones((2, 2), np.uint8), np.ones((2, 3), bool), [[True, False]], None])
def test_masks_that_are_none_are_refused(inside):
    with pytest.raises(InputError, match="expected a mask as a bool array"):
        roc_auc(RAMP, inside)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_roc_auc_of_numbers_that_are_none(bad):
    values = RAMP.copy()
    values[0, 0] = bad
    with pytest.raises(InputError, match="finite"):
        roc_auc(values, np.array([[True, False], [False, True]]))
