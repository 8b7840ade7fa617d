import numpy as np
import pytest

from attnviz.errors import InputError, OptionError
from attnviz.reduce.spread import DECADES, log_floor, log_positions, spread_ends


def row(*values):
    return np.array([values], np.float32)


def test_linear_and_log_begin_and_end_with_the_smallest_and_largest_value():
    for spread in ("linear", "log"):
        assert spread_ends(row(0.5, 0.25, 8.0), spread) == (0.25, 8.0)


def test_percentiles_leave_the_outermost_hundredths_out():
    values = np.arange(101, dtype=np.float32)[None]
    assert spread_ends(values, "percentile") == (1.0, 99.0)


def test_where_the_percentiles_are_one_value_the_whole_range_is_taken():
    values = np.zeros((1, 1000), np.float32)
    values[0, 7] = 3.0
    assert spread_ends(values, "percentile") == (0.0, 3.0)


def test_the_floor_is_a_thousandth_of_the_largest_value_or_the_smallest():
    assert DECADES == 3
    assert log_floor(0.0, 2.0) == 0.002
    assert log_floor(1e-30, 2.0) == 0.002
    assert log_floor(0.5, 2.0) == 0.5


@pytest.mark.parametrize("ends", [(-0.1, 2.0), (0.0, 0.0), (-2.0, -1.0), (3.0, 3.0)])
def test_what_has_no_logarithms_or_no_extent_has_no_floor(ends):
    assert log_floor(*ends) is None


def test_equal_factors_are_equal_steps():
    found = log_positions(row(0.0, 1e-9, 0.001, 0.01, 0.1, 1.0, 5.0), 0.001, 1.0)
    np.testing.assert_allclose(found, row(0, 0, 0, 1 / 3, 2 / 3, 1, 1), atol=1e-7)
    assert found.dtype == np.float32


@pytest.mark.parametrize("hostile", [row(np.nan, 1), row(np.inf, 1), np.zeros((0, 3), np.float32), [[1.0]]])
def test_only_maps_of_finite_numbers_have_ends(hostile):
    with pytest.raises(InputError):
        spread_ends(hostile, "percentile")


def test_an_unknown_spread_is_refused():
    with pytest.raises(OptionError, match="expected spread to be one of linear, percentile, log, got 'sqrt'"):
        spread_ends(row(1, 2), "sqrt")
