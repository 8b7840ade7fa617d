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


def many_heads(*, others: int = 2) -> tuple[PositionAttention, np.ndarray]:
    """Three heads on a grid of 4 x 5 with other tokens, and the softmax of each written out: (heads, P + N, P + N)."""
    rng = np.random.default_rng(1)
    query, key = (2 * rng.normal(size=(3, 6, others + 20)).astype(np.float32) for _ in range(2))
    energy = np.einsum("hcn,hcm->hnm", query, key, dtype=np.float64)
    weights = np.exp(energy - energy.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    places = [tensor[:, :, others:].reshape(3, 6, 4, 5) for tensor in (query, key)]
    tokens = [tensor[:, :, :others] if others else None for tensor in (query, key)]
    return PositionAttention(*places, gamma=1.0, stride=16, other_query=tokens[0], other_key=tokens[1]), weights


@pytest.mark.parametrize("others", [0, 1, 5])
def test_several_heads_give_the_mean_of_their_softmax(others: int) -> None:
    attention, weights = many_heads(others=others)
    assert (attention.heads, attention.others, attention.grid) == (3, others, (4, 5))
    for own, expected in ((attention, weights.mean(axis=0)), *zip(map(attention.head, range(3)), weights, strict=True)):
        places = expected[others:, others:]
        np.testing.assert_allclose(own.row(2, 3).ravel(), places[13], atol=1e-6)
        np.testing.assert_allclose(own.column(2, 3).ravel(), places[:, 13], atol=1e-6)
        np.testing.assert_allclose(own.received.ravel(), places.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(own.token_matrix(), expected, atol=1e-6)
        for token in range(others):
            np.testing.assert_allclose(own.token_row(token).ravel(), expected[token, others:], atol=1e-6)


def test_a_head_or_token_that_is_not_there_is_refused() -> None:
    attention = many_heads()[0]
    assert attention.head(2).heads == 1
    assert position().head(0).row(0, 0) == pytest.approx(position().row(0, 0))
    for ask, sentence in ((attention.head, "head from 0 to 2"), (attention.token_row, "token of 2")):
        for number in (-1, 3):
            with pytest.raises(IndexError, match=sentence):
                ask(number)
    with pytest.raises(IndexError, match="token of 0"):
        position().token_row()
