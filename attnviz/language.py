"""Languages of the page, the viewer and the figures; everything else that attnviz says is English.

Sentences are written in English where they are made, and that English is their key in the one catalogue that each other
language has, `attnviz/languages/zh.json`. Its sections only say where a sentence comes from. What changes from time to
time stands in braces, as in an f-string; a name that ends in ``_number`` stands for a number without words::

    "expected a photo of at most {most} pixels, got {got}": "..."

So the rooms below know no language: where text leaves for a person, `translated` finds the sentence it was made from,
and translates the values in it that are sentences of their own. What the catalogue does not have stays English.

Names of categories have a file of their own, `attnviz/languages/zh_categories.json`: "crane" or "light" would be found
in sentences that mean something else. They are looked up where a category is meant: by `Say.category`, and for a
value that is called ``{category}``.
"""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from attnviz.errors import OptionError, quoted

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}  # by its code, what its speakers call it
DEFAULT_LANGUAGE = "en"
SCRIPT_SECTIONS = ("viewer", "page scripts", "small pages", "units")  # those that a browser looks up itself

_FOLDER = Path(__file__).parent / "languages"
_VALUE = re.compile(r"\{(\w*)\}")
_NUMBER = re.compile(r"[-\u2212+.,\d\s%×]+(?:e[-\u2212]?\d+)?")
_UNNAMED = re.compile(r"class \d+")  # what a category without a name is called
_DEEPEST = 8  # sentences within one another; a verdict has four
_LONGEST = 10_000  # characters that are looked up: a caption lists up to 64 panels


@dataclass(frozen=True)
class Say:
    """Puts what is written for people into one language: ``say("Photo")``, ``say.category("tabby")``.

    Attributes:
        language: One of `LANGUAGES`, as `speaker` checks.
    """

    language: str = DEFAULT_LANGUAGE

    def __call__(self, text: str) -> str:
        """A finished English sentence in this language, as `translated` finds it."""
        return translated(text, self.language)

    def category(self, name: str) -> str:
        """The name of a category in this language, as `category_name` finds it."""
        return category_name(name, self.language)


ENGLISH = Say()


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


def translated(text: str, language: str) -> str:
    """A finished English sentence in another language; itself where the catalogue does not know it.

    Args:
        text: As the program made it, with its values in it.
        language: One of `LANGUAGES`.

    Raises:
        OptionError: The language is not one of `LANGUAGES`.
    """
    known = checked_language(language) != DEFAULT_LANGUAGE and 0 < len(text) <= _LONGEST
    return _translated(text, language, _DEEPEST) if known else text


@lru_cache(maxsize=4096)
def _translated(text: str, language: str, depth: int) -> str:
    """`translated`, for sentences within sentences down to a depth."""
    exact, templates = _lookup(language)
    if text in exact:
        return exact[text]
    for template in templates if depth else ():
        found = template.values_in(text)
        if found is not None:
            values = {name: _value(name, value, language, depth - 1) for name, value in found.items()}
            if template.definite or (values != found and ". " not in text):
                return template.words.format_map(values)
    capital = f"{text[0].upper()}{text[1:]}"  # within another sentence it begins small
    said = capital if capital == text else _translated(capital, language, depth)
    return text if said == capital else said


def _value(name: str, value: str, language: str, depth: int) -> str:
    """A value of a sentence in another language; what it is called tells what it is."""
    if name == "category":
        return category_name(value, language)
    return value and _translated(value, language, depth)


@cache
def category_names(language: str) -> Mapping[str, str]:
    """English names of the categories of known networks, and what they are called in a language; empty for English.

    Raises:
        OptionError: The language is not one of `LANGUAGES`.
    """
    if checked_language(language) == DEFAULT_LANGUAGE:
        return {}
    names: dict[str, str] = json.loads((_FOLDER / f"{language}_categories.json").read_text(encoding="utf-8"))
    return names


