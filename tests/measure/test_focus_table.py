"""Focus of an explanation: numbers by hand, baselines beside them, boxes and masks alike."""

import math

import numpy as np
import pytest

from attnviz.errors import InputError, OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.measure.definitions import BASELINES, FOCUS
from attnviz.measure.focus_table import _drift, check_object, cover_of, focus_of, mass_of, numbers_of
from tests.explanations import attention, bam

CORNER = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
COVER = np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])


def test_numbers_by_hand():
    found = numbers_of(CORNER, COVER)
    assert set(found) | {"drift"} == set(FOCUS)
    shares = (0.75, 0.25)
    assert found["entropy"] == pytest.approx(-sum(p * math.log(p) for p in shares) / math.log(6))
    assert found["gini"] == pytest.approx((5 * 3 + 3 * 1) / (6 * 4))
    assert found["half_mass_area"] == pytest.approx((2 / 3) / 6)
    assert found["centroid_x"] == pytest.approx(0.75 / 6 + 0.25 / 2)
    assert found["centroid_y"] == pytest.approx(0.25)
    assert found["border_share"] == 1.0
    assert found["mass_over_area"] == pytest.approx((3 + 0.5) / 4 / (1.5 / 6))
    assert found["roc_auc"] == 1.0
    assert found["points_inside"] == 1.0


def test_rings_compare_cells_of_equal_distance():
    # of a 2 x 3 grid the corners are one ring, the two middles the other: 3 > 0, 0, 0 and 1 > 0
    assert numbers_of(CORNER, COVER)["ring_auc"] == 1.0
    assert numbers_of(CORNER[::-1].copy(), COVER)["ring_auc"] == pytest.approx((3 * (0.5 * 2 / 3) + 0) / 4)


def test_a_map_without_mass_is_even():
    assert numbers_of(np.zeros((2, 3), np.float32), COVER) == numbers_of(np.ones((2, 3), np.float32), COVER)
    assert numbers_of(np.ones((2, 3), np.float32), COVER)["mass_over_area"] == pytest.approx(1.0)


def test_without_an_object_what_needs_one_is_not_there():
    assert "roc_auc" not in numbers_of(CORNER)
    found = numbers_of(CORNER, np.zeros((2, 3)))
    assert math.isnan(found["roc_auc"])
    assert math.isnan(found["mass_over_area"])
    assert math.isnan(found["points_inside"])


def test_mass_is_what_stands_above_the_floor():
    gain = attention("stage1.gain", [[1.25, 1.5]])
    assert mass_of(gain).tolist() == [[0.25, 0.5]]
    logit = attention("stage1.spatial_logit", [[-2.0, 1.0]])
    assert mass_of(logit).tolist() == [[0.0, 3.0]]
    tanh = attention("stage1.gain", [[-0.5, 0.5]], bounds=(0.0, 1.0))
    assert mass_of(tanh).tolist() == [[0.0, 1.0]]


def test_a_mask_of_a_box_covers_what_the_box_covers():
    geometry = Geometry((30, 50), (10, 0, 40, 30), (96, 96))
    box = (13, 4, 31, 22)
    mask = np.zeros((30, 50), bool)
    mask[4:22, 13:31] = True
    for grid in ((1, 1), (3, 3), (4, 7), (60, 45)):
        assert cover_of(geometry, grid, mask=mask) == pytest.approx(cover_of(geometry, grid, box=box), abs=1e-9)


def test_every_map_of_an_explanation_has_its_baselines():
    explanation = bam()
    table = explanation.focus(box=(10, 10, 60, 60))
    assert [entry.label for entry in table] == ["stage1.gain", "stage2.gain", "stage3.gain"]
    assert "drift" not in table[0].values
    dx, dy = (table[1].values[f"centroid_{axis}"] - table[0].values[f"centroid_{axis}"] for axis in "xy")
    assert table[1].values["drift"] == pytest.approx(math.hypot(dx, dy))
    for entry in table:
        assert set(entry.baselines) == {"uniform", "centre"}
        assert entry.baselines["uniform"]["roc_auc"] == 0.5
        assert entry.baselines["uniform"]["half_mass_area"] == 0.5
        assert entry.baselines["uniform"]["ring_auc"] == 0.5
    printed = str(table)
    assert "stage3.gain" in printed
    assert "ROC-AUC within rings" in printed
    assert "ROC-AUC" not in str(explanation.focus())


def test_shuffled_weights_are_a_baseline_where_they_are_given():
    explanation = bam()
    table = focus_of(explanation, shuffled=explanation)
    assert set(table[0].baselines) == set(BASELINES)
    assert table[0].baselines["shuffled"]["gini"] == table[0].values["gini"]


def test_drift_by_hand_and_of_every_baseline():
    assert _drift({"centroid_x": 0.1, "centroid_y": 0.2}, {"centroid_x": 0.4, "centroid_y": 0.6}) == pytest.approx(0.5)
    explanation = bam()
    table = focus_of(explanation, shuffled=explanation)
    assert not any("drift" in values for values in (table[0].values, *table[0].baselines.values()))
    for entry in table[1:]:
        assert entry.baselines["uniform"]["drift"] == pytest.approx(0.0, abs=1e-6)  # the middle stays the middle
        assert entry.baselines["centre"]["drift"] == pytest.approx(0.0, abs=1e-6)
        assert entry.baselines["shuffled"]["drift"] == entry.values["drift"]


def test_hostile_boxes_and_masks():
    explanation = bam()
    height, width = explanation.photo.shape[:2]
    with pytest.raises(InputError, match="both"):
        explanation.focus(box=(0, 0, 1, 1), mask=np.zeros((height, width), bool))
    with pytest.raises(
        InputError, match=f"mask of the photo's size, {width} × {height} pixels, got {height + 1} × {width}"
    ):
        explanation.focus(mask=np.zeros((width, height + 1), bool))
    with pytest.raises(InputError, match="bool array of the photo's size"):
        explanation.focus(mask=np.zeros((height, width)))
    with pytest.raises(OptionError, match="box"):
        explanation.focus(box=(5, 5, 5, 9))
    for nothing in ({"box": (1e6, 1e6, 2e6, 2e6)}, {"mask": np.zeros((height, width), bool)}):
        with pytest.raises(
            InputError, match=f"expected an object on .* {width} × {height} pixels, got a (box at 1e|mask t)"
        ):
            check_object(explanation.geometry, **{"box": None, "mask": None, **nothing})
    check_object(explanation.geometry, box=(-50, -50, 5, 5), mask=None)  # over the edge, but not beyond it
    beyond = explanation.focus(box=(1e6, 1e6, 2e6, 2e6))
    assert math.isnan(beyond[0].values["mass_over_area"])
