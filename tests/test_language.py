"""The catalogue of each language: whole, without what nobody says, and nothing that people read is outside of it."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from attnviz.errors import ImageError, OptionError
from attnviz.inputs.decode import decode
from attnviz.language import (
    DEFAULT_LANGUAGE,
    LANGUAGES,
    SCRIPT_SECTIONS,
    catalogue,
    category_name,
    category_names,
    in_language,
    skeleton,
    speaker,
    translated,
    words_script,
)
from attnviz.models.weights.categories import CategorySet, categories_of
from attnviz.models.weights.registry import list_models
from tests.sentences import Literal, literals, said, script_literals

PACKAGE = Path(__file__).resolve().parent.parent / "attnviz"
SCRIPTS = {
    "viewer": sorted((PACKAGE / "render" / "viewer" / "js").glob("*.js")),
    "page scripts": sorted((PACKAGE / "serve" / "page" / "js").glob("*.js")),
    "small pages": [PACKAGE / "serve" / "gallery_page.js", PACKAGE / "bulk" / "clip_page.js"],
}
PAGES = [script.with_suffix(".html") for script in SCRIPTS["small pages"]]  # elements name their sentences: data-t
SOURCES = sorted(file for file in PACKAGE.rglob("*.py") if "terminal" not in file.parts)  # which speaks English
CARDS = sorted((PACKAGE.parent / "weights").glob("*.json"))
CARD_SECTIONS = ("cards", "metrics")  # what networks say of themselves, with the numbers that were measured
OTHERS = [code for code in LANGUAGES if code != DEFAULT_LANGUAGE]
NAMES = re.compile(r"\{(\w+)\}")
# Texts of scripts with words in them that nobody reads: keys, selectors, styles, cookies.
FOR_MACHINES = {
    *("Delete", "Backspace", "linear-gradient(to right, {})", "scale({}) translate({}%, {}%)"),
    *("(prefers-color-scheme: dark)", "html.dark, body.dark", ".page-samples button", "layer3 spatial"),
    *("#page-photo input[type=file]", "#page-photo input[type=file]:not([aria-label])", "{} {} {} stride"),
    *("nav a", ".page-samples button[aria-pressed=true]"),
    *("stride {}", "stride ", "av-button {}", "clipPath", "viewBox"),
    "repeating-conic-gradient(#bebebe 0 25%, #ffffff 0 50%) 0 0 / 10px 10px",
}
TOLD = re.compile(r'data-t="([^"]+)"')
CLASSES = re.compile(r"(?:\s*(?:av|page)[\w{}-]*\s*)+")
KEYS = re.compile(r"Arrow\w+|Home|End|Escape|Enter|PageUp|PageDown")
WORDS = re.compile(r"[A-Z][a-z]|[a-z]{2,}[ :] ?[a-z]{2,}| [a-z]{2,}|[a-z]{2,} ")


def in_scripts(section: str) -> list[tuple[str, Literal]]:
    found = [
        (script.name, literal) for script in SCRIPTS[section] for literal in script_literals(script.read_text("utf-8"))
    ]
    pages = PAGES if section == "small pages" else []
    return found + [
        (page.name, Literal(text, True)) for page in pages for text in TOLD.findall(page.read_text("utf-8"))
    ]


@pytest.fixture(params=OTHERS)
def language(request) -> str:
    return request.param


# --- the catalogue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", SCRIPTS)
def test_scripts_say_what_the_catalogue_has_and_nothing_else(language, section):
    said_here = {literal.text for _, literal in in_scripts(section) if literal.translated}
    known = {skeleton(english) for name in SCRIPTS for english in catalogue(language)[name]}
    assert said_here - known == set()
    everywhere = {literal.text for name in SCRIPTS for _, literal in in_scripts(name) if literal.translated}
    assert {skeleton(english) for english in catalogue(language)[section]} - everywhere == set()


def test_no_script_says_anything_past_the_catalogue():
    found = [
        (script, literal.text)
        for section in SCRIPTS
        for script, literal in in_scripts(section)
        if not literal.translated
        and WORDS.search(literal.text)
        and not (CLASSES.fullmatch(literal.text) or KEYS.fullmatch(literal.text) or literal.text in FOR_MACHINES)
    ]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_small_page_says_anything_past_the_catalogue(page):
    told = r"<style>.*?</style>|<[^>]*data-t=[^>]*>[^<]*<|<nav.*?</nav>|\$\w+"
    text = re.sub(told, "<", page.read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r">[^<]*[A-Za-z][^<]*<", text) == []
    assert re.findall(r'(?:aria-label|alt|title|placeholder)="[^"]*[A-Za-z]', text) == []


def test_the_search_for_texts_finds_them():
    source = 'const a = el("p", {}, `Photo ${b ? "of a cat" : t`of ${n} cats`}`); // "a comment"\nconst re = /"[`]/;'
    assert script_literals(source) == [
        Literal("p", translated=False),
        Literal("Photo {}", translated=False),
        Literal("of a cat", translated=False),
        Literal("of {} cats", translated=True),
    ]
    assert WORDS.search("Photo {}")


def test_python_says_what_the_catalogue_has(language):
    known = {skeleton(english) for entries in catalogue(language).values() for english in entries}
    missing = {(source.name, text) for source in SOURCES for text in said(source) if text not in known and text != "{}"}
    assert missing == set()


def test_the_catalogue_has_nothing_that_nobody_says(language):
    written = {text for source in SOURCES for text in literals(source)}
    written |= {literal.text for name in SCRIPTS for _, literal in in_scripts(name)}
    everything = "\n".join(written) + "\n".join(" ".join(skeleton(text).split()) for text in written)
    unused = {
        english
        for section, entries in catalogue(language).items()
        if section not in (*SCRIPTS, *CARD_SECTIONS)
        for english in entries
        if skeleton(english) not in everything
    }
    assert unused == set()


def test_the_catalogue_has_no_sentence_that_no_card_says(language):
    """Those with values in them were made from the cards' numbers: each must fit a sentence, or a value of one."""
    used = {"{architecture}."}
    waiting = [text for card in list_models().values() for text in (*said_of(card), *card.title.split(" · "))]
    waiting += [card.licence for card in list_models().values() if card.licence]
    entries = [english for section in CARD_SECTIONS for english in catalogue(language)[section]]
    patterns = {english: fitting(english) for english in entries}
    while waiting:
        text = waiting.pop()
        for english, pattern in patterns.items():
            found = pattern.fullmatch(text)
            if found:
                used.add(english)
                waiting += [value for value in found.groups() if value and value != text]
    assert set(entries) - used - {text for source in SOURCES for text in literals(source)} == set()


