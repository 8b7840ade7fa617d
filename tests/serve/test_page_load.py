"""The page with many visitors at once: to each their own, nobody in another's way, and nothing left when they go."""

import asyncio
import gc
import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image
from playwright.sync_api import expect

from attnviz.pipeline import explain
from attnviz.render.viewer.payload import payload
from attnviz.results import Explanation
from attnviz.serve import app as app_module
from attnviz.serve import requests
from attnviz.serve.app import build_ui, launch_options
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs import export
from benchmarks.visitor import visitors
from tests.conftest import free_port

MODEL = "bam_resnet18_w32"
SIZE = "128"
CROWD = 32


def photo(number):
    """Bytes of a PNG of noise; each number another."""
    pixels = np.random.default_rng(number).integers(0, 256, (40 + number, 80, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page by itself: its address, Gradio's side of it, and what it remembers of visitors.

    Its files lie in a folder of their own: visitors of other pages in this process may still be leaving theirs.
    """
    store = SessionStore()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("visitors")))
        with patch.context() as while_built:
            while_built.setattr(app_module, "SessionStore", lambda: store)
            demo = build_ui()
        settings = {**launch_options("127.0.0.1", free_port()), "prevent_thread_lock": True, "quiet": True}
        _, address, _ = demo.launch(**settings)
        yield address, demo, store
        demo.close()


@pytest.fixture(autouse=True)
def _nothing_is_left(page):
    """What was a visitor's is gone when they are."""
    _, demo, store = page
    before = files()
    yield
    queue = demo._queue
    kept = (queue.pending_messages_per_session, queue.pending_event_ids_session, demo.state_holder.session_data)
    until = time.monotonic() + 300
    while (any(kept) or len(store) or files() != before) and time.monotonic() < until:
        time.sleep(0.1)
    assert [dict(part) for part in kept] == [{}, {}, {}]
    assert len(store) == 0
    assert files() == before
    assert not queue.event_ids_to_events
    assert not demo.app.iterators
    gc.collect()
    assert not [o for o in gc.get_objects() if type(o) is Explanation and o.photo.shape[1] == 80]


@pytest.fixture
def held_networks(monkeypatch):
    """Networks that wait: an event that is set when the first begins, and one that lets all of them go on."""
    begun, go_on, real = threading.Event(), threading.Event(), requests.run

    def slow(ready):
        begun.set()
        assert go_on.wait(300)
        return real(ready)

    monkeypatch.setattr(requests, "run", slow)
    return begun, go_on


def files():
    """Of visitors: the samples are everybody's."""
    folder = Path(get_upload_folder())
    return {path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != "samples"}


def visit(page, count, work):
    """What `work(visitor, number)` gives for so many visitors at once."""

    async def all_of_them():
        async with visitors(page[0], count) as come:
            return await asyncio.gather(*(work(visitor, number) for number, visitor in enumerate(come)))

    return asyncio.run(all_of_them())


def events_of(page, elem_id, kind):
    """Numbers of the events that start at a part of the page."""
    demo = page[1]
    part = next(number for number, block in demo.blocks.items() if getattr(block, "elem_id", None) == elem_id)
    return [number for number, event in demo.fns.items() if (part, kind) in event.targets]


def figure_of(page, build, file_format):
    """What the page's form sends for a small figure."""
    given = {"panels": ["photo"], "width": 85, "dpi": 100, "formats": [file_format]}
    inputs = {block.elem_id.rpartition("-")[2]: block for block in page[1].fns[build].inputs}
    return [given.get(name, block.value) for name, block in inputs.items()]


def test_every_answer_is_its_askers(page):
    contents = [photo(number) for number in range(CROWD)]

    async def work(visitor, number):
        given = await visitor.upload(f"{number}.png", contents[number])
        return await visitor.explain(given, MODEL, SIZE)

    answers = visit(page, CROWD, work)
    for content, answer in zip(contents, answers, strict=True):
        assert answer.data is not None, answer.words
        expected = payload(explain(content, MODEL, device="cpu", size=int(SIZE)))
        sent = answer.data[1]
        assert (sent["photo_id"], sent["photo"]) == (expected["photo_id"], expected["photo"])
        assert sent["maps"] == expected["maps"]
    assert len({answer.data[1]["id"] for answer in answers}) == CROWD


def test_a_visitor_is_told_their_place(page, held_networks):
    begun, go_on = held_networks

    async def work(visitor, number):
        given = await visitor.upload("same.png", photo(number))
        if number:
            await asyncio.to_thread(begun.wait, 300)
            await asyncio.sleep(number)  # one after the other
        asking = asyncio.create_task(visitor.explain(given, MODEL, SIZE))
        if number == 3:
            await asyncio.sleep(1)
            go_on.set()
        return await asking

    answers = visit(page, 4, work)
    assert [answer.places[0] for answer in answers] == [0, 0, 1, 2]
    assert answers[3].places == sorted(answers[3].places, reverse=True)
    assert all(answer.data is not None for answer in answers)


def test_the_page_shows_a_visitor_their_place(page, new_page, held_networks):
    begun, go_on = held_networks

    async def work(visitor, number):
        await visitor.explain(await visitor.upload("one.png", photo(number)), MODEL, SIZE)

    other = threading.Thread(target=visit, args=(page, 1, work))  # Playwright has this thread's event loop
    other.start()
    assert begun.wait(300)
    ours = new_page()
    ours.goto(page[0])  # it opens with a photo, which waits
    try:
        expect(ours.locator("#page-status")).to_contain_text("requests before yours: 1", timeout=300_000)
    finally:
        go_on.set()
    expect(ours.locator("#page-status .page-status")).to_have_attribute("data-state", "done", timeout=300_000)
    other.join()
    ours.close()


def test_nobody_waits_for_somebody_elses_figure(page, monkeypatch):
    begun, go_on, real = threading.Event(), threading.Event(), export.build_files
    (build,) = events_of(page, "page-export-build", "click")
    shown = events_of(page, "page-payload", "change")

    def slow_for_pdf(plan, wanted, **more):
        if "pdf" in wanted:
            begun.set()
            assert go_on.wait(300)
        return real(plan, wanted, **more)

    monkeypatch.setattr(export, "build_files", slow_for_pdf)

    async def work(visitor, number):
        given = await visitor.upload(f"{number}.png", photo(number))
        await visitor.explain(given, MODEL, SIZE)
        for event in shown:  # so that the panels can be chosen from
            await visitor.ask_at_once(event, [block.value for block in page[1].fns[event].inputs])
        if number == 0:
            return await visitor.ask(build, figure_of(page, build, "pdf"))
        await asyncio.to_thread(begun.wait, 300)
        try:
            again = await visitor.explain(given, MODEL, SIZE)
            return again, await visitor.ask(build, figure_of(page, build, "png"))
        finally:
            go_on.set()

    slow, (again, quick) = visit(page, 2, work)
    assert again.data is not None, again.words
    assert quick.data is not None, quick.words
    assert quick.data[0]["state"] == "done"
    assert slow.data is not None, slow.words
    assert slow.data[0]["state"] == "done"


def test_who_leaves_while_waiting_is_not_computed_for(page, held_networks, monkeypatch):
    (begun, go_on), held, ran = held_networks, requests.run, []

    def noted(ready):
        ran.append(ready.photo.shape[0])
        return held(ready)

    monkeypatch.setattr(requests, "run", noted)

    async def work(visitor, number):
        given = await visitor.upload(f"{number}.png", photo(number))
        if number:
            await asyncio.to_thread(begun.wait, 300)
        asking = asyncio.create_task(visitor.explain(given, MODEL, SIZE))
        if number == 1:
            await asyncio.sleep(1)
            asking.cancel()
            await visitor.leave()
            await asyncio.sleep(1)
            go_on.set()
            return None
        return await asking

    first, left = visit(page, 2, work)
    assert first.data is not None
    assert left is None
    assert ran == [40]


def test_who_leaves_while_computed_for_leaves_nothing(page, held_networks):
    begun, go_on = held_networks

    async def work(visitor, number):
        given = await visitor.upload("one.png", photo(number))
        asking = asyncio.create_task(visitor.explain(given, MODEL, SIZE))
        await asyncio.to_thread(begun.wait, 300)
        asking.cancel()
        await visitor.leave()
        await asyncio.sleep(0.5)
        go_on.set()

    visit(page, 1, work)


def test_a_photo_that_two_visitors_have_stays_until_both_left(page):
    content, gone = photo(1), asyncio.Event()

    async def work(visitor, number):
        given = await visitor.upload("same.png", content)
        await visitor.explain(given, MODEL, SIZE)
        if number == 0:
            await visitor.leave()
            gone.set()
            return given["path"]
        await gone.wait()
        await asyncio.sleep(1)
        assert Path(given["path"]).is_file()
        return given["path"]

    assert len(set(visit(page, 2, work))) == 1
