"""A figure of several families: a row for each stage, a column for each kind of gate, each map by its own network."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import OptionError
from attnviz.render.colormaps import table
from attnviz.render.families_plan import plan_families
from attnviz.render.figure import render_figure
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import Bar, Picture, Text
from tests.render.viewer import made


@pytest.fixture(scope="module")
def families():
    cbam = dataclasses.replace(made.sge(seed=1, blocks=(1, 2), name="my_cbam"), channel_gates=made.se().channel_gates)
    spatial = tuple(dataclasses.replace(m, kind="spatial_gate") for m in cbam.other_maps)
    return {
        "BAM": made.bam(96, 128, seed=1),
        "CBAM": dataclasses.replace(cbam, other_maps=spatial),
        "SGE": made.sge(seed=1, blocks=(2, 2, 2, 2), name="my_sge"),
        "SE": made.se(seed=1, name="my_se", trained=False, sha256=None),
    }


def titles(plan):
    return [panel.title for panel in plan.panels]


def pictures(plan):
    return [item for item in plan.page.items if isinstance(item, Picture)]


def test_a_row_for_each_stage_a_column_for_each_kind_of_gate(families):
    plan = plan_families(families)
    assert plan.options.columns == 5
    assert titles(plan)[:5] == [
        "BAM · Stage 1 · effective gain",
        "CBAM · Stage 1 · spatial gate",
        "CBAM · Stage 1 · channel gate",
        "SGE · Stage 1 · group gate",
        "SE · Stage 1 · channel gate",
    ]
    assert len(plan.panels) == 20
    assert "BAM has nothing after stage 4" in titles(plan)
    lefts = [picture.x for picture in pictures(plan)]
    assert lefts == lefts[:5] * 4


def test_each_panel_is_the_last_map_of_its_stage_and_knows_its_network(families):
    plan = plan_families(families)
    by_title = {panel.title: panel for panel in plan.panels}
    shown = by_title["SGE · Stage 2 · group gate"]
    np.testing.assert_array_equal(shown.values, families["SGE"].maps["layer2.1.sge"].values)
    assert plan.source(shown) is families["SGE"]
    blank = by_title["BAM has nothing after stage 4"]
    assert blank.values is None
    assert plan.source(blank) is families["BAM"]


def test_a_map_lies_where_its_own_network_saw_the_photo(families):
    """One network saw the whole photo, the other its middle: the same values lie elsewhere."""
    whole = families["SGE"]
    middle = made.sge(seed=1, blocks=(2, 2, 2, 2), name="cropped")
    middle = dataclasses.replace(middle, geometry=dataclasses.replace(whole.geometry, crop=(32, 0, 96, 96)))
    plan = plan_families({"A": whole, "B": middle}, FigureOptions(map_opacity=1.0, dpi=100))
    sheet = np.asarray(Image.open(io.BytesIO(render_figure(plan, "png"))).convert("RGB"))
    first, second = pictures(plan)[:2]
    lowest = table("viridis")

    def drawn(item):
        return sheet[item.y : item.y + item.height, item.x : item.x + item.width]

    edge = drawn(first)[first.height // 2, 1]
    assert np.abs(lowest.astype(int) - edge).max(axis=1).min() <= 1  # a colour of the map
    outside = drawn(second)[second.height // 2, 1]
    photo = whole.photo[whole.photo.shape[0] // 2, 1]
    assert np.abs(outside.astype(int) - photo).max() < 40  # the photo itself, which that network did not see


def test_ranges_are_each_maps_own_or_shared_by_kind(families):
    each = plan_families(families)
    panel = each.panels[3]
    scale = next(scale for scale in each.scales if panel.name in scale.panels)
    assert (scale.low, scale.high) == (pytest.approx(panel.values.min()), pytest.approx(panel.values.max()))
    shared = plan_families(families, FigureOptions(scaling="shared"))
    assert {scale.kind: len(scale.panels) for scale in shared.scales} == {
        "effective_gain": 3,
        "spatial_gate": 2,
        "channel_gate": sum(title.endswith("channel gate") for title in titles(shared)),
        "group_gate": 4,
    }


def test_random_weights_are_named_at_the_top_and_in_the_caption(families):
    plan = plan_families(families, FigureOptions(caption=True))
    first = next(item for item in plan.page.items if isinstance(item, Text))
    assert first.string.startswith("SE (my_se) · random weights")
    assert "SE: " in plan.caption
    assert plan.caption.count("The network has random weights") == 1
    assert "Of every stage the last module is shown." in plan.caption
    trained = plan_families({"SGE": families["SGE"]})
    assert "random weights" not in next(item for item in trained.page.items if isinstance(item, Text)).string


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_same_bytes_every_time_in_each_format(families, kind, start):
    plan = plan_families(
        {name: families[name] for name in ("BAM", "SE")}, FigureOptions(dpi=60), photo_name="a cat.jpg"
    )
    first = render_figure(plan, kind)
    assert first.startswith(start)
    assert first == render_figure(plan, kind)
    if kind == "svg":
        assert "SE · Stage 1 · channel" in first.decode()
        assert "a cat.jpg" in first.decode()


def test_nothing_leaves_the_page_and_every_map_has_its_bar(families):
    plan = plan_families(families, FigureOptions(width_mm=120.0, font_size=6.0))
    page = plan.page
    assert all(item.box[0] >= 0 and item.box[2] <= page.width + 0.5 for item in page.items)
    bars = [item for item in page.items if isinstance(item, Bar)]
    assert len(bars) == sum(panel.values is not None for panel in plan.panels)


def test_what_cannot_be_laid_beside_each_other_is_refused(families):
    with pytest.raises(OptionError, match="expected families with gates along their stages, got none"):
        plan_families({})
    with pytest.raises(OptionError, match="expected families with gates along their stages, got DANet"):
        plan_families({"DANet": made.danet(96, 128, seed=1)})
    with pytest.raises(OptionError, match="expected explanations of one photo, got photos of 128 × 96 and 64 × 80"):
        plan_families({"BAM": families["BAM"], "SGE": made.bam(80, 64, seed=1)})
    with pytest.raises(OptionError, match="columns at least"):
        plan_families(families, FigureOptions(width_mm=30.0))
