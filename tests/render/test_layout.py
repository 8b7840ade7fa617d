"""Nothing overlaps, nothing leaves the page, whatever the width, the columns and the names."""

import itertools

import pytest

from attnviz.errors import OptionError
from attnviz.render.figure import plan_figure
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import Bar, Picture, Swatch, Text
from attnviz.results import Prediction, Segmentation
from tests.explanations import CLASSES, bam, danet, untrained

LONG = "German shepherd, German shepherd dog, German police dog, alsatian"
MANY = ("stages", "stage1.spatial_logit", "stage2.spatial_logit", "stage3.spatial_logit", "gate:1:0")


def overlap(one, other):
    return min(one[2], other[2]) - max(one[0], other[0]) > 0.5 and min(one[3], other[3]) - max(one[1], other[1]) > 0.5


def ink(item):
    """The box of an item; of a text without the empty space above small letters and the room kept for other fonts."""
    left, top, right, bottom = item.box
    if isinstance(item, Text):
        return left, item.y - 0.78 * item.size, right, item.y + 0.22 * item.size
    return left, top, right, bottom


def check(page):
    for item in page.items:
        left, top, right, bottom = item.box
        assert left >= 0, item
        assert top >= 0, item
        assert right <= page.width + 0.5, item
        assert bottom <= page.height + 0.5, item
    for one, other in itertools.combinations(page.items, 2):
        assert not overlap(ink(one), ink(other)), (one, other)


def plan(explanation, **options):
    return plan_figure(explanation, FigureOptions(dpi=150, **options), photo_name="a_$long$_name" * 8 + ".jpg")


@pytest.mark.parametrize("scaling", ["each", "shared"])
@pytest.mark.parametrize("columns", [None, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("width", [85, 120, 180])
def test_stages_at_every_width_and_number_of_columns(width, columns, scaling):
    explanation = bam(predictions=(Prediction(LONG, 0.9), Prediction(LONG, 0.05)))
    check(plan(explanation, width_mm=width, columns=columns, scaling=scaling, panels=MANY, caption=True).page)


@pytest.mark.parametrize("scaling", ["each", "shared"])
@pytest.mark.parametrize("columns", [None, 1, 3, 6, 8])
@pytest.mark.parametrize("width", [85, 180])
def test_position_and_channel_panels(width, columns, scaling):
    panels = ("position", "column:1", "channel", "segmentation:channel")
    check(plan(danet(), width_mm=width, columns=columns, scaling=scaling, panels=panels).page)


@pytest.mark.parametrize("size", [(16, 128), (128, 16), (500, 499), (1, 900), (900, 1)])
@pytest.mark.parametrize("columns", [1, 4])
def test_photos_of_every_shape(size, columns):
    check(plan(bam(*size), width_mm=85, columns=columns).page)


@pytest.mark.parametrize("font", [4, 12, 24])
def test_fonts_of_every_size(font):
    check(plan(danet(), width_mm=85, font_size=font, caption=True).page)


def test_long_class_names_stay_inside_the_legend():
    names = tuple(f"{name} {LONG} {LONG}" for name in CLASSES)
    segmentation = danet().segmentation
    explanation = danet(segmentation=Segmentation(names, segmentation.labels, segmentation.cells))
    page = plan(explanation, width_mm=85).page
    check(page)
    assert sum(isinstance(item, Swatch) for item in page.items) == 3


def test_the_order_is_the_reading_order():
    pictures = [item for item in plan(bam(), width_mm=85, columns=2).page.items if isinstance(item, Picture)]
    assert [item.panel.name for item in pictures] == ["photo", "stage1.gain", "stage2.gain", "stage3.gain"]
    assert pictures[0].y == pictures[1].y < pictures[2].y == pictures[3].y
    assert pictures[0].x == pictures[2].x < pictures[1].x


@pytest.mark.parametrize(("scaling", "bars"), [("each", 3), ("shared", 1)])
def test_one_color_bar_per_scale(scaling, bars):
    page = plan(bam(), scaling=scaling).page
    assert sum(isinstance(item, Bar) for item in page.items) == bars


def test_two_quantities_under_shared_scaling_have_two_bars():
    page = plan(bam(), scaling="shared", panels=("stages", "stage1.spatial_logit", "stage2.spatial_logit")).page
    assert sum(isinstance(item, Bar) for item in page.items) == 2


@pytest.mark.parametrize("scaling", ["each", "shared"])
def test_every_map_has_its_raw_range_printed(scaling):
    explanation = bam()
    texts = [item.string for item in plan(explanation, scaling=scaling).page.items if isinstance(item, Text)]
    printed = " ".join(texts)
    for stage in explanation.stages:
        low, high = stage.gain.raw_range
        assert f"{low:.2f}" in printed
        assert f"{high:.2f}" in printed


def test_automatic_columns_keep_panels_readable():
    for width, columns in ((85, 2), (180, 4)):
        pictures = [item for item in plan(bam(), width_mm=width).page.items if isinstance(item, Picture)]
        assert sum(item.y == pictures[0].y for item in pictures) == columns


def test_random_weights_say_so_even_without_a_title():
    page = plan(untrained(bam()), title=False).page
    assert any("random weights" in item.string for item in page.items if isinstance(item, Text))
    trained = plan(bam(), title=False).page
    assert not any("random weights" in item.string for item in trained.items if isinstance(item, Text))


def test_columns_too_narrow_to_show_anything_are_refused():
    with pytest.raises(OptionError, match=r"at least 8 mm wide, at most \d+ at 30 mm, got 8"):
        plan(bam(), width_mm=30, columns=8, panels=MANY)


def test_a_figure_too_large_to_draw_is_refused():
    with pytest.raises(OptionError, match="at most 120,000,000 pixels"):
        plan_figure(bam(), FigureOptions(width_mm=600, dpi=1200, columns=1))
