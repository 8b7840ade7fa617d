"""Text for figures: what can be printed, how wide it is, where it wraps, how many digits a number deserves."""

import functools
import math
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attnviz.extras import needs
from attnviz.render.fallback_font import fallback_font

if TYPE_CHECKING:
    from matplotlib.textpath import TextToPath

# matplotlib carries this font with it: figures come out the same on every machine, with Latin, Greek, Cyrillic, Arabic,
# Hebrew, Armenian and Georgian letters.
FONT = "DejaVu Sans"
_MISSING = "?"  # stands for what no font has and no transcription either
_ELLIPSIS = "\u2026"
_UNBROKEN_SPACES = ("\u00a0", "\u202f")
_SAFETY = 1.03  # hinted text on a bitmap is up to a few percent wider than its outlines

ASCENT = 0.93  # of DejaVu Sans, in units of the font size
DESCENT = 0.24
LINE = 1.22


def font_file(bold: bool = False) -> Path:
    """The font's file inside matplotlib's own data."""
    with needs("matplotlib", extra="figures"):
        import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(mpl.get_data_path()) / "fonts" / "ttf" / name


@functools.cache
def _drawable() -> frozenset[int]:
    with needs("matplotlib", extra="figures"):
        from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font_file())).get_charmap())


def families(text: str) -> list[str]:
    """Names of the fonts that printable text takes: the figures' own, and the fallback where it has to help."""
    fallback = None if _drawable().issuperset(map(ord, text)) else fallback_font()
    return [FONT] if fallback is None else [FONT, fallback.family]


def label_file(text: str, bold: bool = False) -> Path:
    """The file of one font that can draw the whole of a printable text."""
    fallback = None if _drawable().issuperset(map(ord, text)) else fallback_font()
    return font_file(bold) if fallback is None else fallback.file


def _helping(text: str, one_font: bool) -> frozenset[int]:
    """What the fallback can draw of a text that needs it; nothing where it would have to draw all and cannot."""
    needed = {ord(character) for character in text if not character.isspace()}
    fallback = None if needed <= _drawable() else fallback_font()
    if fallback is None or (one_font and not needed <= fallback.characters):
        return frozenset()
    return fallback.characters


def _transcribed(character: str) -> str:
    with needs("anyascii", extra="figures"):
        from anyascii import anyascii

    return str(anyascii(character))


