"""Where people look: values by hand, the ends of each range, and that chance earns what it should."""

import math

import numpy as np
import pytest

from attnviz.errors import InputError
from attnviz.measure.fixations import (
    auc,
    correlation,
    counts_on_grid,
    fixation_density,
    kl_divergence,
    nss,
    shuffled_auc,
    viewers_ceiling,
)
from attnviz.reduce.ranking import centre_prior

VALUES = np.array([[0.0, 1.0], [2.0, 5.0]])
FIXATIONS = np.array([[0.0, 1.0], [0.0, 2.0]])


def test_auc_against_all_locations():
    # each fixation against all four cells, the tie with itself one half: on the 1 once 1.5 / 4, on the 5 twice 3.5 / 4
    assert auc(VALUES, FIXATIONS) == pytest.approx((1.5 + 2 * 3.5) / 12)
    assert auc(-VALUES, FIXATIONS) == pytest.approx(1 - (1.5 + 2 * 3.5) / 12)
    assert auc(np.ones((2, 2)), FIXATIONS) == 0.5
    assert math.isnan(auc(VALUES, np.zeros((2, 2))))


def test_shuffled_auc_against_the_fixations_on_other_pictures():
    others = np.array([[0.0, 3.0], [1.0, 0.0]])
    # negatives: 1 three times, 2 once. The fixation on the 1: ties three (1.5), loses one; those on the 5 win all four
    assert shuffled_auc(VALUES, FIXATIONS, others) == pytest.approx((1.5 + 4 + 4) / 12)


def test_shuffled_auc_gives_the_centre_nothing():
    rng = np.random.default_rng(0)
    points = rng.normal(0.5, 0.15, (4000, 2))
    here, elsewhere = counts_on_grid(points[:2000], (30, 40)), counts_on_grid(points[2000:], (30, 40))
    centre = centre_prior(30, 40)
    assert auc(centre, here) > 0.75
    assert shuffled_auc(centre, here, elsewhere) == pytest.approx(0.5, abs=0.02)


def test_nss():
    # mean 2, standard deviation sqrt((4 + 1 + 0 + 9) / 4): at the fixations -1 once, 3 twice
    assert nss(VALUES, FIXATIONS) == pytest.approx((-1 + 3 + 3) / 3 / math.sqrt(14 / 4))
    assert nss(np.full((2, 2), 0.1), FIXATIONS) == 0.0
    assert math.isnan(nss(VALUES, np.zeros((2, 2))))


def test_correlation():
    assert correlation(VALUES, 3 * VALUES + 1) == pytest.approx(1.0)
    assert correlation(VALUES, -VALUES) == pytest.approx(-1.0)
    # deviations -2 -1 0 3 and -0.75 0.25 -0.75 1.25
    assert correlation(VALUES, FIXATIONS) == pytest.approx((1.5 - 0.25 + 0 + 3.75) / math.sqrt(14 * 2.75))
    assert math.isnan(correlation(np.ones((2, 2)), VALUES))


def test_kl_divergence():
    assert kl_divergence(VALUES, VALUES) == pytest.approx(0.0, abs=1e-9)
    # a flat map is taken as even: sum p log (4 p) with p 1/3 and 2/3
    expected = math.log(4 / 3) / 3 + 2 * math.log(8 / 3) / 3
    assert kl_divergence(np.ones((2, 2)), FIXATIONS) == pytest.approx(expected)
    assert kl_divergence(VALUES[::-1], FIXATIONS) > kl_divergence(VALUES, FIXATIONS)


def test_counts_leave_out_what_is_beyond_the_edges():
    points = np.array([[0.0, 0.0], [0.49, 0.99], [0.5, 0.5], [0.5, 0.5], [1.0, 0.5], [-0.01, 0.5], [np.nan, 0.2]])
    assert counts_on_grid(points, (2, 2)).tolist() == [[1, 0], [1, 2]]


def test_the_density_is_a_gaussian_around_a_fixation():
    counts = np.zeros((9, 100))
    counts[4, 50] = 2.0
    density = fixation_density(counts, 0.03)
    assert density.sum() == pytest.approx(1.0)
    assert density[4, 53] / density[4, 50] == pytest.approx(math.exp(-0.5))
    assert density[7, 50] / density[4, 50] == pytest.approx(math.exp(-0.5))
    with pytest.raises(InputError, match="at least one fixation"):
        fixation_density(np.zeros((2, 2)))


def test_the_ceiling_is_high_where_viewers_agree_and_chance_where_they_do_not():
    rng = np.random.default_rng(1)
    agree = [np.array([0.3, 0.6]) + rng.normal(0, 0.02, (10, 2)) for _ in range(5)]
    apart = [rng.uniform(0, 1, (200, 2)) for _ in range(5)]
    assert viewers_ceiling(agree, (60, 80))["auc"] > 0.97
    assert viewers_ceiling(agree, (60, 80))["nss"] > 4
    assert viewers_ceiling(apart, (60, 80))["auc"] == pytest.approx(0.5, abs=0.05)
    assert math.isnan(viewers_ceiling(agree[:1], (60, 80))["auc"])


def test_the_ceiling_by_hand():
    """Two viewers on a grid so wide that the Gaussian reaches no other cell: each is the other's density."""
    corner, other = np.array([[0.1, 0.5]]), np.array([[0.1, 0.5], [0.9, 0.5]])
    found = viewers_ceiling([corner, other], (1, 2), spread=0.01)
    # the corner's fixation on the density (1/2, 1/2): a tie. The other's two on (1, 0): of 2 x 2 pairs 1 is won, 2 tie
    assert found["auc"] == pytest.approx((1 * 0.5 + 2 * (0.75 + 0.25) / 2) / 3)
    # an even density has NSS 0; on (1, 0), standardised (1, -1), the mean of both is 0 too
    assert found["nss"] == pytest.approx(0.0)
    alike = viewers_ceiling([corner, corner, other[1:]], (1, 2), spread=0.01)
    # each corner's on (1/2, 1/2): a tie; the last one's on (1, 0), where it lies on the 0: 0.25, and NSS -1
    assert alike["auc"] == pytest.approx((0.5 + 0.5 + 0.25) / 3)
    assert alike["nss"] == pytest.approx((0 + 0 - 1) / 3)


def test_shapes_must_agree():
    with pytest.raises(InputError, match="one shape"):
        auc(VALUES, np.ones((2, 3)))
