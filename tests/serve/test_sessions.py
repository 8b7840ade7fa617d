"""What the server remembers of its visitors, and what it forgets."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attnviz.errors import ImageError
from attnviz.pipeline import explain
from attnviz.serve.sessions import SessionStore, Visit


@pytest.fixture(scope="module")
def explanation(photo):
    return explain(photo)


def heavy(explanation, megabytes):
    return replace(explanation, photo=np.zeros((megabytes, 1000, 1000), dtype=np.uint8))


def test_each_visitor_has_their_own(explanation):
    store = SessionStore()
    other = replace(explanation, predictions=())
    store.keep("anna", "main", explanation, Path("anna.png"))
    store.keep("ben", "main", other, Path("ben.png"))
    assert store.explanation("anna") is explanation
    assert store.explanation("ben") is other
    assert store.photo("anna") == Path("anna.png")
    assert store.explanation("nobody") is None
    assert store.photo("nobody") is None


def test_a_closed_page_is_forgotten(explanation):
    store = SessionStore()
    store.keep("anna", "main", explanation)
    store.forget("anna")
    store.forget("anna")
    assert store.explanation("anna") is None
    assert len(store) == 0


def test_the_least_recently_used_goes_first(explanation):
    store = SessionStore(max_visits=2)
    for name in ("anna", "ben"):
        store.keep(name, "main", explanation)
    assert store.explanation("anna") is explanation
    store.keep("carl", "main", explanation)
    assert [store.explanation(name) is not None for name in ("anna", "ben", "carl")] == [True, False, True]


def test_memory_is_bounded_but_the_newest_stays(explanation):
    store = SessionStore(max_bytes=25_000_000)
    for name in ("anna", "ben", "carl"):
        store.keep(name, "main", heavy(explanation, 10))
    assert [store.explanation(name) is not None for name in ("anna", "ben", "carl")] == [False, True, True]
    store.keep("dora", "main", heavy(explanation, 60))
    assert store.explanation("dora") is not None
    assert len(store) == 1


def test_an_idle_visit_is_forgotten(explanation):
    now = [0.0]
    store = SessionStore(seconds_kept=100.0, clock=lambda: now[0])
    store.keep("anna", "main", explanation)
    now[0] = 99.0
    assert store.explanation("anna") is explanation
    now[0] = 198.0
    assert store.explanation("anna") is explanation
    now[0] = 299.0
    assert store.explanation("anna") is None
    assert len(store) == 0


def test_bytes_count_every_array_once(explanation):
    alone = Visit(explanations={"main": explanation}).nbytes
    assert (
        alone >= explanation.photo.nbytes + explanation.network_image.nbytes + explanation.stages[0].gain.values.nbytes
    )
    assert Visit(explanations={"main": explanation, "right": explanation}).nbytes == alone


def test_a_refusal_is_noted_once_for_its_visitor():
    store = SessionStore()
    with pytest.raises(ImageError), store.noting("anna"):
        raise ImageError("expected a picture, got none")
    assert store.take_note("ben") is None
    assert store.take_note("anna") == "expected a picture, got none"
    assert store.take_note("anna") is None


def test_an_unexpected_failure_is_noted_without_its_details():
    store = SessionStore()
    with pytest.raises(KeyError), store.noting("anna"):
        raise KeyError("secret detail")
    assert store.take_note("anna") == "this met something unexpected (KeyError); see the log"


def test_many_threads_at_once(explanation):
    store = SessionStore(max_visits=8)
    failures = []

    def visit(name):
        try:
            for _ in range(50):
                store.keep(name, "main", explanation)
                store.explanation(name)
                store.forget(name)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=visit, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store) == 0
