"""Where everything goes: a page of texts, pictures, bars and swatches in whole pixels, before any drawing.

Nothing here draws, so that a test can take a page and see that no two things overlap and nothing leaves it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from attnviz.errors import OptionError
from attnviz.language import ENGLISH, Say
from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import Panel
from attnviz.render.quantities import quantity
from attnviz.render.scales import Scale, raw_range
from attnviz.render.typesetting import (
    ASCENT,
    DESCENT,
    LINE,
    format_ends,
    format_log_ends,
    format_range,
    text_width,
    unit_text,
    wrap,
)

LOG_MARK = "log"  # stands below the bar of a logarithmic scale
INK, MUTED, ALARM = "#1a1a1a", "#555555", "#b00020"

_READABLE_MM = 28.0  # a panel's width that columns=None aims at
_READABLE_TALL_MM = 20.0  # the same for photos that are much higher than wide, whose pictures do not fill their columns
_NARROWEST_MM = 8.0
_TALLEST = 2.0  # height of a panel's picture in units of its width; longer photos get narrower instead
_MAX_PIXELS = 120_000_000


@dataclass(frozen=True)
class Text:
    """One line; (x, y) is the left, middle or right end of its baseline."""

    x: float
    y: float
    string: str
    size: float  # pixels
    bold: bool = False
    color: str = INK
    align: Literal["left", "center", "right"] = "left"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in pixels."""
        width = text_width(self.string, self.size, self.bold)
        left = self.x - {"left": 0.0, "center": 0.5, "right": 1.0}[self.align] * width
        return left, self.y - ASCENT * self.size, left + width, self.y + DESCENT * self.size


@dataclass(frozen=True)
class Area:
    """A rectangle in whole pixels from the page's top left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in pixels."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True)
class Picture(Area):
    """Where a panel's picture goes."""

    panel: Panel


@dataclass(frozen=True)
class Bar(Area):
    """The colour bar of a scale, low end to the left."""

    scale: Scale


@dataclass(frozen=True)
class Swatch(Area):
    """A field in the colour of a class."""

    number: int


Item = Text | Picture | Bar | Swatch


@dataclass
class Page:
    """A page that grows downwards.

    Attributes:
        width: Pixels.
        height: Pixels used so far.
        margin: Pixels left free at every side.
        items: What is on it.
    """

    width: int
    height: int
    margin: int
    items: list[Item] = field(default_factory=list)

    @property
    def inner(self) -> int:
        """Width between the margins."""
        return self.width - 2 * self.margin

    def lines(self, lines: Sequence[str], size: float, *, bold: bool = False, color: str = INK) -> None:
        """Add lines of text across the page."""
        for line in lines:
            self.items.append(Text(self.margin, self.height + ASCENT * size, line, size, bold, color))
            self.height += math.ceil(LINE * size)


@dataclass(frozen=True)
class Words:
    """The text of a figure besides its panels, all of it printable; empty parts are left out.

    What the layout itself words, `say` puts into the figure's language.
    """

    notice: str = ""
    heading: str = ""
    subheading: str = ""
    key: str = ""
    caption: str = ""
    say: Say = ENGLISH


@dataclass(frozen=True)
class _Measures:
    """Sizes in pixels at the figure's dots per inch, and its language."""

    dots: float  # per millimetre
    font: float
    small: float
    gap: int
    say: Say

    def mm(self, length: float) -> int:
        return max(1, round(length * self.dots))


def lay_out(
    panels: Sequence[Panel],
    scales: Sequence[Scale],
    options: FigureOptions,
    *,
    aspect: float,
    words: Words,
    legend: Mapping[int, str],
) -> Page:
    """Arrange a figure.

    Args:
        panels: In reading order, at least one.
        scales: As from `find_scales`.
        options: Width, columns, font and so on.
        aspect: Height of the photo in units of its width.
        words: Heading, caption and notice.
        legend: Number of a class -> its text in the legend; empty: no legend.

    Raises:
        OptionError: The columns are too narrow to show anything, or the figure too large to draw.
    """
    dots = options.dpi / 25.4
    font = options.font_size * options.dpi / 72.0
    measures = _Measures(dots, font, 0.9 * font, gap=max(2, round(2.2 * dots)), say=words.say)
    page = Page(round(options.width_mm * dots), measures.mm(1.2), measures.mm(1.2))
    _head(page, words, measures)
    columns = _columns(len(panels), page, options, measures, tall=aspect > _TALLEST)
    width = (page.inner - (columns - 1) * measures.gap) // columns
    own = {scale.panels[0]: scale for scale in scales if len(scale.panels) == 1}
    for start in range(0, len(panels), columns):
        _row(page, panels[start : start + columns], width, aspect, measures, own)
    _shared_bars(page, [scale for scale in scales if len(scale.panels) > 1], measures)
    _legend(page, legend, measures)
    if words.key:
        page.lines(wrap(words.key, page.inner, size=measures.small, lines=3), measures.small, color=MUTED)
    if words.caption:
        page.height += measures.gap // 2
        page.lines(wrap(words.caption, page.inner, size=measures.font, lines=60), measures.font)
    lowest = max(item.box[3] for item in page.items)  # without the gap that the last block left for a next one
    page.height = math.ceil(lowest) + page.margin
    if page.width * page.height > _MAX_PIXELS:
        raise OptionError(
            f"expected a figure of at most {_MAX_PIXELS:,} pixels, got {page.width:,} x {page.height:,}: "
            "lower dpi, width_mm or the number of panels"
        )
    return page


