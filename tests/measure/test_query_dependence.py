import numpy as np
import pytest

from attnviz.measure.query_dependence import compactness, dependence_of, mean_total_variation, own_class_ratio
from attnviz.position_attention import PositionAttention


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


HALVES = np.repeat([[0] * 4 + [1] * 4], 8, axis=0)  # left half class 0, right half class 1


def perfect(strength=30.0):
    """Every place attends evenly to the places of its own class."""
    own = np.stack([HALVES == 0, HALVES == 1]).astype(np.float32) * np.float32(np.sqrt(strength))
    return PositionAttention(own, own, gamma=0.8, stride=8)


def sinks(strength=30.0):
    """Every place attends to the same one place."""
    key = np.zeros((2, 8, 8), np.float32)
    key[0, 2, 3] = strength
    query = np.ones((2, 8, 8), np.float32)
    return PositionAttention(query, key, gamma=0.8, stride=8)


def test_sinks_and_perfect_rows_are_told_apart():
    good, bad = dependence_of("position", perfect(), HALVES), dependence_of("position", sinks(), HALVES)
    assert good.own_class == pytest.approx(2.0, abs=1e-3)  # all of the mass on half of the picture
    assert bad.own_class == pytest.approx(1.0, abs=0.3)  # of 64 queries half are of the sink's class
    # two rows of different classes are disjoint: of 64 * 63 / 2 pairs 32 * 32 are
    assert good.total_variation == pytest.approx(32 * 32 / (64 * 63 / 2), abs=1e-3)
    assert bad.total_variation == pytest.approx(0.0, abs=1e-6)
    assert good.sink_mass == pytest.approx(1 / 64, abs=1e-4)
    assert bad.sink_mass > 0.99
    assert "own class" in good.verdict
    assert "hardly depends on the query" in bad.verdict


def test_the_strongest_places_by_hand():
    """Of two places the first gets 3/4 of every row: with energies ln 3 and 0."""
    key = np.log(np.array([[[3.0, 1.0]]], np.float32))
    found = dependence_of(
        "position", PositionAttention(np.ones((1, 1, 2), np.float32), key, 0.5, 8), np.array([[0, 1]])
    )
    assert found.sink_mass == pytest.approx(0.75)  # 1 % of two places is one place
    assert found.total_variation == pytest.approx(0.0, abs=1e-7)
    assert found.own_class == pytest.approx((0.75 / 0.5 + 0.25 / 0.5) / 2)
    assert found.gamma == 0.5


def test_rows_that_are_even_are_no_sinks():
    even = dependence_of("position", PositionAttention(np.zeros((2, 8, 8), np.float32), sinks().key, 0.8, 8), HALVES)
    assert even.total_variation == pytest.approx(0.0, abs=1e-6)
    assert even.sink_mass == pytest.approx(1 / 64)
    assert even.own_class == pytest.approx(1.0)
    assert "looks at all alike" in even.verdict
    assert "same few" in dependence_of("position", sinks(), HALVES).verdict


def test_an_attention_that_is_ignored_is_called_so():
    ignored = PositionAttention(perfect().query, perfect().key, gamma=0.0, stride=8)
    assert "ignores" in dependence_of("position", ignored).verdict
    assert np.isnan(dependence_of("position", ignored).own_class)


def test_compactness_by_hand():
    # classes at 0, 2 and at 10, 12: within 4 * 1, between 2 * 25 + 2 * 25; the last location is of no class
    features = np.array([[0.0, 2.0, 10.0, 12.0, 500.0]])
    labels = np.array([0, 0, 1, 1, 255])
    assert compactness(features, labels, 255) == pytest.approx(4 / 100)
    assert np.isnan(compactness(features[:, :2], labels[:2], 255))
    assert compactness(np.array([[1.0, 1.0, 3.0]]), np.array([0, 0, 1]), 255) == 0.0


def test_an_attention_that_gathers_by_class_makes_features_compact():
    rng = np.random.default_rng(0)
    before = (HALVES + rng.normal(0, 1, (5, 8, 8))).astype(np.float32)
    means = np.stack([before[:, HALVES == c].mean(axis=1) for c in (0, 1)], axis=-1)
    after = before + 5 * means[:, HALVES]
    found = dependence_of("position", perfect(), HALVES, features=(before, after))
    assert found.compactness_after < 0.2 * found.compactness_before
