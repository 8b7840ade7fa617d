"""The comparison's event, without a browser: what it sends and what it keeps."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from attnviz.pipeline import explain
from attnviz.serve.sessions import Session, SessionStore
from attnviz.serve.tabs import compare as tab
from tests.serve.page_steps import DANET

ANNA = SimpleNamespace(session_hash="anna", headers={})


def test_the_right_side_is_sent_and_pushes_nobody_out(photo):
    left = explain(photo)
    other = replace(left, photo=np.zeros((1000, 1000, 3), dtype=np.uint8))
    sessions = SessionStore(max_bytes=Session(left).nbytes + Session(other).nbytes)
    sessions.keep("ben", other)
    sessions.keep("anna", left)
    *_, (status, sides) = tab._handler(sessions)("model", DANET, None, "keep", "0", ANNA)
    assert status["state"] == "done"
    assert (sides["left"]["model"]["name"], sides["right"]["model"]["name"]) == (left.model.name, DANET)
    assert sessions.explanation("anna") is left
    assert sessions.explanation("ben") is other
