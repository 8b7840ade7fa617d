"""What the server remembers of its visitors, and what it forgets."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attnviz.pipeline import explain
from attnviz.serve.sessions import Session, SessionStore


@pytest.fixture(scope="module")
def explanation(photo):
    return explain(photo)


def heavy(explanation, megabytes):
    return replace(explanation, photo=np.zeros((megabytes, 1000, 1000), dtype=np.uint8))


def test_each_visitor_has_their_own(explanation):
    store = SessionStore()
    other = replace(explanation, predictions=())
    store.keep("anna", explanation, Path("anna.png"))
    store.keep("ben", other, Path("ben.png"))
    assert store.explanation("anna") is explanation
    assert store.explanation("ben") is other
    assert store.photo("anna") == Path("anna.png")
    assert store.explanation("nobody") is None
    assert store.photo("nobody") is None


def test_a_closed_page_is_forgotten(explanation):
    store = SessionStore()
    store.keep("anna", explanation)
    store.forget("anna")
    store.forget("anna")
    assert store.explanation("anna") is None
    assert len(store) == 0


def test_the_least_recently_used_goes_first(explanation):
    store = SessionStore(max_sessions=2)
    for name in ("anna", "ben"):
        store.keep(name, explanation)
    assert store.explanation("anna") is explanation
    store.keep("carl", explanation)
    assert [store.explanation(name) is not None for name in ("anna", "ben", "carl")] == [True, False, True]


def test_memory_is_bounded_but_the_newest_stays(explanation):
    store = SessionStore(max_bytes=25_000_000)
    for name in ("anna", "ben", "carl"):
        store.keep(name, heavy(explanation, 10))
    assert [store.explanation(name) is not None for name in ("anna", "ben", "carl")] == [False, True, True]
    store.keep("dora", heavy(explanation, 60))
    assert store.explanation("dora") is not None
    assert len(store) == 1


def test_an_idle_session_is_forgotten(explanation):
    now = [0.0]
    store = SessionStore(seconds_kept=100.0, clock=lambda: now[0])
    store.keep("anna", explanation)
    now[0] = 99.0
    assert store.explanation("anna") is explanation
    now[0] = 198.0
    assert store.explanation("anna") is explanation
    now[0] = 299.0
    assert store.explanation("anna") is None
    assert len(store) == 0


def test_bytes_count_every_array_once(explanation):
    alone = Session(explanation).nbytes
    assert (
        alone >= explanation.photo.nbytes + explanation.network_image.nbytes + explanation.stages[0].gain.values.nbytes
    )
    twice = replace(explanation, network_image=explanation.photo)
    assert Session(twice).nbytes == alone - explanation.network_image.nbytes


def test_bytes_count_what_was_computed_on_demand(tiny_danet, photo):
    explanation = explain(photo, tiny_danet)
    before = Session(explanation).nbytes
    received = explanation.maps["position.received"].values
    softmax = explanation.position.log_sum_exp
    assert Session(explanation).nbytes == before + received.nbytes + softmax.nbytes


def test_what_was_computed_on_demand_counts_at_the_next_use(explanation):
    grown = replace(explanation)
    store = SessionStore(max_bytes=50_000_000)
    store.keep("anna", heavy(explanation, 10))
    store.keep("ben", grown)
    vars(grown)["computed"] = np.zeros(45_000_000, dtype=np.uint8)  # as a cached property does
    assert store.explanation("ben") is grown
    assert store.explanation("anna") is None


def test_a_note_is_read_once_by_its_visitor():
    store = SessionStore()
    store.note("anna", "explain", "expected a picture, got none")
    assert store.take_note("ben", "explain") is None
    assert store.take_note("anna", "explain") == "expected a picture, got none"
    assert store.take_note("anna", "explain") is None
    assert len(store) == 0


def test_two_parts_of_the_page_keep_a_note_each():
    store = SessionStore()
    store.note("anna", "explain", "expected a picture, got none")
    store.note("anna", "batch", "expected photos, got none")
    assert store.take_note("anna", "explain") == "expected a picture, got none"
    assert store.take_note("anna", "batch") == "expected photos, got none"


def test_looking_for_what_is_not_there_leaves_nothing_behind():
    store = SessionStore()
    assert store.explanation("nobody") is None
    assert store.photo("nobody") is None
    assert len(store) == 0


def test_many_threads_at_once(explanation):
    store = SessionStore(max_sessions=8)
    failures = []

    def visit(name):
        try:
            for _ in range(50):
                store.keep(name, explanation)
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


def test_a_session_is_carried_to_another_page(explanation):
    store = SessionStore()
    store.keep("old", explanation, Path("anna.png"), choice="bam", sent_as="1")
    store.keep_evidence("old", explanation, "found")
    assert store.copy("old", "carried-1") == Path("anna.png")
    store.forget("old")  # the page is closed
    assert store.move("carried-1", "new") == Path("anna.png")
    assert store.move("carried-1", "third") is None  # once
    assert store.known("new", Path("anna.png"), "bam") is explanation
    assert store.known("new", Path("anna.png"), "danet") is None
    assert store.known("new", Path("ben.png"), "bam") is None
    assert store.sent("new", "1") is None  # the new page was sent nothing yet
    store.keep("new", explanation, Path("anna.png"), choice="bam", sent_as="2")
    assert store.evidence("new") == "found"
    assert store.sent("new", "2") is explanation


def test_without_a_photo_there_is_nothing_to_carry(explanation):
    store = SessionStore()
    assert store.copy("nobody", "carried-1") is None
    store.keep("anna", explanation)
    assert store.copy("anna", "carried-1") is None
    assert store.known("nobody", Path("a.png"), None) is None
    assert len(store) == 1
