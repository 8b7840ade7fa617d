"""The rail's events, without a browser: what is decoded, kept and said."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from attnviz import pipeline
from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.pipeline import explain
from attnviz.serve import requests
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs import explain as tab

ANNA = SimpleNamespace(session_hash="anna", headers={})


@pytest.fixture
def decoded(monkeypatch):
    """Whatever was decoded since."""
    found, real = [], pipeline.decode
    monkeypatch.setattr(pipeline, "decode", lambda source: (found.append(source), real(source))[1])
    return found


def run(sessions, photo, *, asks):
    return list(tab._handler(sessions, asks=asks)(str(photo), DEFAULT_MODEL, "keep", "0", ANNA))


def test_a_photo_is_decoded_once_and_its_explanation_kept(photo_path, decoded):
    sessions = SessionStore()
    *_, (status, maps, cost) = run(sessions, photo_path, asks=True)
    assert decoded == [photo_path]
    assert status["state"] == "done"
    assert maps["model"]["name"] == DEFAULT_MODEL
    assert cost.startswith("Takes about")
    assert sessions.photo("anna") == photo_path
    assert sessions.explanation("anna").model.name == DEFAULT_MODEL


def test_a_long_run_waits_for_the_button(photo_path, monkeypatch):
    monkeypatch.setattr(requests, "SECONDS_WITHOUT_ASKING", 0.0)
    sessions = SessionStore()
    *_, (status, maps, _) = run(sessions, photo_path, asks=True)
    assert (status["state"], maps) == ("idle", None)
    assert sessions.explanation("anna") is None
    *_, (status, _, _) = run(sessions, photo_path, asks=False)
    assert status["state"] == "done"


def test_the_seconds_it_says_are_all_there_were(photo_path):
    explanation = explain(photo_path)
    assert {"decode", "load", "preprocess", "forward", "collect"} <= set(explanation.seconds)
    slow = replace(explanation, seconds={"decode": 30.0, "load": 5.0, "forward": 2.0})
    assert " in 37 s on " in tab._summary(slow, "BAM")


def test_what_a_refusal_leaves_behind_is_its_own_note(tmp_path):
    sessions = SessionStore()
    (tmp_path / "notes.png").write_text("not a picture")
    sessions.note("anna", "batch", "expected photos, got none")
    with pytest.raises(Exception, match="picture"):
        run(sessions, tmp_path / "notes.png", asks=True)
    photo, status = tab._restore(sessions)(ANNA)
    assert photo is None
    assert status["text"].startswith("Expected")
    assert "picture" in status["text"]
    assert sessions.take_note("anna", "batch") == "expected photos, got none"
