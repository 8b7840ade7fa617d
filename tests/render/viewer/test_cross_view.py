"""Cross attention in Chromium: which places a query looks at, and which queries look at a place."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect

from attnviz.render.viewer import attention_parts
from attnviz.render.viewer.attention_parts import cross_parts, position_part
from attnviz.render.viewer.payload import payload
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import PHONE, colored, differing, pixels, point

LIVE = ".av-picture--live canvas"
READOUT = ".av-readout"


@pytest.fixture(scope="module")
def detector():
    return made.detr(others=3)


@pytest.fixture(scope="module")
def last(detector):
    return detector.cross_attentions["decoder.1.attention"]


def shows(page, wanted):
    return differing(pixels(page, LIVE), colored(wanted, 0, wanted.max())) < 0.01


def choose(page, number):
    page.get_by_label("Query", exact=True).fill(str(number))
    expect(page.locator(".av-readout__class")).to_have_text(f"Query {number}")


def test_it_is_a_view_of_its_own_and_the_last_layer_comes_first(opened, detector, last):
    assert payload(detector)["views"] == ["cross"]
    page = opened(detector)
    expect(page.get_by_label("Attention", exact=True)).to_have_value("decoder.1.attention")
    assert shows(page, last.row(0, 0))


def test_a_query_chosen_by_its_number_is_shown_where_it_looks_of_all_heads_and_of_one(opened, last, detector):
    page = opened(detector)
    for head, wanted in (("mean", last), ("0", last.head(0)), ("1", last.head(1))):
        page.get_by_label("Head", exact=True).select_option(head)
        for number in (0, 3, 6):
            choose(page, number)
            row = wanted.row(number, 0)
            assert shows(page, row), (head, number)
        share = 100 * row.max()
        expect(page.locator(READOUT)).to_contain_text(f"Largest weight {share:.{0 if share >= 10 else 1}f} %")
        expect(page.locator(READOUT)).to_contain_text("falls on tokens that are no places")


def test_a_place_that_is_pointed_at_tells_which_queries_look_at_it(opened, last, detector):
    page = opened(detector)
    point(page, 1, 2, last.key_grid, click=True)
    expect(page.get_by_label("Who looks at a place")).to_be_checked()
    column = last.column(1, 2).ravel()
    best = int(column.argmax())
    expect(page.locator(READOUT)).to_contain_text(f"Query {best} looks here most")
    expect(page.locator(READOUT)).to_contain_text("row 1, column 2 of 3 × 4")
    chart = page.locator(".av-cross-queries [role=slider]")
    expect(chart).to_have_attribute("aria-valuemax", "7")
    expect(page.locator(LIVE)).to_be_hidden()
    chart.press("End")  # the one that looks here least
    least = int(column.argmin())
    expect(page.locator(".av-readout__class")).to_have_text(f"Query {least}")
    assert shows(page, last.row(least, 0))


def test_arrow_keys_move_the_place(opened, last, detector):
    page = opened(detector)
    point(page, 1, 2, last.key_grid, click=True)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect(page.locator(READOUT)).to_contain_text("row 0, column 1 of 3 × 4")
    page.keyboard.press("ArrowUp")
    expect(page.locator(READOUT)).to_contain_text("row 0, column 1 of 3 × 4")


def test_queries_that_are_places_are_chosen_on_the_photo(opened, detector):
    page = opened(detector)
    reduced = detector.cross_attentions["reduced.attention"]
    page.get_by_label("Attention", exact=True).select_option("reduced.attention")
    expect(page.get_by_label("Query", exact=True)).to_have_count(0)
    point(page, 4, 1, reduced.grid, click=True)
    expect(page.locator(READOUT)).to_contain_text("row 4, column 1 of 6 × 8")
    assert shows(page, reduced.row(4, 1))
    page.get_by_label("Who looks at a place").check()
    point(page, 2, 3, reduced.key_grid, click=True)
    expect(page.locator(READOUT)).to_contain_text("row 2, column 3 of 3 × 4")
    assert shows(page, reduced.column(2, 3))


def test_it_stays_within_a_phone(opened, detector):
    page = opened(detector, viewport=PHONE)
    point(page, 1, 2, (3, 4), click=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_left_out_is_asked_for(host, detector, monkeypatch):
    monkeypatch.setattr(attention_parts, "PAGE_BYTES", 1)
    sent = payload(detector, on_demand=True)
    assert [part["query"] is None for part in sent["cross"]] == [True, True, False]
    parts = {label: position_part(detector, label) for label in detector.cross_attentions}
    host.evaluate(
        """([sent, parts]) => {
          const load = (id, label) => Promise.resolve(parts[label]);
          attnviz.mount(document.getElementById("host"), sent, { view: "cross", load });
        }""",
        [json.loads(json.dumps(sent)), parts],
    )
    host.get_by_label("Attention", exact=True).select_option("decoder.0.attention")
    expect(host.locator(READOUT)).to_contain_text("Query 0")
    assert shows(host, detector.cross_attentions["decoder.0.attention"].row(0, 0))


def test_a_file_holds_as_many_as_fit_and_half_precision_is_close_enough(opened, detector, last, monkeypatch):
    every = sum(t.nbytes for c in detector.cross_attentions.values() for t in (c.query, c.key, c.other_key))
    monkeypatch.setattr(attention_parts, "CROSS_FILE_BYTES", every - 1)
    parts = cross_parts(detector, on_demand=False)
    assert {part["dtype"] for part in parts} == {"float16"}
    assert len(parts) == 3
    page = opened(detector)
    choose(page, 2)
    assert np.abs(last.row(2, 0)).max() > 0
    assert shows(page, last.row(2, 0))
    monkeypatch.setattr(attention_parts, "CROSS_FILE_BYTES", 1)
    assert [part["label"] for part in cross_parts(detector, on_demand=False)] == ["decoder.1.attention"]
