from fractions import Fraction

import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.inputs.cell_places import cell_box, looked_at
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.receptive_field import Reach, ReceptiveField

# as of a ResNet's stage at stride 4: 11 pixels each, the first around the middle of pixel 0
REACH = Reach(Fraction(-5), Fraction(11), Fraction(4))
FIELD = ReceptiveField(REACH, REACH)
WHOLE = Geometry((32, 16), (0, 0, 16, 32), (32, 16))


def test_a_cell_lies_around_its_middle_and_the_outermost_reach_to_the_edge():
    assert REACH.center == 0.5
    # cell 1 around pixel 4: from 2.5 to 6.5; the first from the edge, the last to it
    assert cell_box(WHOLE, 1, 0, (8, 4), FIELD) == (0.0, 2.5, 2.5, 6.5)
    assert cell_box(WHOLE, 7, 3, (8, 4), FIELD) == (10.5, 26.5, 16.0, 32.0)
    assert cell_box(WHOLE, 1, 0, (8, 4), None) == (0.0, 4.0, 4.0, 8.0)


def test_boxes_follow_crop_and_zoom():
    cropped = Geometry((64, 64), (16, 0, 48, 64), (32, 16))  # two photo pixels a network pixel
    assert cell_box(cropped, 1, 1, (8, 4), FIELD) == (16 + 5, 5, 16 + 13, 13)


def test_the_place_of_every_pixel_is_in_the_box_of_its_cell():
    centers = (np.arange(32) + 0.5) * 8 / 32  # of pixels, in tiles
    places = looked_at(centers, REACH, count=8, size=32)
    for pixel, place in enumerate(places):
        _, top, _, bottom = cell_box(WHOLE, int(place), 0, (8, 4), FIELD)
        assert top <= pixel + 0.5 < bottom or (pixel + 0.5 == bottom == 32)
    assert places[4] == 1.5  # the middle of cell 1
    assert (places[0], int(places[31])) == (0.5, 7)


def test_what_was_not_seen_stays_unseen():
    places = looked_at(np.array([np.nan, 0.5]), REACH, count=8, size=32)
    assert np.isnan(places[0])
    assert not np.isnan(places[1])


def test_cells_out_of_the_grid_are_refused():
    with pytest.raises(OptionError, match="expected a cell within 8 x 4"):
        cell_box(WHOLE, 8, 0, (8, 4), FIELD)
