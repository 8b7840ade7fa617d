"""The short of docs/evidence.md: in the cards, in the terminal and on the page."""

import dataclasses
import html
import re

import pytest

from attnviz.models.weights.registry import list_models, load_model
from attnviz.serve.tabs import about
from attnviz.terminal.model_list import models_as_text
from docs import evidence_cards
from docs.evidence_cards import PAGE, short_of

SHIPPED = {name: card for name, card in list_models().items() if card.status == "shipped"}
TABLES = """
<!-- osie: -->
**`net`**: words
**Where people look** (1,700 photos)

| | AUC-Judd (0 to 1, chance 0.5) | NSS |
| --- | ---: | ---: |
| stage1.gain | 0.600 (0.500 to 0.700) | 9.000 (9.000 to 9.000) |
| stage2.gain | 0.800 (0.700 to 0.900) | 1.000 (1.000 to 1.000) |
| Grad-CAM | 0.500 (0.400 to 0.600) | - |
| centre prior | 0.850 (0.800 to 0.900) | - |
| other viewers | 0.900 (0.900 to 0.900) | – |
| shuffled weights: stage2.gain | 0.990 (0.990 to 0.990) | – |
<!-- end of osie -->
<!-- imagenette: -->
**`other`**
(9 photos)
| | costs, top-1 (points) | costs, log-likelihood (nats) |
| all.flat | 9.000 (8.000 to 9.000) | 9.000 (8.000 to 9.000) |
**`net`**
(40 photos)
| | top-1 (%) | costs, top-1 (points) | costs, log-likelihood (nats) |
| --- | ---: | ---: | ---: |
| all.flat | – | 1.000 (-0.500 to 2.000) | 0.300 (0.200 to 0.400) |
<!-- end of imagenette -->
"""


def test_it_is_read_off_the_tables():
    assert short_of(TABLES, "net") == [
        "Where people look, 1,700 photos of OSIE: AUC 0.800 by stage2.gain, 0 to 1, chance 0.5; centre prior 0.850, "
        "Grad-CAM 0.500, other viewers 0.900.",
        "All gates flattened, 40 photos of Imagenette: costs 1.000 (-0.500 to 2.000; not shown to cost anything) "
        "points of top-1 and 0.300 (0.200 to 0.400) nats of log-likelihood.",
    ]
    assert short_of(TABLES, "nobody") == []
    assert short_of("", "net") == []


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_says_nothing_that_the_page_does_not(name):
    said = list(SHIPPED[name].evidence)
    assert said in ([], short_of(PAGE.read_text(encoding="utf-8"), name))


def test_writing_the_cards_changes_nothing_else(tmp_path, monkeypatch):
    for path in evidence_cards.CARDS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(evidence_cards, "CARDS", tmp_path)
    evidence_cards.write_cards()
    monkeypatch.setenv("ATTNVIZ_WEIGHTS", str(tmp_path))
    for path in tmp_path.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        before = SHIPPED[path.stem].path.with_suffix(".json").read_text(encoding="utf-8")
        without = re.compile(r',\n "evidence": \[.*?\]', re.DOTALL)
        assert without.sub("", text) == without.sub("", before)


def test_page_and_terminal_show_it_and_say_where_nothing_was_measured():
    text = " ".join(models_as_text().split())
    for card in SHIPPED.values():
        shown = about._item(card)
        for sentence in card.evidence:
            assert html.escape(sentence) in shown
            assert sentence in text
    bare = dataclasses.replace(load_model("bam_resnet18_w32", "cpu").card, evidence=(), status="own")
    assert "Evidence: not measured." in about._item(bare)
    assert text.count("evidence: not measured") == sum(not card.evidence for card in list_models().values())
    hostile = dataclasses.replace(bare, evidence=("<img src=x>",))
    assert "<img" not in about._item(hostile)
