"""From measured numbers to a page: a template for each language, which chooses its sentences by the numbers."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models
from docs.make_questions.bench import first_danet

FOLDER = Path(__file__).resolve().parents[1] / "questions"
NUMBERS = FOLDER / "numbers.json"
TEXTS = Path(__file__).resolve().parent / "text"
ENDINGS = {"en": ".md", "zh-CN": ".zh-CN.md"}
SHORT = 12  # digits of a hash


def weights_of(kind: str) -> ModelCard:
    """The card of the weights that a question is asked of: ``"classifier"`` or ``"segmenter"``."""
    return list_models()[DEFAULT_MODEL] if kind == "classifier" else first_danet()


def short_hash(kind: str) -> str:
    """First digits of the SHA-256 of those weights."""
    return str(weights_of(kind).sha256)[:SHORT]


def render(name: str, language: str, answer: Mapping[str, Any]) -> str:
    """One page in one language, from what `docs.make_questions.__main__` keeps in numbers.json."""
    loader = jinja2.FileSystemLoader(TEXTS, encoding="utf-8")
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(dec=decimals, pct=percent)
    other = "zh-CN" if language == "en" else "en"
    known = {**answer["numbers"], "weights": answer["weights"], "model": answer["model"], "name": name}
    page = environment.get_template(f"{name}.{language}.jinja").render(known, other=f"{name}{ENDINGS[other]}")
    return re.sub(r" +$", "", page, flags=re.MULTILINE)


def decimals(number: float, digits: int = 2) -> str:
    """A number with so many decimals and no minus before a nought."""
    text = f"{number:.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "\u2212")


def percent(share: float, digits: int = 0) -> str:
    """A share of 1 in percent."""
    return f"{decimals(100 * share, digits)} %"


def read_numbers() -> dict[str, Any]:
    """What was measured last, by question."""
    kept: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))
    return kept


def write_pages(answers: Mapping[str, Any]) -> None:
    """Keep the numbers, and write every page in both languages."""
    NUMBERS.write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name, answer in answers.items():
        for language, ending in ENDINGS.items():
            (FOLDER / f"{name}{ending}").write_text(render(name, language, answer), encoding="utf-8")
