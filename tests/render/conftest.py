"""Figures of the tests know no fonts but the figures' own, whatever this machine has, unless a test brings one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager

from attnviz.render import fallback_font, typesetting
from attnviz.render.fallback_font import FallbackFont

LETTERS = "猫犬.jpg"
EM = 1000


@pytest.fixture(autouse=True)
def _no_fallback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(typesetting, "fallback_font", lambda: None)
    typesetting.text_width.cache_clear()
    yield
    typesetting.text_width.cache_clear()


def font_of(letters: str, family: str, file: Path) -> Path:
    """A TrueType font whose every glyph is a square one em wide."""
    names = [".notdef", *(f"u{ord(letter):04X}" for letter in letters)]
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((900, 0), (900, 800), (100, 800)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    font = FontBuilder(EM, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap(dict(zip(map(ord, letters), names[1:], strict=True)))
    font.setupGlyf(dict.fromkeys(names, square))
    font.setupHorizontalMetrics(dict.fromkeys(names, (EM, 100)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(file)
    return file


@pytest.fixture(scope="session")
def font_of_two_letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return font_of(LETTERS, "Two Letters", tmp_path_factory.mktemp("font") / "two-letters.ttf")


@pytest.fixture
def two_letters(
    _no_fallback: None, font_of_two_letters: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FallbackFont]:
    """That font, as the one this machine has; matplotlib forgets it afterwards."""
    before = list(fontManager.ttflist)
    found = fallback_font.use(font_of_two_letters)
    monkeypatch.setattr(typesetting, "fallback_font", lambda: found)
    yield found
    fontManager.ttflist[:] = before
    fontManager._findfont_cached.cache_clear()
