"""The map between photo, network image and cells: by hand, and for any photo."""

import itertools
import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attnviz.errors import OptionError
from attnviz.inputs.geometry import Geometry

SIDES = st.integers(1, 5000)
GRIDS = st.tuples(st.integers(1, 300), st.integers(1, 300))


@st.composite
def geometries(draw):
    height, width = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    crop = (left, top, draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height)))
    return Geometry((height, width), crop, (draw(SIDES), draw(SIDES)))


@st.composite
def points_of(draw, geometry):
    left, top, right, bottom = geometry.crop
    x = draw(st.floats(left, right, exclude_max=True))
    y = draw(st.floats(top, bottom, exclude_max=True))
    return x, y


def test_cells_by_hand():
    geometry = Geometry((100, 60), (10, 20, 50, 100), (32, 16))
    assert geometry.crop_size == (80, 40)
    assert not geometry.whole
    assert geometry.photo_to_cell(10, 20, (4, 2)) == (0, 0)
    assert geometry.photo_to_cell(29.999, 39.999, (4, 2)) == (0, 0)
    assert geometry.photo_to_cell(30, 40, (4, 2)) == (1, 1)
    assert geometry.photo_to_cell(49.999, 99.999, (4, 2)) == (3, 1)
    assert geometry.cell_to_photo_box(1, 1, (4, 2)) == (30.0, 40.0, 50.0, 60.0)
    assert geometry.photo_to_network(30, 60) == (8.0, 16.0)
    assert geometry.network_to_photo(8, 16) == (30.0, 60.0)


@pytest.mark.parametrize("point", [(9.999, 50), (50, 50), (30, 19.999), (30, 100), (-1, -1), (1e300, 50)])
def test_points_outside_the_crop_have_no_cell(point):
    assert Geometry((100, 60), (10, 20, 50, 100), (32, 16)).photo_to_cell(*point, (4, 2)) is None


def test_pixel_centres_are_half_way():
    """Twice as many pixels as cells: the centres of columns 0 and 1 lie in cell 0, those of 2 and 3 in cell 1."""
    geometry = Geometry((4, 4), (0, 0, 4, 4), (8, 8))
    cells = [geometry.photo_to_cell(column + 0.5, 0.5, (2, 2)) for column in range(4)]
    assert cells == [(0, 0), (0, 0), (0, 1), (0, 1)]


@settings(max_examples=300, deadline=None)
@given(st.data(), geometries(), GRIDS)
def test_the_box_of_a_points_cell_contains_the_point(data, geometry, grid):
    x, y = data.draw(points_of(geometry))
    cell = geometry.photo_to_cell(x, y, grid)
    assert cell is not None
    left, top, right, bottom = geometry.cell_to_photo_box(*cell, grid)
    assert left <= x < right
    assert top <= y < bottom


@settings(max_examples=300, deadline=None)
@given(st.data(), geometries(), GRIDS)
def test_corners_and_middles_of_a_box_belong_to_its_cell(data, geometry, grid):
    row, column = data.draw(st.integers(0, grid[0] - 1)), data.draw(st.integers(0, grid[1] - 1))
    left, top, right, bottom = geometry.cell_to_photo_box(row, column, grid)
    assert geometry.photo_to_cell(left, top, grid) == (row, column)
    assert geometry.photo_to_cell((left + right) / 2, (top + bottom) / 2, grid) == (row, column)
    assert geometry.photo_to_cell(math.nextafter(right, left), math.nextafter(bottom, top), grid) == (row, column)
    assert geometry.photo_to_cell(right, bottom, grid) != (row, column)


@settings(max_examples=100, deadline=None)
@given(geometries(), GRIDS)
def test_boxes_tile_the_crop(geometry, grid):
    rows, columns = grid
    across = [geometry.cell_to_photo_box(0, column, grid) for column in range(columns)]
    down = [geometry.cell_to_photo_box(row, 0, grid) for row in range(rows)]
    assert (across[0][0], down[0][1], across[-1][2], down[-1][3]) == geometry.crop
    assert all(a[2] == b[0] for a, b in itertools.pairwise(across))
    assert all(a[3] == b[1] for a, b in itertools.pairwise(down))


