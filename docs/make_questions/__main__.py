"""Measure, draw and write every page of docs/questions again, in about a minute: make questions."""

import sys
from importlib import import_module
from typing import Any

import torch

from docs.make_questions.bench import Bench
from docs.make_questions.pages import short_hash, weights_of, write_pages

QUESTIONS = (  # in the order of the index
    *("broadcasting", "keep-size", "one-spatial-channel", "two-or-three-convolutions", "sum-or-product"),
    *("bam-beside-cbam", "one-class", "query-key-value", "without-gamma", "max-minus-energy", "gamma"),
)


def measured(name: str, bench: Bench, *, draw: bool = True) -> dict[str, Any]:
    """Answer of one question: its numbers, and of which weights; its picture is drawn unless that is not wanted."""
    module = import_module(f"docs.make_questions.{name.replace('-', '_')}")
    weights = short_hash(module.ASKED_OF)
    if draw:
        module.draw(bench, name, weights)
    numbers = {key: _rounded(value) for key, value in module.measure(bench).items()}
    return {"weights": weights, "model": weights_of(module.ASKED_OF).name, "numbers": numbers}


def _rounded(value: Any) -> Any:  # noqa: ANN401 - numbers, texts, and lists and tables of them
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main() -> int:
    """All of them."""
    torch.set_num_threads(1)
    bench = Bench()
    write_pages({name: measured(name, bench) for name in QUESTIONS})
    return 0


if __name__ == "__main__":
    sys.exit(main())
