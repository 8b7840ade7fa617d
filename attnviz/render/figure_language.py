"""The language of what is printed on a figure: as asked for where it can be drawn here, else English, never boxes."""

from functools import cache

from attnviz.language import DEFAULT_LANGUAGE, Say, catalogue, category_names, speaker
from attnviz.render.fallback_font import fallback_font

_FIRST_OTHER = "\u2e80"  # of the letters that the figures' own font lacks: radicals, kana, hangul, Chinese characters


def figure_speaker(language: str) -> Say:
    """Puts what is printed on a figure into a language.

    Args:
        language: One of `attnviz.language.LANGUAGES`.

    Raises:
        OptionError: It is none of them.
        MissingExtraError: It is not English, and matplotlib, which knows the fonts, is not installed.
    """
    return speaker(language if _can_be_drawn(language) else DEFAULT_LANGUAGE)


@cache
def _can_be_drawn(language: str) -> bool:
    """Whether a font has all letters of the catalogue and of the categories: any may come to stand on a figure."""
    printed = [*catalogue(language).values(), category_names(language)]
    letters = {ord(letter) for words in printed for letter in "".join(words.values()) if letter >= _FIRST_OTHER}
    font = fallback_font() if letters else None
    return not letters or (font is not None and letters <= font.characters)