def printable(text: str, limit: int = 2000, *, one_font: bool = False) -> str:
    """The text with everything replaced that would break a line, hide other text or has no glyph.

    Args:
        text: Anything, for example a file name.
        limit: Longer text is cut, with an ellipsis in the end.
        one_font: Whether all of it must be drawn with a single font, as Pillow does.

    Returns:
        One line. Line breaks and other control characters become spaces, marks that change the direction of writing
        vanish, characters that no font has become what they sound like in Latin letters ("Mao" for a cat in Chinese).
    """
    result = []
    helping = _helping(text, one_font)
    for character in text[: limit + 1]:
        category = unicodedata.category(character)
        if character in _UNBROKEN_SPACES:
            result.append("\u00a0")
        elif category in ("Cc", "Zl", "Zp") or character.isspace():
            result.append(" ")
        elif category == "Cf":
            continue
        elif ord(character) in _drawable() or ord(character) in helping:
            result.append(character)
        else:
            result.append(_transcribed(character) or _MISSING)
    line = re.sub(" +", " ", "".join(result)).strip(" ")
    return line if max(len(text), len(line)) <= limit else line[: limit - 1].rstrip() + _ELLIPSIS


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of one line of printable text, in the unit of `size`."""
    if not text:
        return 0.0
    from matplotlib.font_manager import FontProperties

    font = FontProperties(family=families(text), size=size, weight="bold" if bold else "normal")
    width, _, _ = _text_to_path().get_text_width_height_descent(text, font, False)
    return float(width) * _SAFETY


@functools.cache
def _text_to_path() -> "TextToPath":
    from matplotlib.textpath import TextToPath

    return TextToPath()


def wrap(text: str, width: float, *, size: float, bold: bool = False, lines: int = 3) -> list[str]:
    """Break text into lines that fit a width; what does not fit in the last one becomes an ellipsis.

    Args:
        text: Printable text. A line breaks before anything else at a `` · ``, which then is left out.
        width: Room, in the unit of `size`.
        size: Size of the font.
        bold: Whether the text is set in bold.
        lines: How many lines there may be, at least 1.

    Returns:
        From 1 to `lines` lines, each at most `width` wide (unless not even one character fits).
    """

    def fits(line: str) -> bool:
        return text_width(line, size, bold) <= width

    result: list[str] = []
    rest = text.strip()
    while rest:
        if fits(rest):
            result.append(rest)
            break
        if len(result) == lines - 1:
            result.append(_cut(rest, fits))
            break
        line, rest = _first_line(rest, fits)
        result.append(line)
    return result or [""]


def _first_line(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    parts = text.split(" \u00b7 ")
    whole = _largest(len(parts) - 1, lambda n: fits(" \u00b7 ".join(parts[:n])))
    if whole:
        return " \u00b7 ".join(parts[:whole]), " \u00b7 ".join(parts[whole:])
    words = text.split(" ")
    count = _largest(len(words) - 1, lambda n: fits(" ".join(words[:n])))
    if count:
        return " ".join(words[:count]), " ".join(words[count:])
    length = max(1, _largest(len(words[0]), lambda n: fits(words[0][:n])))
    return text[:length], text[length:].lstrip()


def _cut(text: str, fits: Callable[[str], bool]) -> str:
    length = _largest(len(text), lambda n: fits(text[:n].rstrip(" \u00b7") + _ELLIPSIS))
    return text[:length].rstrip(" \u00b7") + _ELLIPSIS


def _largest(stop: int, good: Callable[[int], bool]) -> int:
    """The largest n in 1..stop with good(n), 0 if there is none; widths grow with n, so bisection finds it."""
    low, high = 0, stop
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if good(middle) else (low, middle - 1)
    return low


UNITS = {"x": "\u00d7", "gate": "", "logit": "", "share": ""}  # the last three are said by the panel's title


def unit_text(unit: str) -> str:
    """A map's unit as printed behind a number."""
    return UNITS.get(unit, unit)


def format_ends(low: float, high: float) -> tuple[str, str]:
    """Both ends of a range with as many digits as it takes to tell values between them apart.

    Args:
        low: Finite.
        high: Finite, not below `low`.

    Returns:
        The numbers with at least two significant digits of their difference, with a real minus sign; equal numbers
        come out as equal texts.
    """
    span = high - low
    reach = max(abs(low), abs(high))
    if span <= 0:
        return (_plain(f"{low:.4g}"),) * 2
    if reach >= 1e6 or reach < 1e-4:
        digits = max(1, 1 + math.ceil(math.log10(reach / span)))
        return _plain(f"{low:.{digits}e}"), _plain(f"{high:.{digits}e}")
    decimals = max(int(reach < 100), 1 - math.floor(math.log10(span) + 1e-9))
    return _rounded(low, decimals), _rounded(high, decimals)


def format_log_ends(low: float, high: float) -> tuple[str, str]:
    """Both ends of a logarithmic scale: each with two significant digits, since both matter alike.

    Args:
        low: Finite, above 0.
        high: Finite, above `low`.
    """

    def digits(number: float) -> str:
        if number >= 1e6 or number < 1e-4:
            return _plain(f"{number:.1e}")
        return _plain(f"{number:.{max(0, 1 - math.floor(math.log10(number)))}f}")

    return digits(low), digits(high)


def format_range(low: float, high: float, unit: str = "") -> str:
    """A raw range for people, for example ``"1.02 to 1.37 ×"``, or ``"1.04 × everywhere"`` for a flat map."""
    ends, suffix = format_ends(low, high), f" {unit_text(unit)}" if unit_text(unit) else ""
    return f"{ends[0]}{suffix} everywhere" if low == high else f"{ends[0]} to {ends[1]}{suffix}"


def _rounded(number: float, decimals: int) -> str:
    """So many decimals, but never a nought for a number that is none."""
    text = f"{number:.{decimals}f}"
    return _plain(text if float(text) or not number else f"{number:.2g}")


def _plain(number: str) -> str:
    if float(number) == 0:
        return "0"
    return number.replace("-", "\u2212").replace("e+0", "e").replace("e\u22120", "e\u2212").replace("e+", "e")
