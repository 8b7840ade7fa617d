"""Cells that are drawn where they look, in a real browser: as on the server, and read where they are drawn."""

import dataclasses
import re
from fractions import Fraction

import numpy as np
import pytest
from playwright.sync_api import expect

from attnviz.inputs.cell_places import cell_box
from attnviz.inputs.receptive_field import Reach, ReceptiveField
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import colored, differing, drawn_frame, live, pixels, plain


def around_pixel_0(stride: int) -> ReceptiveField:
    """What the cells of a ResNet's stage see: the first has its middle on pixel 0."""
    return ReceptiveField(*(Reach(Fraction(1 - stride), Fraction(2 * stride - 1), Fraction(stride)) for _ in range(2)))


@pytest.fixture(scope="module")
def looking(danet):
    return dataclasses.replace(danet, receptive_fields={"position.received": around_pixel_0(8)})


def shares(canvas):
    """[left, top, right, bottom] of a canvas in shares of its picture."""
    return canvas.evaluate(
        """c => { const [a, b] = [c, c.parentElement].map(n => n.getBoundingClientRect());
        return [(a.left - b.left) / b.width, (a.top - b.top) / b.height, (a.right - b.left) / b.width,
                (a.bottom - b.top) / b.height]; }"""
    )


def test_cells_move_half_a_stride_and_the_last_ones_are_repeated(opened, looking):
    page = opened(looking)
    plain(page)
    rows, columns = looking.position.grid
    received = looking.position.received
    page.get_by_label("Received").check()
    canvas = page.locator(".av-picture--live canvas")
    assert shares(canvas) == pytest.approx([0, 0, 1, 1], abs=1e-3)
    page.get_by_label("Where they look").check()
    drawn = pixels(page, ".av-picture--live canvas")
    assert drawn.shape[:2] == (rows + 1, columns + 1)
    wanted = np.pad(received, ((0, 1), (0, 1)), mode="edge")
    assert differing(drawn, colored(wanted, 0, received.max())) == 0
    height, width = looking.geometry.network_size
    lies = [-3.5 / width, -3.5 / height, (8 * columns + 4.5) / width, (8 * rows + 4.5) / height]
    assert shares(canvas) == pytest.approx(lies, abs=1e-3)
    page.get_by_label("As tiles").check()
    assert pixels(page, ".av-picture--live canvas").shape[:2] == (rows, columns)
    assert shares(canvas) == pytest.approx([0, 0, 1, 1], abs=1e-3)


def test_the_pointer_finds_the_cell_that_is_drawn_there(opened, looking):
    page, grid = opened(looking), looking.position.grid
    page.get_by_label("Where they look").check()
    box = live(page).bounding_box()
    height, width = looking.geometry.photo_size
    left, top, right, bottom = cell_box(looking.geometry, 4, 6, grid, around_pixel_0(8))
    for x, y in ((left + 1, top + 1), (right - 1, bottom - 1)):
        live(page).hover(position={"x": x * box["width"] / width, "y": y * box["height"] / height})
        expect(page.locator(".av-readout")).to_contain_text(f"row 4, column 6 of {grid[0]} × {grid[1]}")
    middle = [int((left + right) / 2), int((top + bottom) / 2)]
    expect(page.locator(".av-readout")).to_contain_text(f"Pixel x {middle[0]}, y {middle[1]} ")
    live(page).click(position={"x": x * box["width"] / width, "y": y * box["height"] / height})
    drawn_frame(page)
    mark = page.locator(".av-marks .av-mark")
    assert shares(mark)[:2] == pytest.approx([left / width, top / height], abs=0.01)


def test_stages_are_drawn_and_read_where_their_cells_look(opened, bam):
    labels = {stage.gain.label: stage.stride for stage in bam.stages}
    fields = {label: around_pixel_0(stride) for label, stride in labels.items()}
    page = opened(dataclasses.replace(bam, receptive_fields=fields))
    page.get_by_label("Where they look").check()
    gain = bam.stages[-1].gain
    rows, columns = gain.values.shape
    shown = ".av-stage-player .av-picture canvas:not(.av-layer--off)"
    assert pixels(page, shown).shape[:2] == (rows + 1, columns + 1)
    picture = page.locator(".av-stage-player .av-picture")
    box, (height, width) = picture.bounding_box(), bam.geometry.network_size
    x, y = 16 - 7, 16 - 7  # among even tiles in cell (0, 0), drawn in cell (1, 1)
    picture.hover(position={"x": x * box["width"] / width, "y": y * box["height"] / height})
    expect(page.locator(".av-stage-player__here")).to_have_text(re.compile(f"Here ×{gain.values[1, 1]:.3f}"))


def test_without_a_known_field_there_is_no_choice(opened, bam):
    expect(opened(bam).get_by_label("Where they look")).to_have_count(0)


def test_two_sides_are_compared_where_their_cells_look(opened, looking):
    other = dataclasses.replace(made.danet(96, 128, seed=2), receptive_fields=looking.receptive_fields)
    page = opened(looking, other)
    page.get_by_label("Where they look").locator("visible=true").check()
    rows, columns = looking.position.grid
    for side in "AB":
        assert pixels(page, f'.av-side[data-side="{side}"] canvas').shape[:2] == (rows + 1, columns + 1)
    page.get_by_role("radio", name="Difference").check()
    assert pixels(page, ".av-side--difference canvas").shape[:2] == (rows + 1, columns + 1)