@pytest.mark.parametrize("name", [card.stem for card in CARDS])
def test_everything_on_the_card_of_shipped_weights_is_translated(language, name):
    said = {text: translated(text, language) for text in said_of(list_models()[name])}
    few_words = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")  # of English in a row, which a name may have
    assert {text for text, words in said.items() if words == text or few_words.search(words)} == set()


def said_of(card):
    """The sentences that the page says of a network."""
    return [card.title, f"{card.architecture}.", *card.notes, *card.evidence, *card.metrics]


def fitting(english):
    """A pattern of the sentences that one of the catalogue stands for."""
    number = r"([-\u2212+.,\d\s%×]+)"
    parts = re.split(r"(\{\w+\})", english.removesuffix("."))
    return re.compile(
        "".join(number if p.endswith("_number}") else "(.+?)" if p.startswith("{") else re.escape(p) for p in parts)
        + r"\.?"
    )


def test_translations_have_the_values_of_their_sentences(language):
    for section in catalogue(language).values():
        for english, words in section.items():
            assert set(NAMES.findall(words)) <= set(NAMES.findall(english)), english
            assert re.sub(NAMES, "", words).count("{") == 0, english


def test_names_of_values_are_unique_within_a_sentence(language):
    for section in catalogue(language).values():
        for english in section:
            names = NAMES.findall(english)
            assert len(set(names)) == len(names), english


def test_one_sentence_has_one_translation(language):
    found: dict[str, str] = {}
    for section in catalogue(language).values():
        for english, words in section.items():
            assert found.setdefault(english, words) == words, english


def test_chinese_is_set_with_its_own_punctuation():
    wrong = [
        words
        for section in catalogue("zh").values()
        for words in section.values()
        if re.search(r"[一-鿿][,:;?!]|[一-鿿]\.$", words)
    ]
    assert wrong == []


# --- names of categories --------------------------------------------------------------------------------------------

SETS = {
    **{card.stem: tuple(json.loads(card.read_text("utf-8"))["categories"]) for card in CARDS},
    **{name: categories_of(name) for name in get_args(CategorySet)},
}


@pytest.mark.parametrize("name", SETS)
def test_every_category_of_a_known_network_has_a_name(language, name):
    called = {category: category_name(category, language) for category in SETS[name]}
    assert {category for category, said in called.items() if said == category} == set()
    assert len(set(called.values())) == len(called)  # names tell categories apart


