"""What is carried to the page in another language, without a browser: whose it is, once, and nothing for strangers."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from attnviz.serve.file_cache import VisitorFiles
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs import carry
from tests.explanations import bam

OLD, NEW, EVE = (SimpleNamespace(session_hash=name, headers={}) for name in ("old", "new", "eve"))
CHOICE = ("bam_resnet18", "keep", "0")


@pytest.fixture
def server(photo_path):
    """Leave and arrive, as functions of what the browser sends, of a server where one visitor has a photo."""
    sessions, files = SessionStore(), VisitorFiles()
    sessions.keep("old", bam(), photo_path)
    return carry._leaving(sessions, files), carry._arriving(sessions, files), sessions


def test_what_was_left_is_there_for_whoever_has_its_name_and_once(server, photo_path):
    leave, arrive, sessions = server
    answer = leave({"turn": 7}, *CHOICE, OLD)
    assert answer["turn"] == 7
    sessions.forget("old")
    photo, model, *folded = arrive(answer["carried"], NEW)
    assert (photo, model, *(part.value for part in folded)) == (str(photo_path), *CHOICE)
    assert all(part.elem_id and part.props["options" if part is folded[0] else "groups"] for part in folded)
    assert sessions.explanation("new") is not None
    assert arrive(answer["carried"], EVE)[0] != str(photo_path)
    assert sessions.explanation("eve") is None


def test_each_time_the_name_is_another(server):
    leave, _, _ = server
    names = {leave({"turn": turn}, *CHOICE, OLD)["carried"]["name"] for turn in range(5)}
    assert len(names) == 5
    assert min(map(len, names)) > 32


def test_where_nothing_was_explained_nothing_is_carried(server):
    leave, _, _ = server
    assert leave({"turn": 1}, *CHOICE, EVE) == {"turn": 1, "carried": None}
    assert leave("nonsense", *CHOICE, OLD)["turn"] is None


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "old",
        {"name": "old", "model": "a", "fit": "b", "size": "c"},  # a page that is open
        {"name": "carried-guess", "model": "a", "fit": "b", "size": "c"},
        {"name": ["carried-"], "model": "a", "fit": "b", "size": "c"},
        {"name": "carried-\0"},
    ],
)
def test_nobody_takes_what_is_not_theirs(server, sent):
    _, arrive, sessions = server
    photo, *_ = arrive(sent, EVE)
    assert Path(photo).is_file()  # the first sample
    assert sessions.explanation("eve") is None
    assert sessions.explanation("old") is not None


def test_a_photo_that_is_gone_is_not_shown(server, tmp_path):
    leave, arrive, sessions = server
    gone = tmp_path / "gone.png"
    sessions.keep("old", bam(), gone)
    photo, *_ = arrive(leave({"turn": 1}, *CHOICE, OLD)["carried"], NEW)
    assert photo != str(gone)
