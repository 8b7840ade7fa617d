import itertools

import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.render.class_colors import PIN_COLORS, class_colors, pin_color, readable_on


def test_a_class_keeps_its_color_whatever_the_number_of_classes():
    assert (class_colors(256)[:19] == class_colors(19)).all()


@pytest.mark.parametrize("count", [0, 1, 11, 19, 60, 150, 256])
def test_as_many_colors_as_classes_all_different(count):
    colors = class_colors(count)
    assert (colors.shape, colors.dtype) == ((count, 3), np.uint8)
    assert len({tuple(c) for c in colors.tolist()}) == count


def test_the_classes_of_street_scenes_are_far_apart():
    pairs = itertools.combinations(class_colors(12).astype(int).tolist(), 2)
    assert min(np.abs(np.subtract(a, b)).sum() for a, b in pairs) > 60


def test_there_are_colors_for_every_number_that_a_map_of_classes_can_hold():
    colors = class_colors(65_536)
    assert (colors[:256] == class_colors(256)).all()
    assert len(np.unique(colors[:1000], axis=0)) > 980


@pytest.mark.parametrize("count", [-1, 65_537])
def test_other_counts_are_refused(count):
    with pytest.raises(OptionError, match="0 to 65536"):
        class_colors(count)


def test_pins_repeat_their_colors():
    assert pin_color(0) == pin_color(len(PIN_COLORS)) == "#e69f00"


@pytest.mark.parametrize(
    ("color", "text"), [("#ffffff", "#000000"), ("#000000", "#ffffff"), ("#0072b2", "#ffffff"), ("#e69f00", "#000000")]
)
def test_text_on_a_color_is_black_or_white(color, text):
    assert readable_on(color) == text
