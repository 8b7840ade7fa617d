"""The page in a real browser: a photo goes in, maps come out, and what goes wrong is said in words."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.serve.page_steps import DANET, SLOW, done, drawn, open_page, saw, state


@pytest.fixture
def opened(page: Page, demo_url: str) -> Page:
    """The page after its first sample was explained."""
    return open_page(page, demo_url)


def status_of(page: Page) -> str:
    return page.locator("#page-status .page-words").inner_text()


def upload(page: Page, path) -> None:
    page.locator("#page-photo input[type=file]").set_input_files(str(path))


def test_first_visit_shows_a_sample_explained(opened: Page):
    drawn(opened, "stages")
    expect(opened.locator("#page-photo img")).to_be_visible()
    assert re.search(r"saw \d+ × \d+ pixels", status_of(opened))
    assert "Takes about" in opened.locator("#page-cost").inner_text()
    assert opened.locator("[data-sample][aria-pressed='true']").count() == 1


def test_upload_draws_stages_of_the_new_photo(opened: Page, tmp_path):
    pixels = np.random.default_rng(7).integers(0, 256, (400, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "tall.png")
    drawn(opened, "stages")
    before = int(opened.locator("#page-view-stages .page-view").get_attribute("data-drawn"))
    upload(opened, tmp_path / "tall.png")
    expect(opened.locator("#page-status")).to_contain_text(saw(400, 200), timeout=SLOW)
    expect(opened.locator("#page-view-stages .page-view")).to_have_attribute("data-drawn", str(before + 1))
    drawn(opened, "stages")
    assert opened.locator("[data-sample][aria-pressed='true']").count() == 0


def test_sample_click_explains_it(opened: Page):
    opened.locator("[data-sample=rocket]").click()
    expect(opened.locator("[data-sample=rocket]")).to_have_attribute("aria-pressed", "true")
    expect(opened.locator("#page-photo img")).to_have_attribute("src", re.compile("rocket"), timeout=SLOW)
    done(opened)
    drawn(opened, "stages")


def test_pasted_picture_is_explained(opened: Page):
    opened.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(320, 160);
          canvas.getContext("2d").fillRect(20, 20, 90, 90);
          const blob = await canvas.convertToBlob({ type: "image/png" });
          const data = new DataTransfer();
          data.items.add(new File([blob], "pasted.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
    )
    expect(opened.locator("#page-status")).to_contain_text(saw(160, 320), timeout=SLOW)


def test_danet_answers_a_click_and_says_what_does_not_apply(opened: Page):
    opened.locator("#page-model select").select_option(DANET)
    expect(opened.locator("#page-tab-position")).to_have_attribute("aria-selected", "true", timeout=SLOW)
    drawn(opened, "position")
    canvas = opened.locator("#page-view-position .av-picture").first
    box = canvas.bounding_box()
    before = opened.locator("#page-view-position").inner_text()
    canvas.click(position={"x": box["width"] * 0.2, "y": box["height"] * 0.8})
    expect(opened.locator("#page-view-position")).not_to_have_text(before)
    opened.locator("#page-tab-channel").click()
    drawn(opened, "channel")
    opened.locator("#page-tab-stages").click()
    expect(opened.locator("#page-view-stages")).to_contain_text("choose a model that has")


def test_bam_says_why_there_is_no_position_attention(opened: Page):
    opened.locator("#page-tab-position").click()
    expect(opened.locator("#page-view-position")).to_contain_text("choose a model that has")
    opened.locator("#page-view-position button", has_text="Switch to DANet").click()
    drawn(opened, "position")
    expect(opened.locator("#page-model select")).to_have_value(DANET)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.png", b"this is no picture at all", "picture"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "picture"),
        ("empty.jpg", b"", "picture"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "picture"),
    ],
)
def test_broken_picture_is_refused_in_words_and_nothing_is_lost(
    opened: Page, page_watch, tmp_path, name, content, words
):
    drawn(opened, "stages")
    photo = opened.locator("#page-photo img").get_attribute("src")
    (tmp_path / name).write_bytes(content)
    upload(opened, tmp_path / name)
    state(opened, "page-status", "error")
    said = status_of(opened)
    assert said.startswith("Expected")
    assert words in said
    assert "still there" in said
    assert "/tmp" not in said
    expect(opened.locator("#page-photo img")).to_have_attribute("src", photo)
    drawn(opened, "stages")
    assert opened.locator("#page-view-stages .page-view").get_attribute("aria-busy") is None
    assert not any(found.is_visible() for found in opened.get_by_text("Error", exact=True).all())


def test_a_file_that_is_too_large_is_refused_in_words_and_nothing_is_lost(opened: Page, tmp_path):
    photo = opened.locator("#page-photo img").get_attribute("src")
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(21 * 2**20))
    upload(opened, tmp_path / "large.png")
    state(opened, "page-status", "error")
    assert status_of(opened).startswith("Expected photos of at most 20 MB, got large.png of 22 MB")
    expect(opened.locator("#page-photo img")).to_have_attribute("src", photo)


def test_a_full_queue_is_said_in_words(opened: Page, page_watch):
    page_watch.expect("503")
    full = {"status": 503, "content_type": "application/json", "body": '{"detail": "Queue is full."}'}
    opened.route("**/queue/join*", lambda route: route.fulfill(**full))
    opened.locator("#page-explain").click()
    state(opened, "page-status", "error")
    assert "may be busy" in status_of(opened)
    drawn(opened, "stages")


def test_clearing_the_photo_clears_its_maps(opened: Page):
    drawn(opened, "stages")
    opened.locator("#page-photo button[aria-label='Remove Image']").click()
    expect(opened.locator("#page-view-stages")).to_contain_text("Choose a photo")
    expect(opened.locator("#page-photo img")).to_have_count(0)


def test_fit_and_size_reach_the_network(opened: Page):
    opened.locator("#page-options > button, #page-options .label-wrap").first.click()
    opened.locator("#page-fit label", has_text="Centre").click()
    expect(opened.locator("#page-status")).to_contain_text(saw(300, 451, resize_mode="center_crop"), timeout=SLOW)
    opened.locator("#page-size select").select_option("192")
    expect(opened.locator("#page-status")).to_contain_text(
        saw(300, 451, size=192, resize_mode="center_crop"), timeout=SLOW
    )


def test_a_run_that_does_not_fit_is_refused(opened: Page, monkeypatch):
    monkeypatch.setattr("attnviz.pipeline.free_memory", lambda device: 1000)
    opened.locator("#page-explain").click()
    state(opened, "page-status", "error")
    assert "memory that is free" in status_of(opened)


def test_a_long_run_waits_for_the_button(opened: Page, monkeypatch):
    monkeypatch.setattr("attnviz.serve.requests.SECONDS_WITHOUT_ASKING", 0.0)
    opened.locator("[data-sample=cat]").click()
    expect(opened.locator("#page-status")).to_contain_text("Press Explain", timeout=SLOW)
    expect(opened.locator("#page-view-stages")).to_contain_text("Choose a photo")
    opened.locator("#page-explain").click()
    done(opened)
    drawn(opened, "stages")


def test_random_weights_say_so(opened: Page, monkeypatch):
    from attnviz.serve import requests as runs

    real = runs.run

    def untrained(*args, **kwargs):
        from dataclasses import replace

        explanation = real(*args, **kwargs)
        return replace(explanation, model=replace(explanation.model, trained=False))

    monkeypatch.setattr(runs, "run", untrained)
    opened.locator("#page-explain").click()
    expect(opened.locator("#page-status")).to_contain_text("weights are random", timeout=SLOW)
    expect(opened.locator("#page-view-stages")).to_contain_text(re.compile("random", re.IGNORECASE))
