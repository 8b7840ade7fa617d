import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.render.panels import Panel, resolve
from attnviz.render.scales import find_scales, raw_range
from tests.explanations import bam


def panel(name, kind, *values):
    return Panel(name, name, kind, "x", np.array([values], np.float32))


PANELS = (Panel("photo", "Photo"), panel("a", "gain", 1, 2), panel("b", "gain", 1.5, 4), panel("c", "logit", -3, 3))


def test_each_map_has_its_own_scale():
    scales = find_scales(PANELS, "each")
    assert [(s.low, s.high, s.panels) for s in scales] == [(1, 2, ("a",)), (1.5, 4, ("b",)), (-3, 3, ("c",))]


def test_maps_of_one_quantity_share_a_scale():
    scales = find_scales(PANELS, "shared")
    assert [(s.kind, s.low, s.high, s.panels) for s in scales] == [("gain", 1, 4, ("a", "b")), ("logit", -3, 3, ("c",))]


def test_a_scale_spreads_its_range_over_the_colors():
    scale = find_scales(PANELS, "shared")[0]
    assert scale.apply(np.array([[1.0, 2.5, 4.0]], np.float32)).tolist() == [[0.0, 0.5, 1.0]]


def test_a_flat_map_has_one_color_the_middle_one():
    # as in the viewer: neither end of a range that has none
    scale = find_scales([panel("a", "gain", 2, 2)], "each")[0]
    assert scale.apply(np.array([[2.0, 2.0]], np.float32)).tolist() == [[0.5, 0.5]]


def test_the_shared_range_covers_all_stages():
    explanation = bam()
    panels = resolve(explanation, (), ())
    (scale,) = find_scales(panels, "shared")
    ranges = [stage.gain.raw_range for stage in explanation.stages]
    assert (scale.low, scale.high) == (min(r[0] for r in ranges), max(r[1] for r in ranges))


@pytest.mark.parametrize("broken", [panel("a", "gain", np.nan, 1), panel("a", "gain", np.inf, 1), PANELS[0]])
def test_numbers_must_be_finite(broken):
    with pytest.raises(OptionError, match="expected finite numbers"):
        raw_range(broken)


ROW = panel("row:1", "position_row", 1e-9, 0.001, 0.02, 0.875)
LOGIT = panel("c", "spatial_logit", -3, 3)


def one(panel_, **looks):
    (scale,) = find_scales([panel_], "each", **looks)
    return scale


def test_attention_is_logarithmic_and_fades_unless_asked_otherwise():
    usual = one(ROW)
    assert (usual.log, usual.opacity_by, usual.low, usual.high) == (True, "value", pytest.approx(0.000875), 0.875)
    assert (usual.below, usual.above) == (True, False)
    plain = one(ROW, spread="linear", opacity_by="even")
    assert (plain.log, plain.opacity_by, plain.low, plain.below) == (False, "even", pytest.approx(1e-9), False)


def test_other_maps_are_linear_and_even_unless_asked_otherwise():
    gain = panel("a", "effective_gain", 1, 2)
    assert (one(gain).log, one(gain).opacity_by) == (False, "even")
    asked = one(gain, spread="log", opacity_by="value")
    assert (asked.log, asked.opacity_by, asked.low, asked.below) == (True, "value", 1, False)


def test_what_can_be_negative_stays_linear():
    scale = one(LOGIT, spread="log")
    assert (scale.log, scale.low, scale.high) == (False, -3, 3)


def test_percentiles_clip_and_say_so():
    many = Panel("m", "m", "gain", "x", np.arange(101, dtype=np.float32)[None])
    scale = one(many, spread="percentile")
    assert (scale.low, scale.high, scale.below, scale.above) == (1, 99, True, True)
    assert scale.apply(np.array([[0, 1, 50, 99, 100]], np.float32)).tolist() == [[0, 0, 0.5, 1, 1]]


def test_one_logarithmic_scale_for_several_maps_ends_with_the_highest():
    other = panel("row:2", "position_row", 0.0, 0.5)
    (scale,) = find_scales([ROW, other], "shared")
    assert (scale.low, scale.high, scale.below) == (pytest.approx(0.000875), 0.875, True)
    assert scale.apply(np.array([[0.0, 0.875 / 10**1.5, 0.875]], np.float32)).tolist() == [[0, pytest.approx(0.5), 1]]


def test_a_picture_over_no_photo_is_opaque():
    matrix = Panel("m", "m", "channel_matrix", "share", np.array([[0.2, 0.8]], np.float32), bare=True)
    assert one(matrix, opacity_by="value").opacity_by == "even"


def test_an_attention_that_is_the_same_everywhere_is_flat():
    scale = one(panel("row:1", "position_row", 0.25, 0.25))
    assert (scale.flat, scale.log, scale.apply(np.full((1, 2), 0.25, np.float32)).tolist()) == (
        True,
        False,
        [[0.5, 0.5]],
    )
