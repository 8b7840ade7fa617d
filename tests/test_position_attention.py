"""Position attention by hand: two channels, three locations."""

import math

import numpy as np
import pytest

from attnviz.position_attention import PositionAttention

LOG2, LOG3 = math.log(2), math.log(3)


def position() -> PositionAttention:
    query = np.array([[[1, 0, 1]], [[0, 1, 1]]], dtype=np.float32)  # (2, 1, 3): (1,0), (0,1), (1,1)
    key = np.array([[[0, LOG2, 0]], [[0, 0, LOG3]]], dtype=np.float32)  # (0,0), (log 2, 0), (0, log 3)
    return PositionAttention(query, key, gamma=0.5, stride=8)


def test_rows() -> None:
    attention = position()
    np.testing.assert_allclose(attention.row(0, 0)[0], [1 / 4, 2 / 4, 1 / 4], rtol=1e-6)
    np.testing.assert_allclose(attention.row(0, 1)[0], [1 / 5, 1 / 5, 3 / 5], rtol=1e-6)
    np.testing.assert_allclose(attention.row(0, 2)[0], [1 / 6, 2 / 6, 3 / 6], rtol=1e-6)


def test_columns_received_and_log_sum_exp() -> None:
    attention = position()
    np.testing.assert_allclose(attention.column(0, 1)[0], [2 / 4, 1 / 5, 2 / 6], rtol=1e-6)
    received = [(1 / 4 + 1 / 5 + 1 / 6) / 3, (2 / 4 + 1 / 5 + 2 / 6) / 3, (1 / 4 + 3 / 5 + 3 / 6) / 3]
    np.testing.assert_allclose(attention.received[0], received, rtol=1e-6)
    np.testing.assert_allclose(attention.log_sum_exp[0], np.log([4, 5, 6]), rtol=1e-6)


def test_large_energies_do_not_overflow() -> None:
    query = np.full((1, 2, 2), 200.0, dtype=np.float32)
    key = np.array([[[1, 2], [3, 4]]], dtype=np.float32)
    attention = PositionAttention(query, key, gamma=1.0, stride=8)
    for found in (attention.row(0, 0), attention.column(1, 1), attention.received, attention.log_sum_exp):
        assert np.isfinite(found).all()
    assert attention.row(0, 0).sum() == pytest.approx(1.0)
    assert attention.column(1, 1) == pytest.approx(1.0)


def test_more_queries_than_a_chunk() -> None:
    rng = np.random.default_rng(0)
    query, key = (rng.normal(size=(4, 40, 60)).astype(np.float32) for _ in range(2))
    attention = PositionAttention(query, key, gamma=1.0, stride=8)
    energy = query.reshape(4, -1).T.astype(np.float64) @ key.reshape(4, -1)
    weights = np.exp(energy - energy.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(attention.received.ravel(), weights.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(attention.column(39, 59).ravel(), weights[:, -1], rtol=1e-3)
    assert attention.received.sum() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("place", [(-1, 0), (0, 3), (1, 0)])
def test_a_location_outside_the_grid_is_refused(place: tuple[int, int]) -> None:
    for ask in (position().row, position().column):
        with pytest.raises(IndexError, match="1 x 3"):
            ask(*place)


def test_an_attention_is_frozen() -> None:
    with pytest.raises(AttributeError):
        position().gamma = 1.0  # type: ignore[misc]
