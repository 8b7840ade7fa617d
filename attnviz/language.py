"""Languages of the page, the viewer and the figures; everything else that attnviz says is English.

Sentences are written in English where they are made, and that English is their key in the one catalogue that each other
language has, `attnviz/languages/zh.json`. Its sections only say where a sentence comes from. What changes from time to
time stands in braces, as in an f-string; a name that ends in ``_number`` stands for a number without words::

    "expected a photo of at most {most} pixels, got {got}": "..."

So the rooms below know no language: where text leaves for a person, `translated` finds the sentence it was made from,
and translates the values in it that are sentences of their own. What the catalogue does not have stays English.
"""

import json
import re
from collections.abc import Callable, Container, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from attnviz.errors import OptionError, quoted

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}  # by its code, what its speakers call it
DEFAULT_LANGUAGE = "en"
SCRIPT_SECTIONS = ("viewer", "page scripts", "units")  # those that a browser looks up itself

_FOLDER = Path(__file__).parent / "languages"
_VALUE = re.compile(r"\{(\w*)\}")
_LONGEST = 2000  # characters that are looked up; nobody writes a longer sentence

Say = Callable[[str], str]


def checked_language(language: object) -> str:
    """The code of a language.

    Raises:
        OptionError: It is not one of `LANGUAGES`.
    """
    if not isinstance(language, str) or language not in LANGUAGES:
        raise OptionError(f"expected a language of {', '.join(LANGUAGES)}, got {quoted(language)}")
    return language


@cache
def catalogue(language: str) -> Mapping[str, Mapping[str, str]]:
    """By section, each English sentence and its translation; empty for English itself.

    Raises:
        OptionError: The language is not one of `LANGUAGES`.
    """
    if checked_language(language) == DEFAULT_LANGUAGE:
        return {}
    sections: dict[str, dict[str, str]] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return sections


@lru_cache(maxsize=4096)
def translated(text: str, language: str) -> str:
    """A finished English sentence in another language; itself where the catalogue does not know it.

    Args:
        text: As the program made it, with its values in it.
        language: One of `LANGUAGES`.

    Raises:
        OptionError: The language is not one of `LANGUAGES`.
    """
    if checked_language(language) == DEFAULT_LANGUAGE or not text or len(text) > _LONGEST:
        return text
    exact, templates = _lookup(language)
    if text in exact:
        return exact[text]
    for pattern, words, definite in templates:
        if found := pattern.fullmatch(text):
            values = {name: translated(value, language) for name, value in found.groupdict().items()}
            if definite or (values != found.groupdict() and ". " not in text):
                return words.format_map(values)
    capital = f"{text[0].upper()}{text[1:]}"  # within another sentence it begins small
    return text if capital == text or (said := translated(capital, language)) == capital else said


def speaker(language: str) -> Say:
    """`translated` for one language, as a function of the sentence alone.

    Raises:
        OptionError: The language is not one of `LANGUAGES`.
    """
    checked_language(language)
    return lambda text: translated(text, language)


def in_language(value: Any, say: Say, texts: Container[str]) -> Any:  # noqa: ANN401 - any plain data
    """Plain data, as JSON has it, with some of its texts put into another language.

    Args:
        value: Dicts, lists, numbers and text.
        say: Puts a sentence into that language.
        texts: Names under which the texts for people stand: alone, in a list, or in a dict of names of their own.
    """
    if isinstance(value, list | tuple):
        return [in_language(part, say, texts) for part in value]
    if not isinstance(value, dict):
        return value
    return {name: _said(part, say) if name in texts else in_language(part, say, texts) for name, part in value.items()}


def _said(value: Any, say: Say) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, dict):
        return {name: _said(part, say) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_said(part, say) for part in value]
    return say(value) if isinstance(value, str) else value


def skeleton(sentence: str) -> str:
    """A sentence of the catalogue without the names of its values: what a script looks it up by."""
    return _VALUE.sub("{}", sentence)


@cache
def script_words(language: str) -> Mapping[str, str]:
    """What the scripts look up: skeletons of English sentences, and translations with the values' numbers in braces."""
    sections = catalogue(language)
    return {
        skeleton(english): _numbered(english, words)
        for section in SCRIPT_SECTIONS
        for english, words in sections.get(section, {}).items()
    }


def words_script(language: str) -> str:
    """JavaScript that tells the scripts after it which language they speak, without ``</``; for a page's head."""
    told = {"attnvizLanguage": checked_language(language), "attnvizWords": dict(script_words(language))}
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"Object.assign(window, {text});"


def _numbered(english: str, words: str) -> str:
    names = _VALUE.findall(english)
    return _VALUE.sub(lambda found: f"{{{names.index(found[1])}}}", words)


@cache
def _lookup(language: str) -> tuple[Mapping[str, str], tuple[tuple[re.Pattern[str], str, bool], ...]]:
    """Whole sentences, and patterns of those with values, the longest first, and whether there are letters in them."""
    sections = catalogue(language)
    exact = {english: words for entries in sections.values() for english, words in entries.items()}
    with_values = {
        english: words
        for section, entries in sections.items()
        if section
        not in SCRIPT_SECTIONS  # which know their values: a pattern such as "{low} to {high}" is theirs alone
        for english, words in entries.items()
        if _VALUE.search(english)
    }
    longest_first = sorted(with_values, key=lambda english: -len(skeleton(english)))
    return exact, tuple((_pattern(english), with_values[english], _has_letters(english)) for english in longest_first)


def _pattern(english: str) -> re.Pattern[str]:
    parts = _VALUE.split(english)  # text, name, text, name, ..., text
    found = [re.escape(part) if i % 2 == 0 else f"(?P<{part}>{_matched(part)})" for i, part in enumerate(parts)]
    return re.compile("".join(found), re.DOTALL)


def _has_letters(english: str) -> bool:
    """Whether a pattern tells its sentence; ``"{name}: {words}"`` does not: it is for titles, with values it knows."""
    return any(letter.isalpha() for letter in skeleton(english))


def _matched(name: str) -> str:
    return r"[-\u2212+.,\d\s%×]+?(?:e[-\u2212]?\d+)?" if name.endswith("_number") else ".*?"
