"""Steps that the tests of the viewer in a browser share: pointing, waiting, and the colours that are wanted."""

import numpy as np

from attnviz.render.colormaps import table

WIDE, PHONE, LARGE = ({"width": w, "height": h} for w, h in ((1440, 900), (390, 844), (3840, 2160)))


def live(page):
    return page.locator(".av-picture--live")


def point(page, row, column, grid, click=False):
    """Moves the pointer to the middle of a location, or clicks there."""
    box = live(page).bounding_box()
    place = {"x": (column + 0.5) * box["width"] / grid[1], "y": (row + 0.5) * box["height"] / grid[0]}
    (live(page).click if click else live(page).hover)(position=place)


def plain(page):
    """Chooses for the view that is seen what maps other than attention begin with: linear colours, equally opaque."""
    page.get_by_label("Colour scale").locator("visible=true").select_option("linear")
    page.get_by_label("Even", exact=True).locator("visible=true").check()


def drawn_frame(page):
    """Waits until what was asked for before has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixels(page, selector, *, alpha=False):
    """RGB (rows, columns, 3) of a canvas; with alpha, RGBA."""
    drawn_frame(page)
    found = page.locator(selector).first.evaluate(
        "c => [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(found[2:], dtype=np.uint8).reshape(found[0], found[1], 4)[..., : 3 + alpha]


def colored(values, low, high, name="viridis"):
    """What the server's own rule makes of a map."""
    scaled = (values.astype(np.float64) - low) / (high - low)
    return table(name)[np.clip(np.floor(256 * scaled), 0, 255).astype(int)]


def differing(drawn, wanted):
    """Share of locations whose colour is off by more than a neighbouring colour of the table would be."""
    return float((np.abs(drawn.astype(int) - wanted.astype(int)).max(axis=-1) > 8).mean())
