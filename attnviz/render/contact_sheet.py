"""Many photos on one sheet: each with its map beside it, its name, and what the network made of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from attnviz.errors import OptionError
from attnviz.language import DEFAULT_LANGUAGE, Say
from attnviz.render.animation import label_font
from attnviz.render.caption import findings_in_words
from attnviz.render.figure_language import figure_speaker
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import ALARM, INK, MUTED
from attnviz.render.panels import Panel, default_panels, default_pins, resolve
from attnviz.render.pictures import panel_pixels, photo_at
from attnviz.render.scales import find_scales
from attnviz.render.typesetting import printable, wrap
from attnviz.results import ByteArray, Explanation

THUMBNAIL = 160  # pixels, longer side
_GAP = 14
_TEXT = 13
_LINE = 17
_LINES = 3
_MOST_TILES = 500


@dataclass(frozen=True, eq=False)
class Tile:
    """One photo on the sheet.

    Attributes:
        name: Of the photo.
        photo: RGB uint8, at most 160 pixels a side; None where it was refused.
        overlay: The same with the map over it.
        text: What the network found, or why the photo was refused; English.
        refused: Whether it was.
        found: What the network found: names of categories with their shares.
    """

    name: str
    photo: ByteArray | None
    overlay: ByteArray | None
    text: str
    refused: bool = False
    found: tuple[tuple[str, float], ...] = ()

    def words(self, say: Say) -> str:
        """The tile's text in a language."""
        return " · ".join(findings_in_words(self.found, say)) or say(self.text)


def thumbnails(explanation: Explanation, options: FigureOptions) -> tuple[ByteArray, ByteArray]:
    """A small photo, and the same with the network's deepest map over it.

    Args:
        explanation: What to show.
        options: Colour map, opacity and interpolation.

    Returns:
        Two RGB uint8 arrays of one shape, at most 160 pixels a side.
    """
    height, width = explanation.photo.shape[:2]
    zoom = min(1.0, THUMBNAIL / max(height, width))
    photo = photo_at(explanation.photo, (max(1, round(height * zoom)), max(1, round(width * zoom))))
    panel = deepest_panel(explanation)
    scale = next(iter(find_scales([panel], "each", spread=options.spread, opacity_by=options.opacity_by)), None)
    return photo, panel_pixels(panel, photo, explanation.geometry, scale=scale, options=options)


def deepest_panel(explanation: Explanation) -> Panel:
    """The one map that says most: of the last stage, the attention received, or else the photo alone."""
    panels = resolve(explanation, default_panels(explanation), default_pins(explanation))
    with_maps = [panel for panel in panels if panel.values is not None and not panel.bare]
    return with_maps[-1] if with_maps else panels[0]


def contact_sheet(tiles: Sequence[Tile], *, heading: str = "", language: str = DEFAULT_LANGUAGE) -> ByteArray:
    """Draw the sheet, 1 to 4 tiles side by side, so that it is about as wide as high.

    Args:
        tiles: In reading order, 1 to 500.
        heading: One line above them, for example the model's name.
        language: Of the words; English where no font here has its letters.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        OptionError: There are no tiles, or too many.
    """
    if not 1 <= len(tiles) <= _MOST_TILES:
        raise OptionError(f"expected 1 to {_MOST_TILES} pictures on a contact sheet, got {len(tiles)}")
    say = figure_speaker(language)
    across = min(4, math.ceil(math.sqrt(len(tiles))))
    width, height = 2 * THUMBNAIL + 4, THUMBNAIL + 6 + (1 + _LINES) * _LINE
    top = _GAP + (26 if heading else 0)
    rows = math.ceil(len(tiles) / across)
    size = (_GAP + across * (width + _GAP), top + rows * (height + _GAP))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    if heading:
        line = wrap(printable(heading, one_font=True), size[0] - 2 * _GAP, size=15, bold=True, lines=1)[0]
        draw.text((_GAP, _GAP - 4), line, fill=INK, font=label_font(15, True, line))
    for number, tile in enumerate(tiles):
        left = _GAP + (number % across) * (width + _GAP)
        _draw_tile(canvas, draw, tile, (left, top + number // across * (height + _GAP)), say)
    return np.asarray(canvas)


def _draw_tile(canvas: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], say: Say) -> None:
    left, top = corner
    width = 2 * THUMBNAIL + 4
    draw.rectangle((left, top, left + width - 1, top + THUMBNAIL - 1), fill="#f1f1f1")
    for picture, x in ((tile.photo, left), (tile.overlay, left + THUMBNAIL + 4)):
        if picture is not None:
            height, across = picture.shape[:2]
            canvas.paste(Image.fromarray(picture), (x + (THUMBNAIL - across) // 2, top + (THUMBNAIL - height) // 2))
    if tile.refused:
        word = say("refused")
        font = label_font(15, text=word)
        draw.text((left + width / 2, top + THUMBNAIL / 2), word, fill=MUTED, font=font, anchor="mm")
    y = top + THUMBNAIL + 4
    name = wrap(printable(tile.name, 300, one_font=True), width, size=_TEXT, bold=True, lines=1)[0]
    draw.text((left, y), name, fill=INK, font=label_font(_TEXT, True, name))
    for line in wrap(printable(tile.words(say), 600, one_font=True), width, size=_TEXT, lines=_LINES):
        y += _LINE
        draw.text((left, y), line, fill=ALARM if tile.refused else MUTED, font=label_font(_TEXT, text=line))