def _head(page: Page, words: Words, measures: _Measures) -> None:
    font = measures.font
    page.lines(
        wrap(words.notice, page.inner, size=font, bold=True) if words.notice else [], font, bold=True, color=ALARM
    )
    if words.heading:
        page.lines(wrap(words.heading, page.inner, size=font, bold=True, lines=2), font, bold=True)
    if words.subheading:
        page.lines(wrap(words.subheading, page.inner, size=font, lines=3), font, color=MUTED)
    if words.notice or words.heading or words.subheading:
        page.height += measures.gap // 2


def _columns(count: int, page: Page, options: FigureOptions, measures: _Measures, *, tall: bool) -> int:
    room = page.inner + measures.gap
    if options.columns is None:
        readable = measures.mm(_READABLE_TALL_MM if tall else _READABLE_MM)
        most = max(1, min(count, room // (readable + measures.gap)))
        return math.ceil(count / math.ceil(count / most))  # as even as the same number of rows allows
    columns = min(options.columns, count)
    if room // columns - measures.gap < measures.mm(_NARROWEST_MM):
        possible = max(1, room // (measures.mm(_NARROWEST_MM) + measures.gap))
        raise OptionError(
            f"expected columns at least {_NARROWEST_MM:g} mm wide, at most {possible} at {options.width_mm:g} mm, "
            f"got {columns}"
        )
    return columns


def _row(
    page: Page, panels: Sequence[Panel], width: int, aspect: float, measures: _Measures, own: Mapping[str, Scale]
) -> None:
    """A row of panels: titles that end at one line, pictures, then each one's bar and range."""
    font, small = measures.font, measures.small
    titles = [wrap(panel.title, width, size=font, lines=4) for panel in panels]
    box = _picture_size(width, aspect)
    depth = max((_picture_size(width, 1.0) if _is_square(panel) else box)[1] for panel in panels)
    top = page.height + math.ceil(LINE * font * max(len(lines) for lines in titles))
    below = top + depth
    bottom = below
    for number, (panel, lines) in enumerate(zip(panels, titles, strict=True)):
        left = page.margin + number * (width + measures.gap)
        for line, string in enumerate(reversed(lines)):
            baseline = top - DESCENT * font - measures.mm(0.3) - line * LINE * font
            page.items.append(Text(left, baseline, string, font))
        size = _picture_size(width, 1.0) if _is_square(panel) else box
        page.items.append(Picture(left, top, *size, panel))
        if panel.values is None:
            continue
        y = top + size[1] + measures.mm(0.8)
        scale = own.get(panel.name)
        if scale is None:
            texts = _stacked(
                wrap(measures.say(format_range(*raw_range(panel), panel.unit)), width, size=small, lines=3),
                left,
                y,
                small,
            )
        else:
            page.items.append(Bar(left, y, size[0], measures.mm(1.5), scale))
            texts = _ends(scale, left, y + measures.mm(1.5 + 0.4), size[0], width, measures)
        page.items += texts
        bottom = max([bottom, *(math.ceil(text.box[3]) for text in texts)])
    page.height = bottom + measures.gap


def _is_square(panel: Panel) -> bool:
    """A matrix; stripes, which are one row of numbers, take the shape of the photo."""
    return panel.bare and panel.values is not None and len(panel.values) > 1


def _picture_size(width: int, aspect: float) -> tuple[int, int]:
    tallest = math.floor(_TALLEST * width)
    if aspect * width > tallest:
        return max(1, round(tallest / aspect)), tallest
    return width, max(1, round(aspect * width))


def _stacked(lines: Sequence[str], left: float, top: float, size: float, color: str = MUTED) -> list[Text]:
    return [
        Text(left, top + ASCENT * size + number * LINE * size, line, size, color=color)
        for number, line in enumerate(lines)
    ]


def _ends(scale: Scale, left: float, top: float, width: float, room: float, measures: _Measures) -> list[Text]:
    """The raw values at both ends of a bar: on one line where they fit, else one above the other."""
    size, say = measures.small, measures.say
    if scale.flat:
        lines = wrap(say(format_range(scale.low, scale.high, scale.unit)), room, size=size, lines=3)
        return _stacked(lines, left, top, size)
    low, high = end_texts(scale)
    middle = say(LOG_MARK) if scale.log else ""
    texts = [text for text in (low, middle, high) if text]
    if sum(text_width(text, size) for text in texts) + size * (len(texts) - 1) <= width:
        y = top + ASCENT * size
        ends = [Text(left, y, low, size, color=MUTED), Text(left + width, y, high, size, color=MUTED, align="right")]
        if middle:
            between = (left + text_width(low, size) + left + width - text_width(high, size)) / 2.0
            ends.append(Text(between, y, middle, size, color=MUTED, align="center"))
        return ends
    line = say(f"{low} to {high}")
    return _stacked(wrap(f"{line}, {middle}" if middle else line, room, size=size, lines=3), left, top, size)


def end_texts(scale: Scale) -> tuple[str, str]:
    """Both ends of a bar in words, the second with the unit; "≤" and "≥" where values lie beyond."""
    low, high = format_log_ends(scale.low, scale.high) if scale.log else format_ends(scale.low, scale.high)
    unit = unit_text(scale.unit)
    return f"{'≤ ' if scale.below else ''}{low}", f"{'≥ ' if scale.above else ''}{high}{f' {unit}' if unit else ''}"


def _shared_bars(page: Page, scales: Sequence[Scale], measures: _Measures) -> None:
    """One bar for each range that several panels share, side by side while there is room."""
    if not scales:
        return
    font = measures.font
    width = min(page.inner, measures.mm(60.0))
    columns = max(1, (page.inner + measures.gap) // (width + measures.gap))
    for start in range(0, len(scales), columns):
        row = scales[start : start + columns]
        labels = [wrap(_bar_label(scale, measures.say), width, size=font, lines=3) for scale in row]
        depth = math.ceil(LINE * font * max(len(lines) for lines in labels))
        bottom = page.height
        for number, (scale, lines) in enumerate(zip(row, labels, strict=True)):
            left = page.margin + number * (width + measures.gap)
            page.items += _stacked(lines, left, page.height, font, INK)
            top = page.height + depth + measures.mm(0.3)
            page.items.append(Bar(left, top, width, measures.mm(2.0), scale))
            texts = _ends(scale, left, top + measures.mm(2.0 + 0.4), width, width, measures)
            page.items += texts
            bottom = max([bottom, *(math.ceil(text.box[3]) for text in texts)])
        page.height = bottom + measures.gap


def _bar_label(scale: Scale, say: Say) -> str:
    unit = unit_text(scale.unit)
    name = quantity(scale.kind)
    label = f"{name} ({unit})" if unit and unit != name.split()[-1] else name
    named = f"{label[0].upper()}{label[1:]}"
    return say(f"{named}, one scale for {len(scale.panels)} panels")


def _legend(page: Page, legend: Mapping[int, str], measures: _Measures) -> None:
    """Swatches with names, flowing over as many lines as it takes."""
    if not legend:
        return
    font = measures.font
    side, pad = max(2, round(0.8 * font)), 0.45 * font
    x = float(page.margin)
    for number, name in legend.items():
        if number < 0:  # "and N more": no colour of its own
            label, swatch = name, 0.0
        else:
            label, swatch = wrap(name, page.inner / 2 - side - pad, size=font, lines=1)[0], side + pad
        width = swatch + text_width(label, font)
        if x > page.margin and x + width > page.margin + page.inner:
            x = float(page.margin)
            page.height += math.ceil(1.45 * font)
        baseline = page.height + ASCENT * font
        if number >= 0:
            page.items.append(Swatch(round(x), round(baseline - 0.76 * font), side, side, number))
        page.items.append(Text(x + swatch, baseline, label, font))
        x += width + 1.4 * font
    page.height += math.ceil(1.45 * font) + measures.gap // 2