def test_there_is_no_name_of_an_unknown_category(language):
    known = {name for names in SETS.values() for full in names for name in (full, full.partition(",")[0])}
    assert set(category_names(language)) - known == set()


def test_chinese_names_are_chinese():
    names = category_names("zh")
    assert {said for said in names.values() if not re.search(r"[㐀-鿿]", said)} == set()
    assert {said for said in names.values() if re.search(r"[㐀-鿿][,:;()]|\s$|^\s|[㐀-鿿] [㐀-鿿]", said)} == set()


def test_a_category_is_found_where_one_is_meant_and_nowhere_else():
    say = speaker("zh")
    assert say.category("tabby, tabby cat") == say.category("tabby") == "虎斑猫"
    assert say.category("class 17") == "类别 17"
    assert say.category("") == ""
    assert say.category("my own, with commas") == "my own, with commas"
    assert say("tabby") == "tabby"
    assert say("probability of tabby") == "“虎斑猫”的概率"
    assert say("the photo tabby") == "照片 tabby "
    assert category_names("en") == {}
    assert speaker("en").category("tabby") == "tabby"


def test_plain_data_names_its_categories():
    data = {"category": "tabby", "top": [{"category": "crane", "name": "crane"}], "title": "Photo"}
    told = in_language(data, speaker("zh"), {"title"})
    assert told == {"category": "虎斑猫", "top": [{"category": "起重机", "name": "crane"}], "title": "照片"}
    assert in_language({"category": None}, speaker("zh"), ()) == {"category": None}


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"hello", b"%PDF-1.7", b"<svg xmlns='x'/>", b"PK\x03\x04zip", b""])
def test_what_is_no_picture_is_refused_in_chinese_alone(sent):
    with pytest.raises(ImageError) as refused:
        decode(sent)
    said = translated(str(refused.value), "zh")
    assert re.findall(r"\b(?:or|got|an?|expected|picture|drawing|document)\b", said) == []


# --- translating ----------------------------------------------------------------------------------------------------


def test_english_is_left_as_it_is():
    assert translated("Photo", "en") == "Photo"
    assert catalogue("en") == {}


def test_what_the_catalogue_does_not_have_stays_english(language):
    assert translated("never heard of", language) == "never heard of"
    assert translated("", language) == ""


def test_a_pattern_of_the_scripts_does_not_catch_other_sentences():
    assert translated("Left to right", "zh") == "Left to right"


@pytest.mark.parametrize("language", ["", "de", "ZH", "../zh", None, 3])
def test_an_unknown_language_is_refused(language):
    with pytest.raises(OptionError, match="expected a language of en, zh, got"):
        speaker(language)


def test_values_are_put_in_as_they_are(monkeypatch):
    from attnviz import language as module

    entries = {"words": {"{a} saw {b}": "{b} 被 {a} 看到", "a cat": "一只猫"}}
    monkeypatch.setattr(module, "catalogue", lambda code: entries)
    module._lookup.cache_clear()
    module._translated.cache_clear()
    try:
        assert translated("{b} saw a cat", "zh") == "一只猫 被 {b} 看到"
        assert translated("two\nlines saw {0.__class__}", "zh") == "{0.__class__} 被 two\nlines 看到"
    finally:
        module._lookup.cache_clear()
        module._translated.cache_clear()


def test_what_people_send_cannot_make_it_slow():
    for text in (
        "expected a point within x " + " to and y , what" * 600,
        "expected " + "one of , got " * 700 + "{",
        ": " * 4000,
    ):
        assert isinstance(translated(text, "zh"), str)  # a pattern with six values would take years


def test_a_value_that_is_a_number_is_nothing_else():
    assert translated("1.00 to 2.00 ×", "zh") == "1.00 至 2.00 ×"
    assert translated("\u22121.2e\u22125 to 3", "zh") == "\u22121.2e\u22125 至 3"
    assert translated("nothing to see", "zh") == "nothing to see"


def test_the_words_for_scripts_cannot_end_their_element(language):
    text = words_script(language)
    assert "<" not in text
    told = json.loads(re.fullmatch(r"Object\.assign\(window, (.*)\);", text)[1])
    assert told["attnvizLanguage"] == language
    assert len(told["attnvizWords"]) >= sum(len(catalogue(language)[section]) > 0 for section in SCRIPT_SECTIONS)
