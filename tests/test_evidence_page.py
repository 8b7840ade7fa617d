"""The command that fills the tables of docs/evidence.md."""

import pytest

from attnviz.measure.bootstrap import Interval
from attnviz.measure.tables import PEOPLE, TITLES, Row
from docs.evidence_cards import PAGE
from docs.evidence_tables import filled
from docs.make_evidence import SETS, headline

AUC = TITLES["gaze_auc"]


def rows(stage: tuple[float, float, float], centre: tuple[float, float, float]) -> list[Row]:
    def row(subject, value, low, high):
        return Row(PEOPLE, subject, AUC, Interval(value, low, high, 40))

    return [
        row("stage2.gain", 0.61, 0.6, 0.62),
        row("stage3.gain", *stage),
        row("centre prior", *centre),
        row("other viewers", 0.93, 0.92, 0.94),
        row("shuffled weights: stage3.gain", 0.99, 0.98, 1.0),
    ]


def test_every_set_has_its_place_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    for name in SETS:
        again = filled(text, name, "NEW")
        assert again.count("NEW") == 1
        assert filled(again, name, "NEW") == again
    with pytest.raises(ValueError, match="place for nothing"):
        filled(text, "nothing", "NEW")


@pytest.mark.parametrize(
    ("stage", "centre", "words"),
    [
        ((0.84, 0.83, 0.85), (0.73, 0.72, 0.74), "look better than the middle of the picture does: AUC 0.840"),
        ((0.75, 0.72, 0.78), (0.73, 0.70, 0.76), "but their intervals overlap"),
        ((0.70, 0.68, 0.72), (0.73, 0.70, 0.76), "no better than the middle"),
    ],
)
def test_the_headline_says_which_way_it_went(stage, centre, words):
    text = headline("net", rows(stage, centre))
    assert words in text
    assert "`stage3.gain`" in text  # not the shuffled one, however high
    assert "other viewers 0.930, with shuffled weights 0.990" in text
    assert f"From the first stage to the last: 0.610, {stage[0]:.3f}." in text
