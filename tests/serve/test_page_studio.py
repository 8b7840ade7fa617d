"""Compare, batch and export in a real browser."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from attnviz.serve import requests
from tests.serve.page_steps import DANET, SLOW, open_page, state


@pytest.fixture
def opened(page: Page, demo_url: str) -> Page:
    return open_page(page, demo_url)


def photos(folder: Path, count: int) -> list[str]:
    paths = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (90, 120, 3), dtype=np.uint8)
        path = folder / f"photo {number}.png"
        Image.fromarray(pixels).save(path)
        paths.append(str(path))
    return paths


def downloaded(page: Page, button: str) -> zipfile.ZipFile:
    with page.expect_download() as download:
        page.locator(button).click()
    archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert archive.testzip() is None
    return archive


class TestCompare:
    def test_maps_of_one_photo_need_no_button(self, opened: Page):
        opened.locator("#page-tab-compare").click()
        expect(opened.locator("#page-view-compare .attnviz[data-ready='1']")).to_be_visible(timeout=SLOW)
        expect(opened.locator("#page-compare-run")).to_be_hidden()

    def test_two_models(self, opened: Page):
        opened.locator("#page-tab-compare").click()
        opened.locator("#page-compare-way label", has_text="Two models").click()
        opened.locator("#page-compare-model select").select_option(DANET)
        opened.locator("#page-compare-run").click()
        state(opened, "page-compare-status", "done")
        expect(opened.locator("#page-view-compare")).to_contain_text(f"B: {DANET}")
        expect(opened.locator("#page-view-compare .attnviz[data-ready='1']")).to_be_visible()

    def test_families_in_one_click_and_back(self, opened: Page):
        opened.locator("#page-tab-compare").click()
        opened.locator("#page-compare-way label", has_text="Families").click()
        state(opened, "page-compare-status", "done")
        view = opened.locator("#page-view-compare")
        heads = view.locator(".av-families").first.locator("section")
        expect(heads).to_have_count(len(requests.families()))
        expect(heads.first).to_contain_text("BAM")
        expect(view.locator('section.av-stage[aria-label="Stage 1"] canvas').first).to_be_visible()
        download = opened.locator("#page-compare-files")
        expect(download).to_be_enabled(timeout=SLOW)
        with opened.expect_download() as taken:
            download.click()
        with zipfile.ZipFile(taken.value.path()) as archive:
            assert sorted(archive.namelist()) == [f"families.{kind}" for kind in ("html", "pdf", "png", "svg")]
        opened.locator("#page-compare-way label", has_text="Maps of this photo").click()
        expect(view.locator(".av-compare")).to_be_visible()
        expect(download).to_be_hidden()

    def test_two_photos_and_a_refusal_first(self, opened: Page, tmp_path):
        opened.locator("#page-tab-compare").click()
        opened.locator("#page-compare-way label", has_text="Two photos").click()
        opened.locator("#page-compare-run").click()
        state(opened, "page-compare-status", "error")
        expect(opened.locator("#page-compare-status")).to_contain_text("Expected a second photo")
        opened.locator("#page-compare-photo input[type=file]").set_input_files(photos(tmp_path, 1)[0])
        expect(opened.locator("#page-compare-photo img")).to_be_visible()
        opened.locator("#page-compare-run").click()
        state(opened, "page-compare-status", "done")
        expect(opened.locator("#page-compare-status")).to_contain_text("another photo")

    def test_a_new_photo_ends_the_comparison(self, opened: Page):
        self.test_two_models(opened)
        opened.locator("[data-sample=cat]").click()
        expect(opened.locator("#page-view-compare")).not_to_contain_text(f"B: {DANET}", timeout=SLOW)


class TestBatch:
    def test_the_sheet_fills_in_and_the_zip_is_whole(self, opened: Page, tmp_path):
        paths = photos(tmp_path, 3)
        (tmp_path / "notes.txt").write_text("not a picture")
        opened.locator("#page-tab-batch").click()
        opened.locator("#page-batch-photos input[type=file]").set_input_files([*paths, str(tmp_path / "notes.txt")])
        expect(opened.locator("#page-batch-photos")).to_contain_text("notes")
        opened.locator("#page-batch-start").click()
        state(opened, "page-batch-status", "done")
        expect(opened.locator("#page-batch-status")).to_contain_text("3 of 4 photos explained, 1 refused")
        expect(opened.locator("#page-sheet li")).to_have_count(4)
        expect(opened.locator("#page-sheet li[data-failed=true]")).to_contain_text("Expected")
        pictures = opened.locator("#page-sheet img")
        expect(pictures).to_have_count(6)
        for picture in pictures.all():
            expect(picture).not_to_have_js_property("naturalWidth", 0)
        assert opened.locator("#page-sheet progress").evaluate("bar => bar.value / bar.max") == 1
        with downloaded(opened, "#page-batch-download") as archive:
            names = archive.namelist()
            assert "contact-sheet.png" in names
            assert len(json.loads(archive.read("summary.json"))) == 4
            assert sum(name.endswith("figure.png") for name in names) == 3

    def test_cancel_keeps_what_is_done(self, opened: Page, tmp_path, monkeypatch):
        import threading

        from attnviz.serve import requests as runs

        real, go_on = runs.run, threading.Event()

        def waits(*args, **kwargs):
            explanation = real(*args, **kwargs)
            go_on.wait(30)
            return explanation

        monkeypatch.setattr(runs, "run", waits)
        opened.locator("#page-tab-batch").click()
        opened.locator("#page-batch-photos input[type=file]").set_input_files(photos(tmp_path, 6))
        expect(opened.locator("#page-batch-photos")).to_contain_text("photo 5")
        opened.locator("#page-batch-start").click()
        expect(opened.locator("#page-batch-cancel")).to_be_enabled(timeout=SLOW)
        opened.locator("#page-batch-cancel").click()
        expect(opened.locator("#page-batch-cancel")).to_be_disabled()
        go_on.set()
        state(opened, "page-batch-status", "done")
        expect(opened.locator("#page-batch-status")).to_contain_text("1 of 6 photos explained, then cancelled")
        with downloaded(opened, "#page-batch-download") as archive:
            assert len(json.loads(archive.read("summary.json"))) == 1

    def test_too_many_are_refused(self, opened: Page, tmp_path):
        opened.locator("#page-tab-batch").click()
        one = Path(photos(tmp_path, 1)[0]).read_bytes()
        files = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": one + bytes([n])} for n in range(51)]
        opened.locator("#page-batch-photos input[type=file]").set_input_files(files)
        expect(opened.locator("#page-batch-photos tr")).to_have_count(51, timeout=SLOW)
        opened.locator("#page-batch-start").click()
        state(opened, "page-batch-status", "error")
        expect(opened.locator("#page-batch-status")).to_contain_text("Expected 1 to 50 photos")


class TestExport:
    def test_build_then_download(self, opened: Page):
        opened.locator("#page-tab-export").click()
        expect(opened.locator("#page-export-download")).to_be_disabled()
        expect(opened.locator("#page-export-panels label")).not_to_have_count(0)
        for name in ("Interactive page (HTML)", "GIF", "WebP"):
            opened.locator("#page-export-formats label", has_text=name).click()
        opened.locator("#page-export-width input").fill("90")
        opened.locator("#page-export-dpi input").fill("100")
        opened.locator("#page-export-build").click()
        state(opened, "page-export-status", "done")
        with downloaded(opened, "#page-export-download") as archive:
            wanted = {"figure.png", "figure.pdf", "figure.svg", "maps.npz", "viewer.html", "animation.gif"}
            assert {*wanted, "animation.webp", "manifest.json"} == set(archive.namelist())
            with Image.open(io.BytesIO(archive.read("figure.png"))) as figure:
                assert figure.width == round(90 / 25.4 * 100)
            recipe = json.loads(archive.read("manifest.json"))
            assert "/tmp" not in json.dumps(recipe)
        expect(opened.locator("#page-figure img")).to_be_visible()
        assert opened.locator("#page-figure img").evaluate("image => image.naturalWidth") == round(90 / 25.4 * 100)
        with opened.expect_download() as one:
            opened.locator("#page-figure a", has_text="figure.svg").click()
        assert Path(one.value.path()).read_bytes().lstrip().startswith(b"<?xml")

    def test_a_refused_figure_is_said_in_words(self, opened: Page):
        opened.locator("#page-tab-export").click()
        expect(opened.locator("#page-export-panels label")).not_to_have_count(0)
        for name in ("PNG", "PDF", "SVG", "Raw maps (NPZ)"):
            opened.locator("#page-export-formats").get_by_label(name).uncheck()
        opened.locator("#page-export-build").click()
        state(opened, "page-export-status", "error")
        expect(opened.locator("#page-export-status")).to_contain_text("Expected at least one format")

    def test_pins_of_the_view_are_in_the_figure(self, opened: Page):
        opened.locator("#page-model select").select_option(DANET)
        picture = opened.locator("#page-view-position .av-picture").first
        expect(picture).to_be_visible(timeout=SLOW)
        box = picture.bounding_box()
        for x, y in ((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)):
            picture.click(position={"x": box["width"] * x, "y": box["height"] * y})
        opened.locator("#page-tab-export").click()
        expect(opened.locator("#page-export-panels")).to_contain_text(re.compile("Pin 3.*where it looks"), timeout=SLOW)
        opened.locator("#page-export-build").click()
        state(opened, "page-export-status", "done")
        with downloaded(opened, "#page-export-download") as archive:
            recipe = archive.read("manifest.json").decode()
        assert re.search(r'"row:3"', recipe)

    def test_panels_follow_the_model(self, opened: Page):
        opened.locator("#page-model select").select_option(DANET)
        opened.locator("#page-tab-export").click()
        expect(opened.locator("#page-export-panels")).to_contain_text(re.compile("Pin 1.*where it looks"), timeout=SLOW)
        expect(opened.locator("#page-export-panels")).not_to_contain_text("Stage 1")
