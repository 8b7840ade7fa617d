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