def category_name(name: str, language: str) -> str:
    """What a category is called in a language; its English name where that is not known.

    Args:
        name: English, maybe with others behind commas, as in ``"tabby, tabby cat"``, of which the first is looked up.
        language: One of `LANGUAGES`.

    Raises:
        OptionError: The language is not one of `LANGUAGES`.
    """
    names = category_names(language)
    found = names.get(name) or names.get(name.partition(",")[0].strip())
    return found or (translated(name, language) if _UNNAMED.fullmatch(name) else name)


def speaker(language: str) -> Say:
    """What puts sentences and names into one language.

    Raises:
        OptionError: The language is not one of `LANGUAGES`.
    """
    return Say(checked_language(language))


def in_language(value: Any, say: Say, texts: Container[str]) -> Any:  # noqa: ANN401 - any plain data
    """Plain data, as JSON has it, with some of its texts, and every name of a ``category``, put into another language.

    Args:
        value: Dicts, lists, numbers and text.
        say: Puts a sentence into that language.
        texts: Names under which the texts for people stand: alone, in a list, or in a dict of names of their own.
    """
    if isinstance(value, list | tuple):
        return [in_language(part, say, texts) for part in value]
    if not isinstance(value, dict):
        return value
    return {name: _entry(name, part, say, texts) for name, part in value.items()}


def _entry(name: str, part: Any, say: Say, texts: Container[str]) -> Any:  # noqa: ANN401 - as above
    if name == "category" and isinstance(part, str):
        return say.category(part)
    return _said(part, say) if name in texts else in_language(part, say, texts)


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
def script_words(language: str, of: tuple[str, ...] = SCRIPT_SECTIONS) -> Mapping[str, str]:
    """What the scripts look up: skeletons of English sentences, and translations with the values' numbers in braces.

    Args:
        language: One of `LANGUAGES`.
        of: Those sections alone.
    """
    sections = catalogue(language)
    return {
        skeleton(english): _numbered(english, words)
        for section in of
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


@dataclass(frozen=True)
class _Template:
    """A sentence of the catalogue with values in it.

    Attributes:
        parts: Text, name of a value, text, name, ..., text.
        words: The translation.
        definite: Whether it has words of its own. ``"{name}: {words}"`` has none: it is for titles with known values.
    """

    parts: tuple[str, ...]
    words: str
    definite: bool

    def values_in(self, text: str) -> dict[str, str] | None:
        """The values in a sentence that was made from it, each as short as may be; None where it was not made from it.

        Each text is looked for once, from left to right: what people send cannot make this slow, as it could a pattern.
        """
        first, *rest = self.parts
        if not text.startswith(first):
            return None
        at = len(first)
        found: dict[str, str] = {}
        for name, following in zip(rest[::2], rest[1::2], strict=True):
            last = len(found) == len(rest) // 2 - 1
            end = (len(text) - len(following) if text.endswith(following) else -1) if last else text.find(following, at)
            if end < at or (name.endswith("_number") and not _NUMBER.fullmatch(text, at, end)):
                return None
            found[name] = text[at:end]
            at = end + len(following)
        return found


@cache
def _lookup(language: str) -> tuple[Mapping[str, str], tuple[_Template, ...]]:
    """Whole sentences, and those with values in them, the longest first."""
    sections = catalogue(language)
    exact = {english: words for entries in sections.values() for english, words in entries.items()}
    # Scripts know their values: a sentence of theirs such as "{low} to {high}" would fit too many others.
    told_here = (entries for section, entries in sections.items() if section not in SCRIPT_SECTIONS)
    templates = {
        english: _Template(tuple(_VALUE.split(english)), words, any(map(str.isalpha, skeleton(english))))
        for entries in told_here
        for english, words in entries.items()
        if _VALUE.search(english)
    }
    return exact, tuple(templates[english] for english in sorted(templates, key=lambda one: -len(skeleton(one))))
