import itertools

import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.render.palette import PIN_COLOURS, class_colours, pin_colour, readable_on


def test_a_class_keeps_its_colour_whatever_the_number_of_classes():
    assert (class_colours(256)[:19] == class_colours(19)).all()


@pytest.mark.parametrize("count", [0, 1, 11, 19, 60, 150, 256])
def test_as_many_colours_as_classes_all_different(count):
    colours = class_colours(count)
    assert (colours.shape, colours.dtype) == ((count, 3), np.uint8)
    assert len({tuple(c) for c in colours.tolist()}) == count


def test_the_classes_of_street_scenes_are_far_apart():
    pairs = itertools.combinations(class_colours(12).astype(int).tolist(), 2)
    assert min(np.abs(np.subtract(a, b)).sum() for a, b in pairs) > 60


@pytest.mark.parametrize("count", [-1, 257])
def test_other_counts_are_refused(count):
    with pytest.raises(OptionError, match="0 to 256"):
        class_colours(count)


def test_pins_repeat_their_colours():
    assert pin_colour(0) == pin_colour(len(PIN_COLOURS)) == "#e69f00"


@pytest.mark.parametrize(
    ("colour", "text"), [("#ffffff", "#000000"), ("#000000", "#ffffff"), ("#0072b2", "#ffffff"), ("#e69f00", "#000000")]
)
def test_text_on_a_colour_is_black_or_white(colour, text):
    assert readable_on(colour) == text