@settings(max_examples=300, deadline=None)
@given(st.data(), geometries())
def test_network_and_photo_are_inverse(data, geometry):
    x, y = data.draw(points_of(geometry))
    back = geometry.network_to_photo(*geometry.photo_to_network(x, y))
    assert back == pytest.approx((x, y), rel=1e-12, abs=1e-9)
    u, v = data.draw(st.floats(0, geometry.network_size[1])), data.draw(st.floats(0, geometry.network_size[0]))
    there = geometry.photo_to_network(*geometry.network_to_photo(u, v))
    assert there == pytest.approx((u, v), rel=1e-9, abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(st.data(), geometries(), GRIDS)
def test_network_pixels_and_cells_agree(data, geometry, grid):
    """Cells tile the network image: the network coordinate alone tells the cell."""
    x, y = data.draw(points_of(geometry))
    u, v = geometry.photo_to_network(x, y)
    (height, width), (rows, columns) = geometry.network_size, grid
    exact_row, exact_column = v * rows / height, u * columns / width
    assume(min(exact_row % 1, 1 - exact_row % 1, exact_column % 1, 1 - exact_column % 1) > 1e-6)
    assert geometry.photo_to_cell(x, y, grid) == (int(exact_row), int(exact_column))


def test_numpy_numbers_become_plain_ones():
    sides = np.array([480, 640])
    geometry = Geometry(tuple(sides), (np.int64(0), 0, np.int32(640), 480.0), (64, 96))
    assert json.loads(json.dumps(asdict(geometry)))["crop"] == [0, 0, 640, 480]
    assert hash(geometry) == hash(Geometry((480, 640), (0, 0, 640, 480), (64, 96)))


@pytest.mark.parametrize(
    "arguments",
    [
        ((0, 5), (0, 0, 5, 0), (1, 1)),
        ((5, 5), (0, 0, 6, 5), (1, 1)),
        ((5, 5), (0, 0, 5, 6), (1, 1)),
        ((5, 5), (-1, 0, 5, 5), (1, 1)),
        ((5, 5), (3, 0, 3, 5), (1, 1)),
        ((5, 5), (0, 0, 5, 5), (0, 1)),
        ((5, 5), (0, 0, 5), (1, 1)),
        ((5.5, 5), (0, 0, 5, 5), (1, 1)),
        ((float("nan"), 5), (0, 0, 5, 5), (1, 1)),
        (5, (0, 0, 5, 5), (1, 1)),
    ],
)
def test_impossible_geometries_are_refused(arguments):
    with pytest.raises(OptionError, match=r"^expected .+, got "):
        Geometry(*arguments)


@pytest.mark.parametrize("cell", [(-1, 0), (0, -1), (4, 0), (0, 2)])
def test_cells_outside_of_the_grid_are_refused(cell):
    with pytest.raises(OptionError, match="expected a cell within 4 x 2"):
        Geometry((8, 8), (0, 0, 8, 8), (8, 8)).cell_to_photo_box(*cell, (4, 2))


@pytest.mark.parametrize("grid", [(0, 2), (2, -1), (2.5, 2), (2,)])
def test_impossible_grids_are_refused(grid):
    with pytest.raises(OptionError, match="expected"):
        Geometry((8, 8), (0, 0, 8, 8), (8, 8)).photo_to_cell(1, 1, grid)


@pytest.mark.parametrize("point", [(float("nan"), 1), (1, float("inf"))])
def test_points_that_are_no_points_are_refused(point):
    with pytest.raises(OptionError, match="finite"):
        Geometry((8, 8), (0, 0, 8, 8), (8, 8)).photo_to_cell(*point, (2, 2))
