"""The evidence tab in a real browser: press, cancel, press again, read, take away; on a desk and on a phone."""

import io
import json
import threading
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from attnviz.serve import requests
from tests.serve.page_steps import SLOW, open_page, state

LINE = "page-evidence-status"


@pytest.fixture
def gate(monkeypatch):
    """Holds a real measurement after its first step until it is set."""
    go_on, real = threading.Event(), requests.measure

    def held(explanation, box, mask):
        steps = real(explanation, box, mask)
        yield next(steps)
        go_on.wait(60)
        return (yield from steps)

    monkeypatch.setattr(requests, "measure", held)
    yield go_on
    go_on.set()


def measured(page: Page) -> Page:
    page.locator("#page-tab-evidence").click()
    page.locator("#page-evidence-start").click()
    expect(page.locator(".page-evidence")).to_have_attribute("data-state", "drawn", timeout=3 * SLOW)
    return page


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_press_cancel_press_again_read_and_take_away(new_page, demo_url, gate):
    page = open_page(new_page({"width": 1440, "height": 900}), demo_url)
    page.locator("#page-tab-evidence").click()
    expect(page.locator(".page-evidence")).to_contain_text("Press Measure")
    expect(page.locator("#page-evidence-cancel")).to_be_disabled()

    page.locator("#page-evidence-start").click()
    expect(page.locator(".page-evidence progress")).to_be_visible(timeout=SLOW)
    expect(page.locator(f"#{LINE}")).to_contain_text("running the network")
    page.locator("#page-evidence-cancel").click()
    expect(page.locator("#page-evidence-cancel")).to_be_disabled()
    gate.set()
    state(page, LINE, "idle")
    expect(page.locator(f"#{LINE}")).to_contain_text("Cancelled")
    expect(page.locator(".page-evidence")).to_have_attribute("data-state", "empty")

    measured(page)
    expect(page.locator("#page-evidence-cancel")).to_be_disabled()
    expect(page.locator(".av-verdict li")).to_have_count(3)
    expect(page.locator(".av-verdict")).to_contain_text("ROAD")
    maps = page.locator(".av-curves__legend button")
    charts = page.locator(".av-chart")
    expect(charts).to_have_count(3)
    for chart in charts.all():
        expect(chart.locator("polyline")).to_have_count(maps.count())
    for role in ("attention", "attribution", "baseline"):
        assert charts.first.locator(f"polyline[data-role={role}]").count() >= 2
    expect(page.locator(".av-effects > li")).to_have_count(16)
    assert page.locator(".av-effect [data-bar=before]").count() == page.locator(".av-effect [data-bar=after]").count()
    expect(page.locator(".av-numbers th", has_text="Shuffled weights").first).to_be_visible()
    assert fits(page)
    reads_by_keyboard(page)
    exports_it(page)


def reads_by_keyboard(page: Page) -> None:
    chart = page.locator(".av-chart").first
    chart.focus()
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("ArrowRight")
    expect(chart).to_have_attribute("aria-valuenow", "10")
    page.locator(".av-curves__legend button", has_text="Random map").focus()
    page.keyboard.press("Enter")
    assert chart.get_attribute("aria-valuetext").startswith("At 10 % of the pixels: Random map 0.")
    expect(chart.locator("polyline[data-chosen=true]")).to_have_attribute("data-line", "random")


def exports_it(page: Page) -> None:
    verdict = page.locator(".av-verdict li").all_text_contents()
    page.locator("#page-tab-export").click()
    page.locator("#page-export-build").click()
    state(page, "page-export-status", "done")
    with page.expect_download() as download:
        page.locator("#page-export-download").click()
    archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    document = json.loads(archive.read("evidence.json"))
    assert document["schema"] == "attnviz evidence 1"
    assert document["verdict"] == verdict
    assert {"interventions.png", "curves.png", "curves.pdf", "curves.svg"} <= {*archive.namelist()}
    assert "evidence.json" in json.loads(archive.read("manifest.json"))["files"]


def test_on_a_phone_nothing_scrolls_sideways_and_another_photo_starts_afresh(new_page, demo_url):
    page = measured(open_page(new_page({"width": 390, "height": 844}), demo_url))
    assert fits(page)
    for summary in page.locator(".av-effects summary").all()[:2]:
        summary.click()
    assert fits(page)
    widths = page.locator(".page-evidence section").evaluate_all(
        "(all) => all.map((one) => one.scrollWidth - one.clientWidth)"
    )
    assert widths == [0] * len(widths)
    page.locator("[data-sample=cat]").click()
    expect(page.locator(".page-evidence")).to_have_attribute("data-state", "empty", timeout=SLOW)


def test_a_mask_of_another_size_is_refused_and_another_photo_clears_what_was_given(new_page, demo_url, tmp_path):
    Image.new("L", (9, 7), 255).save(tmp_path / "mask.png")
    page = open_page(new_page({"width": 1440, "height": 900}), demo_url)
    page.locator("#page-tab-evidence").click()
    mask, box = page.locator("#page-evidence-mask"), page.locator("#page-evidence-box input")
    mask.locator("input[type=file]").set_input_files(tmp_path / "mask.png")
    expect(mask).to_contain_text("mask", timeout=SLOW)
    expect(mask).to_contain_text(".png", timeout=SLOW)
    page.locator("#page-evidence-start").click()
    state(page, LINE, "error")
    expect(page.locator(f"#{LINE}")).to_contain_text("pixels, got 9 × 7.")
    box.fill("1,2,3,4")
    page.locator("[data-sample=cat]").click()
    expect(box).to_have_value("", timeout=SLOW)
    expect(mask).not_to_contain_text(".png", timeout=SLOW)
