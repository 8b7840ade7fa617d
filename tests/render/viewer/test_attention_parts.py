"""What travels of position attention: exact where there is room, in half precision, in part, or when asked for."""

import base64
import dataclasses
import json

import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.reduce.rollout import rollout_of
from attnviz.render.viewer import attention_parts
from attnviz.render.viewer.attention_parts import position_part, position_parts
from attnviz.render.viewer.page import standalone_html
from attnviz.render.viewer.payload import payload
from tests.explanations import bam, danet, vit

LABELS = [f"blocks.{number}.attn.attention" for number in range(3)]


def unpacked(text, shape, dtype="<f4"):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def carried(parts):
    return [part["label"] for part in parts if part.get("query") or part.get("matrix")]


def test_every_head_and_token_comes_through_to_the_bit():
    explanation = vit(others=2)
    position = explanation.positions[LABELS[1]]
    part = position_part(explanation, LABELS[1])
    assert (part["heads"], part["others"], part["class_token"], part["grid"], part["channels"]) == (
        2,
        2,
        True,
        [4, 5],
        4,
    )
    for name, shape in (
        ("query", (2, 4, 4, 5)),
        ("key", (2, 4, 4, 5)),
        ("other_query", (2, 4, 2)),
        ("other_key", (2, 4, 2)),
    ):
        np.testing.assert_array_equal(unpacked(part[name], shape), getattr(position, name))
    np.testing.assert_array_equal(unpacked(part["lse"], (2, 4, 5)), position.log_sum_exp)
    np.testing.assert_array_equal(unpacked(part["received_by_head"], (2, 4, 5)), position.received_by_head)
    json.dumps(part, allow_nan=False)


def test_the_rollout_comes_last_and_the_last_layer_is_shown_first():
    explanation = vit()
    parts, first, note = position_parts(explanation, on_demand=False)
    assert [part["label"] for part in parts] == [*LABELS, "rollout"]
    assert (first, note) == (LABELS[-1], "")
    assert parts[-1]["title"] == "Attention rollout of 3 layers"
    np.testing.assert_array_equal(unpacked(parts[-1]["matrix"], (21, 21)), rollout_of(explanation.positions).matrix)
    assert position_parts(danet(), on_demand=False)[1] == "position"
    assert position_parts(bam(), on_demand=True) == ([], "", "")


def test_a_page_is_sent_the_first_layer_and_asks_for_the_others(monkeypatch):
    explanation = vit()
    assert carried(position_parts(explanation, on_demand=True)[0]) == LABELS  # small ones all come at once
    monkeypatch.setattr(attention_parts, "PAGE_BYTES", 1)
    parts = payload(explanation, on_demand=True)["positions"]
    assert carried(parts) == [LABELS[-1]]
    assert [part["label"] for part in parts] == [*LABELS, "rollout"]
    for label in (LABELS[0], "rollout"):
        assert carried([position_part(explanation, label)]) == [label]
    for unknown in ("blocks.9.attn.attention", f"{LABELS[0]}.head0", ""):
        with pytest.raises(OptionError, match="position attentions"):
            position_part(explanation, unknown)
    with pytest.raises(OptionError, match="position attentions"):
        position_part(danet(), "rollout")


def test_a_file_holds_all_layers_in_half_precision_where_single_is_too_much(monkeypatch):
    explanation = vit(heads=8)
    whole = 3 * 4 * 2 * 8 * 4 * 21  # bytes: layers, float32, query and key, heads, channels, tokens
    square = 4 * 21 * 21
    monkeypatch.setattr(attention_parts, "FILE_BYTES", whole + square)
    parts, _, note = position_parts(explanation, on_demand=False)
    assert (len(carried(parts)), parts[0]["dtype"], note) == (4, "float32", "")
    monkeypatch.setattr(attention_parts, "FILE_BYTES", whole + square - 4)
    parts, _, note = position_parts(explanation, on_demand=False)
    assert carried(parts) == [*LABELS, "rollout"]
    assert parts[0]["dtype"] == "float16"
    np.testing.assert_allclose(
        unpacked(parts[0]["query"], (8, 4, 4, 5), "<f2"), explanation.positions[LABELS[0]].query, rtol=1e-3
    )
    assert "all 3 layers" in note
    assert "half precision" in note


def test_a_file_that_has_no_room_for_all_holds_some_and_says_which(monkeypatch):
    explanation = vit(layers=9)
    layer = 2 * 2 * 2 * 4 * 21  # bytes in half precision
    monkeypatch.setattr(attention_parts, "FILE_BYTES", 3 * layer)
    parts, first, note = position_parts(explanation, on_demand=False)
    assert carried(parts) == [f"blocks.{number}.attn.attention" for number in (0, 4, 8)]  # the rollout takes too much
    assert first == "blocks.8.attn.attention"
    assert "3 of 9 layers" in note
    assert "without the rollout" in note
    monkeypatch.setattr(attention_parts, "FILE_BYTES", 1)
    parts, first, _ = position_parts(explanation, on_demand=False)
    assert carried(parts) == [first] == ["blocks.8.attn.attention"]
    assert "1 of 9 layers" in standalone_html(explanation)


def test_a_large_rollout_is_held_in_half_precision(monkeypatch):
    explanation = vit()
    monkeypatch.setattr(attention_parts, "FILE_BYTES", 2 * 4 * 21 * 21)  # half of it is a quarter of the room
    rolled = position_parts(explanation, on_demand=False)[0][-1]
    assert (rolled["label"], rolled["dtype"]) == ("rollout", "float16")
    sent = unpacked(rolled["matrix"], (21, 21), "<f2")
    np.testing.assert_allclose(sent, rollout_of(explanation.positions).matrix, rtol=1e-3, atol=1e-6)


def test_numbers_that_half_precision_cannot_hold_stay_single(monkeypatch):
    explanation = vit(heads=8)
    first = explanation.positions[LABELS[0]]
    large = dataclasses.replace(first, query=first.query * np.float32(1e6))
    monkeypatch.setattr(attention_parts, "FILE_BYTES", 10_000)
    changed = dataclasses.replace(explanation, positions=explanation.positions | {LABELS[0]: large})
    parts = position_parts(changed, on_demand=False)[0]
    assert [part["dtype"] for part in parts[:3]] == ["float32", "float16", "float16"]
