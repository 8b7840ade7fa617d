"""What the figure builder makes of what the position view tells it, whatever was sent."""

import dataclasses

import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.position_attention import PositionAttention
from attnviz.serve.tabs.export_panels import Chosen, chosen_in, panel_choice
from tests.explanations import danet


@pytest.fixture(scope="module")
def explanation():
    one = danet()
    rng = np.random.default_rng(0)
    query, key = (rng.normal(size=(3, 4, 6, 9)).astype(np.float32) for _ in range(2))
    deep = PositionAttention(query, key, 1.0, 16)
    return dataclasses.replace(one, positions={**one.positions, "deep": deep})


def names(update) -> list[str]:
    return update["value"]


@pytest.mark.parametrize("sent", [None, [], {}, "x", {"label": 3, "head": []}, {"label": "none such", "head": "0"}])
def test_what_says_nothing_ticks_what_tells_most(explanation, sent):
    chosen = chosen_in(explanation, sent)
    assert chosen == Chosen()
    assert names(panel_choice(explanation, chosen, str))[0] == "photo"
    assert any(name.startswith("row:") for name in names(panel_choice(explanation, chosen, str)))


@pytest.mark.parametrize(
    ("label", "head", "attention"),
    [
        ("deep", "mean", "deep"),
        ("deep", "2", "deep.head2"),
        ("deep", "3", "deep"),
        ("deep", "-1", "deep"),
        ("position", "mean", ""),
        ("position", "0", ""),
        ("rollout", "mean", ""),
    ],
)
def test_an_attention_or_one_of_its_heads_is_told(explanation, label, head, attention):
    chosen = chosen_in(explanation, {"pins": [[1, 2], [0, 0]], "label": label, "head": head})
    assert (len(chosen.pins), chosen.attention) == (2, attention)
    if attention:
        ways = ["row:1", "row:2", "received"]
        assert names(panel_choice(explanation, chosen, str)) == ["photo", *(f"{attention}.{way}" for way in ways)]


@pytest.mark.parametrize("pin", [[0], [0, 99], [-1, 0], ["0", 0], 7, [True, 0]])
def test_a_pin_that_is_no_cell_is_refused(explanation, pin):
    with pytest.raises(OptionError, match=r"expected pins as \[row, column\] within"):
        chosen_in(explanation, {"pins": [pin]})


def test_of_many_panels_the_ticked_ones_come_first(explanation):
    chosen = chosen_in(explanation, {"pins": [[i, i] for i in range(4)], "label": "deep", "head": "1"})
    update = panel_choice(explanation, chosen, str)
    assert len(update["choices"]) > 24
    assert [name for _, name in update["choices"]][: len(update["value"])] == update["value"]
