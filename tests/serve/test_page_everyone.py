"""The page for everyone: on a phone, in the dark, by keyboard, read aloud, and beside another visitor."""

import json
import re
import time
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.serve.page_steps import DANET, SLOW, done, open_page, saw, state

TABS = ("stages", "position", "channel", "inside", "sites", "compare", "evidence", "batch", "export", "about")


@pytest.fixture(scope="session")
def axe_script() -> str:
    """Source of axe-core, as a pinned package of the tests brings it along."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(new_page, demo_url, axe_script, scheme):
    page = open_page(new_page({"width": 1440, "height": 900}, color_scheme=scheme), demo_url)
    page.evaluate(axe_script)
    found = []

    def check(*tabs):
        for tab in tabs:
            page.locator(f"#page-tab-{tab}").click()
            page.wait_for_timeout(300)
            result = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
            for violation in result["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    where = [node["html"][:160] for node in violation["nodes"][:3]]
                    found.append(f"{tab}: {violation['id']}: {violation['help']}: {json.dumps(where)}")

    check("stages", "position", "compare", "evidence", "batch", "export", "about")
    page.locator("#page-tab-stages").click()
    page.locator("#page-model select").select_option(DANET)
    expect(page.locator("#page-tab-position")).to_have_attribute("aria-selected", "true", timeout=SLOW)
    check("position", "channel")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [390, 360, 768, 2560])
def test_nothing_scrolls_sideways(new_page, demo_url, width):
    page = open_page(new_page({"width": width, "height": 844}), demo_url)
    for tab in TABS:
        page.locator(f"#page-tab-{tab}").click()
        page.wait_for_timeout(250)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
        expect(page.locator(f"#page-panel-{tab}")).to_be_visible()


def test_dark_mode_follows_the_system(new_page, demo_url):
    colors = {}
    for scheme in ("light", "dark"):
        page = open_page(new_page(color_scheme=scheme), demo_url)
        colors[scheme] = page.evaluate(
            "() => ['backgroundColor', 'color'].map((key) => getComputedStyle(document.body)[key].match(/\\d+/g)"
            ".slice(0, 3).map(Number).reduce((a, b) => a + b))"
        )
    light, dark = colors["light"], colors["dark"]
    assert light[0] > 700 > 300 > light[1]
    assert dark[0] < 120 < 600 < dark[1]


def test_by_keyboard_alone(new_page, demo_url):
    page = open_page(new_page({"width": 1440, "height": 900}), demo_url)

    def tab_to(selector: str, most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                outline = page.evaluate(
                    "() => { const s = getComputedStyle(document.activeElement);"
                    " const next = document.activeElement.nextElementSibling;"
                    " return s.outlineStyle !== 'none' || s.boxShadow !== 'none'"
                    " || Boolean(next && getComputedStyle(next).outlineStyle !== 'none'); }"
                )
                assert outline, f"{selector} has focus and does not show it"
                return
        pytest.fail(f"{selector} was not reached by {most} presses of Tab")

    tab_to("[data-sample=cat]")
    page.keyboard.press("Enter")
    expect(page.locator("#page-photo img")).to_have_attribute("src", re.compile("cat"), timeout=SLOW)
    done(page)
    tab_to("#page-model select")
    page.keyboard.press("D")
    expect(page.locator("#page-tab-position")).to_have_attribute("aria-selected", "true", timeout=SLOW)
    tab_to("#page-explain")
    tab_to("#page-tab-position")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#page-tab-channel")).to_be_focused()
    expect(page.locator("#page-panel-channel")).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("#page-panel-about")).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#page-panel-position")).to_be_visible()
    tab_to("#page-view-position [tabindex='0']:not(input, select, button)")
    before = page.locator("#page-view-position").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#page-view-position")).not_to_have_text(before)


def test_two_visitors_never_see_each_others_pictures(new_context, demo_url, tmp_path):
    shapes = {"anna": (140, 280), "ben": (300, 100)}
    pages = {name: open_page(new_context().new_page(), demo_url) for name in shapes}
    for name, (height, width) in shapes.items():
        pixels = np.random.default_rng(len(name)).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    for name, page in pages.items():  # both at once: the second does not wait for the first
        page.locator("#page-photo input[type=file]").set_input_files(str(tmp_path / f"{name}.png"))
    for name, page in pages.items():
        expect(page.locator("#page-status")).to_contain_text(saw(*shapes[name]), timeout=SLOW)
        page.locator("#page-tab-export").click()
        page.locator("#page-export-build").click()
    for name, page in pages.items():
        other = next(key for key in shapes if key != name)
        state(page, "page-export-status", "done")
        assert f"{name}.png" in page.locator("#page-figure").inner_text()
        assert f"{other}.png" not in page.content()  # the bare name also occurs in base64


def test_a_closed_page_is_forgotten(page, demo_url, monkeypatch):
    from attnviz.serve.sessions import SessionStore

    forgotten = []
    real = SessionStore.forget
    monkeypatch.setattr(SessionStore, "forget", lambda self, session: (forgotten.append(session), real(self, session)))
    open_page(page, demo_url)
    page.close()
    for _ in range(100):
        if forgotten:
            break
        time.sleep(0.2)
    assert forgotten


def test_a_script_in_a_file_name_stays_text(page, demo_url, tmp_path):
    open_page(page, demo_url)
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "<img src=x onerror=window.hurt=1>${window.hurt=1}{{window.hurt=1}}.png"
    Image.fromarray(pixels).save(path)
    page.locator("#page-photo input[type=file]").set_input_files(str(path))
    expect(page.locator("#page-status")).to_contain_text(saw(64, 64), timeout=SLOW)
    page.locator("#page-tab-batch").click()
    page.locator("#page-batch-photos input[type=file]").set_input_files(str(path))
    expect(page.locator("#page-batch-photos tr")).to_have_count(1)
    page.locator("#page-batch-start").click()
    state(page, "page-batch-status", "done")
    page.locator("#page-tab-export").click()
    page.locator("#page-export-build").click()
    state(page, "page-export-status", "done")
    assert page.evaluate("window.hurt === undefined")
