import numpy as np
import pytest

from attnviz.reduce.ranking import centre_prior, centre_score, ring_auc, rings, roc_auc, spearman, weighted_auc
from training.measures import cells_inside


def test_auc_counts_pairs_and_halves_ties():
    scores = np.array([3.0, 1.0, 2.0, 1.0])
    inside = np.array([True, True, False, False])
    # pairs: 3>2, 3>1, 1<2, 1=1 -> 1 + 1 + 0 + 0.5 of 4
    assert roc_auc(scores, inside) == pytest.approx(2.5 / 4)
    assert roc_auc(-scores, inside) == pytest.approx(1.5 / 4)


def test_auc_weighs_locations():
    # the outside location above counts three times as much as the one below
    value = roc_auc(np.array([1.0, 2.0, 0.0]), np.array([True, False, False]), np.array([1.0, 3.0, 1.0]))
    assert value == pytest.approx(0.25)


@pytest.mark.parametrize("inside", [[True, True], [False, False]])
def test_auc_without_pairs_is_nan(inside):
    assert np.isnan(roc_auc(np.array([1.0, 2.0]), np.array(inside)))


@pytest.mark.parametrize("side", [5, 8, 16])
def test_a_map_that_knows_only_the_centre_is_worth_nothing_within_rings(side):
    inside = cells_inside((16, 20, 47, 41), 64, side).ravel()
    centre = centre_score(side, side).ravel()
    assert roc_auc(centre, inside) > 0.6
    value, pairs = ring_auc(centre, inside, rings(side, side).ravel())
    assert pairs > 0
    assert value == pytest.approx(0.5)


def test_ring_auc_of_the_answer_itself_is_one():
    inside = cells_inside((0, 0, 31, 63), 64, 8).ravel()
    assert ring_auc(inside.astype(float), inside, rings(8, 8).ravel())[0] == 1.0


def test_rings_of_a_four_by_four():
    assert rings(4, 4).tolist() == [[2, 1, 1, 2], [1, 0, 0, 1], [1, 0, 0, 1], [2, 1, 1, 2]]


def test_auc_of_points_that_fall_more_than_once():
    # scores 0, 1, 2; points fall twice on the 2 and once on the 0; all three are negatives:
    # the 2 beats 0 and 1 and ties with itself (2.5 of 3), twice; the 0 only ties with itself (0.5 of 3)
    value = weighted_auc(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.0, 2.0]), np.ones(3))
    assert value == pytest.approx((2.5 + 2.5 + 0.5) / 9)


def test_spearman_by_hand():
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 11.0, 99.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * (1 + 1 + 1 + 1) / (4 * 15)
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 4.0, 3.0])) == pytest.approx(0.6)
    # mid-ranks 1.5 1.5 3 and 1 2 3: covariance 1.5, sizes sqrt(1.5) and sqrt(2)
    assert spearman(np.array([5.0, 5.0, 7.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(1.5 / 3**0.5)
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))


def test_the_centre_prior_is_stretched_to_the_map():
    prior = centre_prior(2, 4)
    # centres lie a quarter of the height from the middle, and 1/8 or 3/8 of the width
    assert prior[0, 1] == pytest.approx(np.exp(-0.5 * (1 + 0.25)))
    assert prior[1, 3] == pytest.approx(np.exp(-0.5 * (1 + 2.25)))
    assert np.array_equal(prior, prior[::-1, ::-1])
