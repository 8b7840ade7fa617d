"""Channels to one map, by hand."""

import numpy as np
import pytest

from attnviz.errors import InputError, OptionError
from attnviz.reduce.collapse import collapse

VALUES = np.array([[[3.0, -1.0]], [[-4.0, 5.0]]], dtype=np.float32)  # two channels of 1 x 2


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [[-0.5, 2.0]]),
        ("max", [[3.0, 5.0]]),
        ("min", [[-4.0, -1.0]]),
        ("absolute", [[3.5, 3.0]]),
        ("norm", [[5.0, 26.0**0.5]]),
    ],
)
def test_two_channels_by_hand(how, expected):
    collapsed = collapse(VALUES, how)
    assert collapsed.dtype == np.float32
    np.testing.assert_allclose(collapsed, expected, rtol=1e-7)
    np.testing.assert_allclose(collapse(VALUES[::-1, :, ::-1], how), np.fliplr(expected), rtol=1e-7)


def test_the_mean_is_the_default_and_nothing_is_changed():
    values = VALUES.copy()
    np.testing.assert_array_equal(collapse(values), collapse(values, "mean"))
    np.testing.assert_array_equal(values, VALUES)
    for how in ("mean", "max", "min", "absolute", "norm"):
        assert not np.shares_memory(collapse(values[:1], how), values)


def test_many_channels_are_summed_in_double_precision():
    values = np.full((2**20, 1, 1), 0.1, np.float32)
    values[0] = 2.0**24  # single precision would lose every 0.1 behind it
    assert collapse(values)[0, 0] == np.float32((2.0**24 + (2**20 - 1) * float(np.float32(0.1))) / 2**20)


def test_squares_of_large_numbers_do_not_overflow():
    assert collapse(np.full((2, 1, 1), 2e38, np.float32), "norm")[0, 0] == pytest.approx(2e38 * 2**0.5, rel=1e-6)
    with pytest.raises(InputError, match="float32 can hold"):
        collapse(np.full((4, 1, 1), 3e38, np.float32), "norm")


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2, 2), np.float64),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((0, 2, 2), np.float32),
        np.zeros((1, 2, 2, 2), np.float32),
        [[[1.0]]],
        None,
    ],
)
def test_what_is_no_activation_is_refused(values):
    with pytest.raises(InputError, match=r"^expected an activation as a float32 array of shape \(C, h, w\).+, got "):
        collapse(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(bad):
    values = VALUES.copy()
    values[1, 0, 1] = bad
    with pytest.raises(InputError, match="finite numbers, got 1 that are not"):
        collapse(values)


def test_an_unknown_way_is_refused():
    with pytest.raises(OptionError, match="expected how to be one of mean, max, min, absolute, norm, got 'median'"):
        collapse(VALUES, "median")
