"""The words of docs/evidence.md: verdicts whichever way it went; tables stay where nothing new was measured."""

from types import SimpleNamespace

import pytest

from docs.evidence_cards import PAGE
from docs.evidence_tables import column, numbers, part_as_text, parts_of, section
from docs.evidence_words import NO_MAP, NOTHING, QUESTIONS, merged, short_table, worded, words_on
from docs.make_evidence import SETS, asks, has_map, suits
from training.pack import CAMVID_CATEGORIES


def objects(stage1, stage3, centre):
    rows = {"stage1.gain": stage1, "stage3.gain": stage3, "centre prior": centre, "shuffled weights: stage3.gain": 0.99}
    lines = [f"| {name} | {at:.3f} ({at - 0.01:.3f} to {at + 0.01:.3f}) |" for name, at in rows.items()]
    return "\n".join(["**Where the objects are** (40 photos)", "", "| | ROC-AUC (0 to 1) |", "| --- | ---: |", *lines])


def answers(points, nats, key="all.flat"):
    head = "| | top-1 (%) | costs, top-1 (points) | costs, log-likelihood (nats) |"
    cells = " | ".join(f"{at:.3f} ({low:.3f} to {high:.3f})" for at, low, high in (points, nats))
    untouched = "| untouched | 70.0 (60.0 to 80.0) | – | – |"
    other = "| stage1.one | – | 9.000 (8.000 to 10.000) | 9.000 (8.000 to 10.000) |"
    rows = [head, "| --- | ---: | ---: | ---: |", untouched, other, f"| {key} | – | {cells} |"]
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("scores", "short", "words"),
    [
        ((0.4, 0.9, 0.8), "yes: ROC-AUC 0.900, centre prior 0.800", "better than the middle of the picture does"),
        ((0.4, 0.81, 0.8), "not shown: ROC-AUC", "no better than the middle"),
        ((0.4, 0.7, 0.8), "no: ROC-AUC 0.700", "worse than the middle"),
        ((0.55, 0.5, 0.8), "no: ROC-AUC 0.550", "`stage1.gain` finds the objects worse"),
    ],
)
def test_objects(scores, short, words):
    found = words_on("persons", objects(*scores))
    assert found.short.startswith(short)
    assert words in found.long
    assert "shuffled weights 0.990" in found.long or scores[0] > scores[1]
    assert ("The worst, `stage1.gain`: 0.400, below chance." in found.long) == (scores[0] == 0.4)


@pytest.mark.parametrize(
    ("points", "nats", "verdict"),
    [
        ((2, 1, 3), (0.1, 0.05, 0.2), "yes: 2.0 points of top-1"),
        ((0.5, -1, 2), (0.1, 0.05, 0.2), "yes: 0.100 nats of log-likelihood"),
        ((0.5, -1, 2), (0.1, -0.05, 0.2), "not shown: 0.5 points of top-1"),
        ((-2, -3, -1), (0.1, -0.05, 0.2), "better without: -2.0 points of top-1"),
        ((0, 0, 0), (-0.1, -0.2, -0.05), "better without: -0.100 nats of log-likelihood"),
    ],
)
def test_answers_by_the_fair_question_and_not_the_dearest(points, nats, verdict):
    found = words_on("imagenette", answers(points, nats))
    assert found.short == verdict
    assert "all gates flattened" in found.long
    assert f"Not shown to cost any top-1: {int(points[1] <= 0 <= points[2])} of 2 interventions." in found.long
    assert "all channel gates evened" in words_on("imagenette", answers(points, nats, "all.even")).long


def test_where_there_is_nothing_it_says_so():
    assert words_on("osie", "") == NO_MAP
    assert words_on("osie", "| | other |\n| --- |\n| a | 1.000 (1.000 to 1.000) |") == NOTHING
    assert words_on("camvid", "| | other |") == NOTHING


def card(sha256):
    return SimpleNamespace(sha256=sha256)


def page():
    parts = [part_as_text("old", "WORDS", "aaaaaaaa", objects(0.4, 0.9, 0.8)), part_as_text("gone", "WORDS", None, "x")]
    start, end = "<!-- persons: written by docs/make_evidence.py -->", "<!-- end of persons -->"
    return "\n".join(["before", start, "", *parts, end, "after", ""])


def test_what_was_not_measured_again_stays(capsys):
    shipped = {"new": card("b" * 64), "old": card("a" * 64)}
    text = merged(page(), "persons", {"new": objects(0.4, 0.7, 0.8)}, shipped)
    found = parts_of(section(text, "persons"))
    assert list(found) == ["new", "old"]  # as they are shipped; what is no longer shipped has gone
    assert found["old"] == ("aaaaaaaa", objects(0.4, 0.9, 0.8))
    assert found["new"] == ("bbbbbbbb", objects(0.4, 0.7, 0.8))
    assert "WORDS" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert merged(text, "persons", {}, shipped) == text
    retrained = merged(text, "persons", {}, {**shipped, "old": card("c" * 64)})
    assert list(parts_of(section(retrained, "persons"))) == ["new"]
    assert "old has other weights" in capsys.readouterr().err


def test_the_page_says_what_its_tables_say():
    from attnviz.models.weights.registry import list_models

    text = PAGE.read_text(encoding="utf-8")
    shipped = {name: card for name, card in list_models().items() if card.status == "shipped"}
    again = worded(text, shipped)
    assert section(again, "verdicts") == section(text, "verdicts")
    for name in QUESTIONS:
        assert section(again, name) == section(text, name)
    assert set(QUESTIONS) == set(SETS)


def test_what_is_not_measured_is_named():
    table = short_table(page(), ["old", "unknown"])
    assert "| `old` | yes: ROC-AUC 0.900, centre prior 0.800 |" in table
    assert "not measured yet: `unknown`." in table


def test_columns_are_read_as_they_are_written():
    table = answers((2, 1, 3), (0.1, 0.05, 0.2))
    assert column(table, "costs, top-1 (points)")["all.flat"] == ("2.000", "1.000", "3.000")
    assert numbers(table, "top-1 (%)") == {"untouched": (70.0, 60.0, 80.0)}
    assert column(table, "nothing") == {}


def known(task, categories):
    return SimpleNamespace(task=task, categories=tuple(categories))


def test_networks_are_measured_on_what_they_know():
    everything = [*SETS["imagenette"].labels, "tabby, tabby cat"]
    assert suits(known("classification", everything), SETS["imagenette"])
    assert not suits(known("classification", everything[1:]), SETS["imagenette"])
    assert suits(known("classification", ()), SETS["osie"])
    for categories, sets in (
        (CAMVID_CATEGORIES, {"camvid"}),
        (SETS["everyday"].classes, {"everyday"}),
        (("a",), set()),
    ):
        assert {name for name, data in SETS.items() if suits(known("segmentation", categories), data)} == sets


def test_where_objects_are_is_asked_of_maps_alone(monkeypatch):
    from attnviz.models.build import build_model

    kinds = ("se", "cbam", "sge")
    trunks = {kind: {"depth": 18, "width": 16, "attention": {"kind": kind, "groups": 4}} for kind in kinds}
    nets = {
        kind: build_model({"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 5})
        for kind, trunk in trunks.items()
    }
    monkeypatch.setattr("docs.make_evidence.load_model", lambda name: SimpleNamespace(net=nets[name]))
    assert [has_map(kind) for kind in nets] == [False, True, True]
    assert not asks(SETS["osie"], "se")
    assert not asks(SETS["salient"], "se")
    assert asks(SETS["imagenette"], "se")
    assert asks(SETS["osie"], "cbam")
