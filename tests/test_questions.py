"""The pages of docs/questions: of the current weights, short, in two languages that say the same, and measured."""

import re

import pytest
from PIL import Image

from docs.make_questions.__main__ import QUESTIONS, measured
from docs.make_questions.bench import Bench
from docs.make_questions.pages import ENDINGS, FOLDER, TEXTS, read_numbers, render, short_hash

DOCS = FOLDER.parent
LONGEST = 60
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")
PAGES = sorted(FOLDER.glob("*.md"))


def text(name, language="en"):
    return (FOLDER / f"{name}{ENDINGS[language]}").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bench():
    return Bench()


def test_every_question_has_its_pages_and_nothing_else_lies_there():
    expected = {f"{name}{ending}" for name in (*QUESTIONS, "README") for ending in ENDINGS.values()}
    assert {page.name for page in PAGES} == expected
    assert {picture.stem for picture in (FOLDER / "images").iterdir()} == set(QUESTIONS)
    for language in ENDINGS:
        assert {path.name for path in TEXTS.glob(f"*.{language}.jinja")} == {
            f"{name}.{language}.jinja" for name in (*QUESTIONS, "_foot")
        }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_short(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("language", ENDINGS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_page_says_what_was_measured(name, language):
    assert text(name, language) == render(name, language, read_numbers()[name]), "run `make questions`"


@pytest.mark.parametrize("name", QUESTIONS)
def test_numbers_page_and_picture_are_of_the_current_weights(name):
    from importlib import import_module

    current = short_hash(import_module(f"docs.make_questions.{name.replace('-', '_')}").ASKED_OF)
    assert read_numbers()[name]["weights"] == current, "run `make questions`"
    assert f"`{current}`" in text(name)
    with Image.open(FOLDER / "images" / f"{name}.png") as picture:
        assert picture.info["Weights"] == current


@pytest.mark.parametrize("name", QUESTIONS)
def test_measured_again_the_numbers_are_the_same(name, bench):
    kept = read_numbers()[name]
    found = measured(name, bench, draw=False)
    assert (found["weights"], found["model"]) == (kept["weights"], kept["model"])
    assert_close(found["numbers"], kept["numbers"], name)


def assert_close(found, kept, where):
    """The same within rounding on another processor: counts within 2 or 2 %, other numbers within 2 % or 0.01."""
    if isinstance(kept, dict):
        assert found.keys() == kept.keys(), where
        for key in kept:
            assert_close(found[key], kept[key], f"{where}.{key}")
    elif isinstance(kept, list):
        assert len(found) == len(kept), where
        for number, entry in enumerate(kept):
            assert_close(found[number], entry, f"{where}[{number}]")
    elif isinstance(kept, float | int) and not isinstance(kept, bool):
        assert found == pytest.approx(kept, rel=0.02, abs=2 if isinstance(kept, int) else 0.01), where
    else:
        assert found == kept, where


@pytest.mark.parametrize("name", [*QUESTIONS, "README"])
def test_the_chinese_page_has_the_same_pictures_and_numbers(name):
    english, chinese = text(name), text(name, "zh-CN")
    assert PICTURE.findall(english) == PICTURE.findall(chinese)
    assert name == "README" or PICTURE.findall(english) == [f"images/{name}.png"]
    assert set(NUMBER.findall(english)) == set(NUMBER.findall(chinese))
    assert len(re.findall(r"[\u4e00-\u9fff]", chinese)) > 150
    assert english.count("\n|") == chinese.count("\n|")  # rows of tables
    assert english.count("```") == chinese.count("```")


@pytest.mark.parametrize("name", [*QUESTIONS, "README"])
def test_each_page_leads_to_its_sister(name):
    assert f"({name}{ENDINGS['zh-CN']})" in text(name)
    assert f"({name}{ENDINGS['en']})" in text(name, "zh-CN")


def test_the_index_names_every_question_by_its_own_title():
    for language, ending in ENDINGS.items():
        index = text("README", language)
        found = dict((target, title) for title, target in re.findall(r"^- \[(.+)\]\((.+)\)$", index, re.MULTILINE))
        assert list(found) == [f"{name}{ending}" for name in QUESTIONS]
        for name in QUESTIONS:
            assert text(name, language).startswith(f"# {found[f'{name}{ending}']}\n")


CHINESE_PAGES = sorted([*DOCS.parent.glob("*.zh-CN.md"), *DOCS.glob("**/*.zh-CN.md")])


@pytest.mark.parametrize("page", CHINESE_PAGES, ids=lambda page: page.name)
def test_chinese_pages_are_set_with_their_own_punctuation(page):
    text = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)\n]*\)|<[^>]*>", "`", page.read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r".{0,12}(?:[\u3400-\u9fff][,:;!?]|[,;:!?][\u3400-\u9fff]).{0,12}", text) == []
