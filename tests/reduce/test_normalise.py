"""Raw values to [0, 1]: per map, shared, and within given bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attnviz.errors import InputError, OptionError
from attnviz.reduce.normalise import normalise

WEAK = np.array([[1.0, 1.5], [1.25, 2.0]], dtype=np.float32)
STRONG = np.array([[1.0, 3.0, 5.0]], dtype=np.float32)
FLAT = np.full((2, 3), 1.5, dtype=np.float32)

MAPS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


def test_each_over_its_own_range():
    weak, strong = normalise([WEAK, STRONG])
    np.testing.assert_array_equal(weak.values, [[0.0, 0.5], [0.25, 1.0]])
    np.testing.assert_array_equal(strong.values, [[0.0, 0.5, 1.0]])
    assert (weak.low, weak.high, weak.flat, weak.clipped) == (1.0, 2.0, False, 0.0)
    assert (strong.low, strong.high) == (1.0, 5.0)
    assert weak.values.dtype == np.float32


def test_all_over_one_range():
    weak, strong = normalise([WEAK, STRONG], "shared")
    np.testing.assert_array_equal(weak.values, [[0.0, 0.125], [0.0625, 0.25]])
    np.testing.assert_array_equal(strong.values, [[0.0, 0.5, 1.0]])
    assert (weak.low, weak.high) == (strong.low, strong.high) == (1.0, 5.0)


def test_within_the_range_of_the_quantity():
    weak, flat = normalise([WEAK, FLAT], bounds=(1.0, 2.0))
    np.testing.assert_array_equal(weak.values, [[0.0, 0.5], [0.25, 1.0]])
    np.testing.assert_array_equal(flat.values, np.full((2, 3), 0.5))
    assert flat.flat
    assert (flat.low, flat.high) == (1.0, 2.0)
    (half,) = normalise([WEAK], bounds=(0.0, None))
    np.testing.assert_array_equal(half.values, [[0.5, 0.75], [0.625, 1.0]])
    (other_half,) = normalise([WEAK], bounds=(None, 3.0))
    np.testing.assert_array_equal(other_half.values, [[0.0, 0.25], [0.125, 0.5]])


def test_what_the_bounds_cut_off_is_told():
    (cut,) = normalise([STRONG], bounds=(2.0, 4.0))
    np.testing.assert_array_equal(cut.values, [[0.0, 0.5, 1.0]])
    assert cut.clipped == pytest.approx(2 / 3)
    (above,) = normalise([FLAT], bounds=(None, 1.0))
    assert (above.clipped, above.flat, above.values.max()) == (1.0, True, 1.0)
    (below,) = normalise([FLAT], bounds=(2.0, None))
    assert (below.clipped, below.flat, below.values.max()) == (1.0, True, 0.0)


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -7.0, 3e38, 1e-45])
def test_flat_maps_become_the_middle_and_say_so(value):
    # not 0, which would be drawn as if every location were the lowest of a range that is not there
    (flat,) = normalise([np.full((2, 3), value, np.float32)])
    np.testing.assert_array_equal(flat.values, np.full((2, 3), 0.5))
    assert flat.flat
    assert flat.low == flat.high == np.float32(value)


def test_a_flat_map_among_others_keeps_its_place():
    flat, weak = normalise([FLAT, WEAK], "shared")
    np.testing.assert_array_equal(flat.values, np.full((2, 3), 0.5))
    assert flat.flat
    assert not weak.flat


def test_a_bound_that_the_values_just_reach_leaves_them_in_the_middle():
    (reached,) = normalise([WEAK], bounds=(2.0, None))
    np.testing.assert_array_equal(reached.values, [[0.0, 0.0], [0.0, 0.5]])
    assert (reached.low, reached.high, reached.clipped) == (2.0, 2.0, 0.75)


def test_extremes_do_not_overflow():
    (found,) = normalise([np.array([[-3.4e38, 0.0, 3.4e38]], np.float32)])
    np.testing.assert_array_equal(found.values, [[0.0, 0.5, 1.0]])
    (tiny,) = normalise([np.array([[0.0, 1e-45, 2.8e-45]], np.float32)])
    np.testing.assert_allclose(tiny.values, [[0.0, 0.5, 1.0]])


@settings(max_examples=200, deadline=None)
@given(st.lists(MAPS, min_size=1, max_size=4), st.sampled_from(["each", "shared"]))
def test_any_map_lands_in_the_unit_interval_in_the_same_order(maps, scope):
    for raw, found in zip(maps, normalise(maps, scope), strict=True):
        assert found.values.shape == raw.shape
        assert found.values.min() >= 0.0
        assert found.values.max() <= 1.0
        order = np.argsort(raw, axis=None, kind="stable")
        assert (np.diff(found.values.ravel()[order]) >= 0).all()
        assert found.flat == (raw.min() == raw.max())
        if scope == "each" and not found.flat:
            assert (found.values.min(), found.values.max()) == (0.0, 1.0)


def test_no_maps_are_no_results():
    assert normalise([]) == ()
    assert normalise([], "shared") == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("scope", ["each", "shared"])
def test_numbers_that_are_none_are_refused(bad, scope):
    spoiled = WEAK.copy()
    spoiled[0, 1] = bad
    with pytest.raises(InputError, match="finite numbers, got 1 that are not"):
        normalise([STRONG, spoiled], scope)


@pytest.mark.parametrize("bad", [WEAK.astype(np.float64), WEAK[0], np.zeros((0, 3), np.float32), [[1.0]], None])
def test_what_is_no_map_is_refused(bad):
    with pytest.raises(InputError, match="expected a map as a float32 array"):
        normalise([bad])


@pytest.mark.parametrize(
    "options",
    [
        {"scope": "all"},
        {"bounds": (1.0, 1.0)},
        {"bounds": (2.0, 1.0)},
        {"bounds": (np.nan, 1.0)},
        {"bounds": (0.0, np.inf)},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(OptionError, match=r"^expected .+, got "):
        normalise([WEAK], **options)
