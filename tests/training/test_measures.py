import numpy as np
import pytest

from training.measures import (
    border_area,
    border_share,
    cells_inside,
    centre_score,
    confusion,
    intersection_over_union,
    mean_total_variation,
    own_class_ratio,
    ring_auc,
    rings,
    roc_auc,
)


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


def test_cells_inside_goes_by_cell_centres():
    # cells of 16 pixels have centres 8, 24, 40, 56; the box covers x 24..40 and y 0..8, both ends inside
    found = cells_inside((24, 0, 40, 8), 64, 4)
    assert found.tolist() == [[False, True, True, False]] + [[False] * 4] * 3


def test_border_share_of_a_frame_a_dot_and_a_flat_map():
    dot = np.zeros((4, 4))
    dot[1, 2] = 2.0
    frame = np.ones((4, 4))
    frame[1:3, 1:3] = 0
    assert border_share(dot[None]) == 0
    assert border_share(frame[None]) == 1
    assert border_share(np.full((1, 4, 4), 7.0)) == border_area(4, 4) == 0.75


def test_iou_by_hand():
    truth = np.array([0, 0, 1, 1, 255])
    predicted = np.array([0, 1, 1, 1, 0])
    counts = confusion(truth, predicted, 3)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    iou = intersection_over_union(counts)
    assert iou[:2].tolist() == [0.5, pytest.approx(2 / 3)]
    assert np.isnan(iou[2])


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
