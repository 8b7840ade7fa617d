import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.render.class_colors import class_colors
from attnviz.render.colormaps import table
from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import Panel
from attnviz.render.pictures import bar_pixels, map_over_photo, panel_pixels, photo_at
from attnviz.render.scales import Scale, find_scales
from tests.explanations import bam, danet, gated, photo

CROP = Geometry((4, 8), (2, 0, 6, 4), (32, 32))
WHOLE = Geometry((4, 8), (0, 0, 8, 4), (32, 64))
BARE = FigureOptions(map_opacity=1.0)


def drawn(panel, geometry, options=BARE, size=(4, 8)):
    picture = np.full((*size, 3), 100, np.uint8)
    scale = next(iter(find_scales([panel], "each")), None)
    return panel_pixels(panel, picture, geometry, scale=scale, options=options)


def test_a_photo_at_its_own_size_is_itself():
    picture = photo(30, 40)
    assert photo_at(picture, (30, 40)) is picture


def test_a_resized_photo_keeps_its_brightness():
    picture = np.full((60, 40, 3), (10, 200, 90), np.uint8)
    for size in ((7, 5), (120, 80), (1, 1)):
        assert (photo_at(picture, size) == (10, 200, 90)).all()
        assert photo_at(picture, size).shape == (*size, 3)


def test_cells_lie_where_the_network_saw_them_and_the_rest_stays_photo():
    panel = Panel("m", "m", "gain", "x", np.array([[0.0, 1.0], [1.0, 0.0]], np.float32))
    low, high = table("viridis")[[0, 255]].tolist()
    grey = [100, 100, 100]
    result = drawn(panel, CROP).tolist()
    assert result[0] == [grey, grey, low, low, high, high, grey, grey]
    assert result[3] == [grey, grey, high, high, low, low, grey, grey]


def test_nearest_shows_cells_and_bilinear_smooths_between_their_centres():
    panel = Panel("m", "m", "gain", "x", np.array([[0.0, 1.0]], np.float32))
    assert len(np.unique(drawn(panel, WHOLE).reshape(-1, 3), axis=0)) == 2
    smooth = drawn(panel, WHOLE, FigureOptions(map_opacity=1.0, interpolation="bilinear"))
    # centres of the cells at x = 2 and 6: pixels at 2.5, 3.5, 4.5, 5.5 are 1/8, 3/8, 5/8 and 7/8 of the way
    expected = table("viridis")[[0, 0, 32, 96, 160, 224, 255, 255]]
    assert (smooth[0] == expected).all()


def test_classes_are_drawn_in_their_colors():
    classes = np.array([[0, 3]], np.uint8)
    result = drawn(Panel("s", "s", "classes", classes=classes), WHOLE)
    assert (result[:, :4] == class_colors(4)[0]).all()
    assert (result[:, 4:] == class_colors(4)[3]).all()
    outside = drawn(Panel("s", "s", "classes", classes=classes), CROP)
    assert (outside[:, :2] == 100).all()


def test_class_numbers_over_255_keep_their_own_colors():
    classes = np.array([[299, 43]], np.uint16)
    result = drawn(Panel("s", "s", "classes", classes=classes), WHOLE)
    assert (result[:, :4] == class_colors(300)[299]).all()
    assert (result[:, 4:] == class_colors(300)[43]).all()


def test_a_small_matrix_is_drawn_bare_cell_by_cell():
    panel = Panel("c", "c", "channel_matrix", values=np.eye(2, dtype=np.float32), bare=True)
    low, high = table("viridis")[[0, 255]].tolist()
    result = drawn(panel, WHOLE, FigureOptions(map_opacity=0.1), size=(4, 4)).tolist()
    assert result[0] == [high, high, low, low]
    assert result[3] == [low, low, high, high]


def test_a_matrix_larger_than_its_picture_is_averaged():
    matrix = np.zeros((64, 64), np.float32)
    matrix[:, ::2] = 1.0
    panel = Panel("c", "c", "channel_matrix", values=matrix, bare=True)
    result = drawn(panel, WHOLE, size=(8, 8))
    assert (result == table("viridis")[128]).all()  # half of them 1: a sample would show all or nothing


def test_a_bar_runs_through_all_colors():
    bar = bar_pixels("magma", (3, 256))
    assert (bar == table("magma")[None]).all()
    assert (bar_pixels("magma", (2, 5), flat=True) == table("magma")[128]).all()


def test_a_flat_map_and_its_bar_have_the_middle_color():
    panel = Panel("m", "m", "gain", "x", np.full((2, 2), 1.5, np.float32))
    assert (drawn(panel, WHOLE) == table("viridis")[128]).all()


def test_a_shared_scale_is_used_as_it_is():
    panel = Panel("m", "m", "gain", "x", np.array([[1.0]], np.float32))
    scale = Scale("gain", "x", 0.0, 2.0, ("m", "n"))
    result = panel_pixels(panel, np.zeros((4, 8, 3), np.uint8), WHOLE, scale=scale, options=BARE)
    assert (result == table("viridis")[128]).all()


@pytest.mark.parametrize("name", ["photo", "stages", "channel_matrix", "stage1.block1.channel_gate", "nose"])
def test_only_a_map_can_lie_over_the_photo(name):
    for explanation in (bam(), danet(), gated()):
        with pytest.raises(OptionError, match="expected"):
            map_over_photo(explanation, name, BARE)


def test_where_the_opacity_follows_the_value_the_photo_shows_through_its_low_end():
    panel = Panel("row:1", "r", "position_row", "share", np.array([[1e-6, 1.0]], np.float32))
    photo = np.full((2, 4, 3), 100, np.uint8)
    scale = find_scales([panel], "each")[0]
    pixels = panel_pixels(panel, photo, WHOLE, scale=scale, options=FigureOptions(map_opacity=1.0))
    assert (pixels[:, :2] == 100).all()
    assert (pixels[:, 2:] == table("viridis")[255]).all()


def test_a_fading_bar_goes_from_a_checkerboard_to_the_colors():
    bar = bar_pixels("viridis", (4, 400), fading=1.0)
    assert {tuple(color) for color in bar[:, 0].tolist()} == {(255, 255, 255), (190, 190, 190)}
    assert np.abs(bar[:, -1].astype(int) - table("viridis")[255]).max() <= 1
    assert (bar_pixels("viridis", (4, 400), fading=0.0)[0, ::4] == bar[0, 0]).all()  # squares of two pixels
