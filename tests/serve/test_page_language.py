"""The page in its visitor's language: which one, what is translated, and a visitor who switches."""

import json
import re

import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from attnviz.language import DEFAULT_LANGUAGE, LANGUAGES, catalogue, category_name, speaker, translated
from attnviz.models.weights.registry import list_models
from attnviz.render.colormaps import names as colormap_names
from attnviz.serve import requests
from attnviz.serve.app import build_ui
from attnviz.serve.page_language import COOKIE, PageLanguage, described, language_of
from tests.serve.page_steps import DANET, SLOW, done, drawn, open_page, state

CHINESE = re.compile(r"[一-鿿]")
OTHERS = [code for code in LANGUAGES if code != DEFAULT_LANGUAGE]


# --- which language -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-TW", "zh"),
        ("ZH-hans-cn", "zh"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh;q=0.7,en;q=0.3", "zh"),
        ("zh;q=0.2,en;q=0.9", "en"),
        ("zh;q=0", "en"),
        ("de,fr", "en"),
        ("*", "en"),
        ("zh;q=nan, ;;;, zh;q=7", "en"),
        ("\x00zh", "en"),
        ("zh" * 5000, "en"),
    ],
)
def test_a_browser_asks_for_its_language(accepted, language):
    assert language_of({"accept-language": accepted}) == language


@pytest.mark.parametrize(
    ("cookie", "language"),
    [
        (f"{COOKIE}=en", "en"),
        (f"a=b; {COOKIE}=zh; c=d", "zh"),
        (f"{COOKIE}=../../etc/passwd", "zh"),
        (f"{COOKIE}=", "zh"),
        ("=;=;=\x00", "zh"),
    ],
)
def test_a_choice_outweighs_the_browser_and_nonsense_does_not(cookie, language):
    assert language_of({"cookie": cookie, "accept-language": "zh"}) == language


# --- what the server sends ------------------------------------------------------------------------------------------

PAGE = (
    '<!doctype html><html lang="en"><head><title>x</title></head><body><script>window.gradio_config = '
    '{"components": [{"type": "button", "props": {"value": "Explain"}}]};</script></body></html>'
)


