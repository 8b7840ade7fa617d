"""Cells to pixels: exactly where the geometry says, and as PyTorch where the whole picture is seen."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnviz.errors import InputError, OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.receptive_field import Reach, ReceptiveField
from attnviz.reduce.upsample import upsample

MAP = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
WHOLE = Geometry((4, 4), (0, 0, 4, 4), (8, 8))
CUT = Geometry((4, 6), (1, 0, 5, 4), (8, 8))


def test_nearest_by_hand():
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(upsample(MAP, WHOLE), expected)
    assert upsample(MAP, WHOLE).dtype == np.float32


def test_bilinear_by_hand():
    row = np.array([1.0, 1.25, 1.75, 2.0])  # the cells' centres are at 1 and 3; pixels' centres at 0.5, 1.5, 2.5, 3.5
    expected = row + np.array([0.0, 0.5, 1.5, 2.0])[:, None]
    np.testing.assert_allclose(upsample(MAP, WHOLE, how="bilinear"), expected, rtol=1e-7)


def test_what_the_network_did_not_see_is_nan():
    found = upsample(MAP, CUT)
    assert found.shape == (4, 6)
    assert np.isnan(found[:, [0, 5]]).all()
    np.testing.assert_array_equal(found[:, 1:5], upsample(MAP, WHOLE))
    smooth = upsample(MAP, CUT, how="bilinear")
    np.testing.assert_array_equal(smooth[:, 1:5], upsample(MAP, WHOLE, how="bilinear"))
    assert np.isnan(smooth[:, [0, 5]]).all()


def test_onto_what_the_network_saw():
    found = upsample(MAP, CUT, onto="network")
    np.testing.assert_array_equal(found, np.kron(MAP, np.ones((4, 4))))
    assert upsample(MAP, CUT, (16, 2), onto="network").shape == (16, 2)


def test_a_small_picture_of_the_whole_photo():
    found = upsample(np.arange(16, dtype=np.float32).reshape(4, 4), WHOLE, (2, 2))
    np.testing.assert_array_equal(found, [[5, 7], [13, 15]])  # centres fall on edges, which belong to the later cell


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nearest_agrees_with_the_geometry_everywhere(data):
    sides = st.integers(1, 40)
    height, width = data.draw(sides), data.draw(sides)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    crop = (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    geometry = Geometry((height, width), crop, (data.draw(sides), data.draw(sides)))
    grid = (data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12)))
    values = np.arange(grid[0] * grid[1], dtype=np.float32).reshape(grid)
    found = upsample(values, geometry)
    for y in range(height):
        for x in range(width):
            cell = geometry.photo_to_cell(x + 0.5, y + 0.5, grid)
            assert np.isnan(found[y, x]) if cell is None else found[y, x] == values[cell]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 50), st.integers(1, 50))
def test_bilinear_agrees_with_pytorch(rows, columns, height, width):
    values = np.random.default_rng(rows * columns).standard_normal((rows, columns), dtype=np.float32)
    found = upsample(values, Geometry((height, width), (0, 0, width, height), (8, 8)), how="bilinear")
    tensor = torch.from_numpy(values)[None, None]
    expected = torch.nn.functional.interpolate(tensor, (height, width), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-5)
    assert found.min() >= values.min()
    assert found.max() <= values.max()


def test_the_map_is_not_changed_nor_shared():
    values = MAP.copy()
    geometry = Geometry((2, 2), (0, 0, 2, 2), (2, 2))
    found = upsample(values, geometry)
    np.testing.assert_array_equal(found, values)
    assert not np.shares_memory(found, values)


@pytest.mark.parametrize("bad", [MAP.astype(np.float64), MAP[None], np.array([[np.nan]], np.float32), None])
def test_what_is_no_map_is_refused(bad):
    with pytest.raises(InputError, match="expected a map"):
        upsample(bad, WHOLE)


@pytest.mark.parametrize("options", [{"how": "cubic"}, {"onto": "screen"}, {"size": (0, 4)}, {"size": (4, -1)}])
def test_impossible_options_are_refused(options):
    with pytest.raises(OptionError, match=r"^expected .+, got "):
        upsample(MAP, WHOLE, **options)


# what the cells of a ResNet's stage of stride 4 see: the first has its middle on pixel 0
FIELD = ReceptiveField(*(Reach(Fraction(-5), Fraction(11), Fraction(4)) for _ in range(2)))


def test_cells_that_are_drawn_where_they_look_lie_half_a_stride_before_their_tiles():
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    seen = Geometry((8, 16), (0, 0, 16, 8), (8, 16))
    tiles, centers = upsample(values, seen), upsample(values, seen, field=FIELD)
    assert tiles[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    # edges at 2.5, 6.5 and 10.5; a pixel's centre on the edge between two cells goes to the later one
    assert centers[0].tolist() == [0] * 2 + [1] * 4 + [2] * 4 + [3] * 6
    assert centers[:, 0].tolist() == [0] * 2 + [4] * 6


def test_smoothed_cells_have_their_own_value_in_the_middle_of_what_they_see():
    values = np.array([[0, 10, 20, 30]], np.float32)
    seen = Geometry((4, 16), (0, 0, 16, 4), (4, 16))
    smooth = upsample(values, seen, how="bilinear", field=FIELD)
    assert smooth[0].tolist() == [0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20, 22.5, 25, 27.5, 30, 30, 30, 30]


def test_a_crop_leaves_the_rest_of_the_photo_unseen_wherever_cells_are_drawn():
    values = np.ones((2, 4), np.float32)
    cropped = Geometry((8, 20), (2, 0, 18, 8), (8, 16))
    unseen = np.isnan(upsample(values, cropped, field=FIELD))
    assert (unseen == np.isnan(upsample(values, cropped))).all()