@pytest.fixture
def client():
    routes = [
        Route("/", lambda request: HTMLResponse(PAGE)),
        Route("/config", lambda request: JSONResponse({"value": "Explain"})),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(PageLanguage)
    return TestClient(app)


def config_in(text):
    return json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", text)[1])


def test_the_page_leaves_the_server_in_the_language_asked_for(client):
    answer = client.get("/", headers={"accept-language": "zh-CN"})
    assert config_in(answer.text)["components"][0]["props"]["value"] == translated("Explain", "zh")
    assert answer.headers["content-language"] == "zh"
    assert {"Accept-Language", "Cookie"} <= set(re.split(r", *", answer.headers["vary"]))
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "set-cookie" not in answer.headers
    assert '<html lang="zh-CN"' in answer.text
    assert answer.text.index("attnvizWords") < answer.text.index("<title>")


def test_english_is_told_too_but_nothing_is_changed(client):
    answer = client.get("/", headers={"accept-language": "de"})
    assert config_in(answer.text) == config_in(PAGE)
    assert '"attnvizLanguage":"en"' in answer.text


def test_a_choice_in_the_address_is_remembered(client):
    answer = client.get("/?language=zh", headers={"accept-language": "en"})
    assert answer.headers["content-language"] == "zh"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=zh; ")
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert client.get("/", headers={"accept-language": "en"}).headers["content-language"] == "zh"


def test_over_https_it_is_remembered_in_a_frame_of_another_site(client):
    cookie = client.get("/?language=zh", headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    assert {"SameSite=None", "Secure", "Partitioned"} <= set(cookie.split("; "))


@pytest.mark.parametrize("query", ["language=de", "language=", "language=zh%0d%0aX-Evil:1", "language[]=zh", "%ff=%fe"])
def test_an_unknown_choice_is_ignored(client, query):
    answer = client.get(f"/?{query}", headers={"accept-language": "en"})
    assert answer.headers["content-language"] == "en"
    assert "set-cookie" not in answer.headers
    assert "x-evil" not in answer.headers


def test_other_answers_are_left_alone(client):
    answer = client.get("/config", headers={"accept-language": "zh"})
    assert answer.json() == {"value": "Explain"}
    assert "content-language" not in answer.headers


# --- nothing is forgotten -------------------------------------------------------------------------------------------


def test_every_text_of_the_page_is_in_the_catalogue():
    said = set()
    described(build_ui().get_config_file()["components"], lambda text: said.add(text) or text)
    names = {card.title for card in list_models().values()} | set(colormap_names()) | {"attnviz"}
    words = {text for text in said - names if re.search(r"[a-z]{3}", text) and "weights pull" not in text}
    assert len(words) > 60
    for language in OTHERS:
        assert {text for text in words if translated(text, language) == text} == set()


def test_values_and_choices_that_the_server_reads_are_left_alone():
    config = json.loads(json.dumps(build_ui().get_config_file()["components"], default=str))
    english, chinese = (described(config, speaker(language)) for language in ("en", "zh"))
    assert english == config
    assert [part["props"].get("elem_id") for part in chinese] == [part["props"].get("elem_id") for part in english]
    for one, other in zip(english, chinese, strict=True):
        for choice, told in zip(one["props"].get("choices") or [], other["props"].get("choices") or [], strict=True):
            assert choice[1] == told[1]
        if one["type"] not in ("button", "html"):
            assert one["props"].get("value") == other["props"].get("value")


def test_html_is_translated_block_by_block():
    part = {"type": "html", "props": {"value": "<h2>Papers</h2><p>Not\n known.</p><p>What was <em>x</em></p>"}}
    told = described(part, speaker("zh"))["props"]["value"]
    assert told == f"<h2>{translated('Papers', 'zh')}</h2><p>Not\n known.</p><p>What was <em>x</em></p>"


# --- a visitor ------------------------------------------------------------------------------------------------------


def settled(page):
    """Wait until no answer is under way: a page that is left before has Gradio's client complain."""
    seen, now = -1, 0
    while now != seen:
        page.wait_for_timeout(1000)
        seen, now = now, page.evaluate("performance.getEntriesByType('resource').length")


def test_a_visitor_whose_browser_is_chinese_reads_chinese_and_can_switch(new_context, demo_url):
    page = new_context(locale="zh-CN", viewport={"width": 1440, "height": 900}).new_page()
    page.goto(demo_url)
    done(page)
    assert page.evaluate("navigator.language") == "zh-CN"
    expect(page.locator("#page-explain")).to_have_text(translated("Explain", "zh"))
    expect(page.locator("#page-tab-stages")).to_have_text(catalogue("zh")["viewer"]["Coarse to fine"])
    drawn(page, "stages")
    assert CHINESE.search(page.locator("#page-status").inner_text())
    assert CHINESE.search(page.locator("#page-cost").inner_text())
    shown = page.locator("#page-view-stages").inner_text()
    assert catalogue("zh")["viewer"]["Effective gain"] in shown
    assert "Effective gain" not in shown
    page.locator("#page-tab-batch").click()
    assert "点击上传" in page.locator("#page-batch-photos").inner_text()  # Gradio's own words

    settled(page)
    page.locator(".page-languages a[hreflang=en]").click()
    done(page)
    expect(page.locator("#page-explain")).to_have_text("Explain")
    expect(page.locator(".page-languages a[hreflang=en]")).to_have_attribute("aria-current", "true")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    settled(page)
    page.goto(demo_url)  # without the choice in the address
    done(page)
    expect(page.locator("#page-tab-stages")).to_have_text("Coarse to fine")


def test_a_switch_keeps_the_photo_and_all_that_was_chosen(new_context, demo_url, tmp_path, assets, monkeypatch):
    own = tmp_path / "own.jpg"
    own.write_bytes((assets / "street.jpg").read_bytes() + b"\0")  # a file that is no sample's
    page = new_context(locale="en-US", viewport={"width": 1440, "height": 900}).new_page()
    monkeypatch.setattr(requests, "SECONDS_WITHOUT_ASKING", 600.0)  # on a busy machine
    open_page(page, demo_url)
    page.locator("#page-model select").select_option(DANET)
    done(page)
    page.locator("#page-photo input[type=file]").set_input_files(own)
    expect(page.locator(".page-samples button[aria-pressed=true]")).to_have_count(0)  # and the line says that it waits
    done(page)
    page.locator("#page-tab-position").click()
    drawn(page, "position")
    page.locator("#page-view-position .av-picture").first.click(position={"x": 90, "y": 60})
    pins = page.locator("#page-view-position .av-pin")
    expect(pins.first).to_be_visible()
    set_before = pins.locator(".av-pin__text").all_inner_texts()
    opacity = page.locator("#page-view-position input[type=range]").first
    opacity.fill("0.3")
    shown = opacity.input_value()
    before = page.locator("#page-status").inner_text()
    runs = []
    monkeypatch.setattr(requests, "run", lambda ready: runs.append(ready) or pytest.fail("the network ran again"))

    page.locator(".page-languages a[hreflang=zh]").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN", timeout=SLOW)
    done(page)
    drawn(page, "position")
    assert page.locator("#page-status").inner_text() == translated(before, "zh") != before
    expect(page.locator("#page-model select")).to_have_value(DANET)
    expect(page.locator("#page-view-position input[type=range]").first).to_have_value(shown)
    expect(page.locator(".page-samples button[aria-pressed=true]")).to_have_count(0)
    assert pins.locator(".av-pin__text").all_inner_texts() == [category_name(text, "zh") for text in set_before]
    assert page.evaluate("document.querySelector('#page-photo img').naturalWidth") > 0
    assert runs == []
    assert page.evaluate("sessionStorage.length") == 0  # another load begins as any


def test_a_refusal_is_told_in_chinese(new_context, demo_url, tmp_path):
    page = new_context(locale="zh-CN").new_page()
    page.goto(demo_url)
    done(page)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    page.locator("#page-photo input[type=file]").set_input_files(broken)
    state(page, "page-status", "error")
    words = page.locator("#page-status").inner_text()
    assert CHINESE.search(words)
    assert not re.search(r"expected|got", words)
    assert words.endswith("。")


def test_a_figure_of_a_chinese_page_is_described_in_chinese(new_context, demo_url):
    page = new_context(locale="zh-CN", viewport={"width": 1440, "height": 900}).new_page()
    page.goto(demo_url)
    done(page)
    page.locator("#page-tab-export").click()
    expect(page.locator("#page-export-panels")).to_contain_text(translated("effective gain", "zh"), timeout=SLOW)
    page.locator("#page-export-build").click()
    state(page, "page-export-status", "done")
    assert CHINESE.search(page.locator("#page-export-status").inner_text())


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_scrolls_sideways_in_chinese(new_context, demo_url, width):
    page = new_context(locale="zh-CN", viewport={"width": width, "height": 844}).new_page()
    page.goto(demo_url)
    done(page)
    for tab in ("stages", "position", "compare", "evidence", "batch", "export", "about"):
        page.locator(f"#page-tab-{tab}").click()
        page.wait_for_timeout(250)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
