"""The viewer for everyone: read aloud, in the dark, on a phone, and with data of any shape and any words."""

import dataclasses
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from attnviz.render.class_colors import class_colors
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import LARGE, PHONE, WIDE, drawn_frame, live, point


def every_tab(page):
    """Shows one view after the other, with what only shows on demand."""
    for tab in page.get_by_role("tab").all():
        tab.click()
        if live(page).is_visible():
            page.get_by_label("Predicted classes", exact=True).locator("visible=true").select_option("fused")
            live(page).click()
        yield tab.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(opened, everything, scheme):
    page = opened(made.bam(trained=False), everything, color_scheme=scheme)
    page.get_by_label("Colour map").select_option("jet")
    for view in every_tab(page):
        found = Axe().run(page).response["violations"]
        assert [(view, v["id"], v["nodes"][0]["html"][:160]) for v in found] == []


def test_nothing_is_wider_than_the_window(opened, bam, everything):
    page = opened(bam, everything)
    for viewport in (PHONE, WIDE, LARGE):
        page.set_viewport_size(viewport)
        for view in every_tab(page):
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (view, viewport)


def test_a_finger_pins_too(opened, danet):
    page = opened(danet, viewport=PHONE, has_touch=True)
    box = live(page).bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.3)
    expect(page.locator(".av-pin")).to_have_count(1)


def test_a_finger_reads_values_that_stay_when_it_is_lifted(opened, bam):
    page = opened(bam, made.bam(96, 128, seed=2), viewport=PHONE, has_touch=True)

    def tap(picture):
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.6)

    tap(page.locator('[data-side="B"] .av-picture'))
    expect(page.locator(".av-readout--low")).to_contain_text(re.compile("A: ×.* · B: ×"))
    page.get_by_role("tab", name="A · Coarse to fine").click()
    tap(page.locator(".av-stage-player .av-picture"))
    drawn_frame(page)
    expect(page.locator(".av-stage-player")).to_contain_text("Here ×")


def test_hostile_names_are_only_ever_text(opened):
    names = (made.HOSTILE, "1", "__proto__")
    page = opened(made.danet(names=names, name=made.HOSTILE, architecture=made.HOSTILE))
    page.get_by_label("Predicted classes", exact=True).select_option("fused")
    live(page).click()
    expect(page.locator("h1")).to_have_text(made.HOSTILE)
    expect(page.locator(".av-classlist")).to_contain_text(made.HOSTILE)
    assert page.evaluate("window.pwned") is None
    assert page.locator("#viewer [onerror]").count() == 0


def test_grids_of_a_single_location_are_drawn(opened):
    for page in (opened(made.bam(16, 16)), opened(made.danet(8, 8))):
        assert "NaN" not in page.locator("body").inner_text()
        assert "undefined" not in page.locator("body").inner_text()
    live(page).press("ArrowRight")
    live(page).press("Enter")
    expect(page.locator(".av-readout")).to_contain_text("row 0, column 0 of 1 × 1")
    expect(page.locator(".av-readout")).to_contain_text("100 % of its attention falls on")


def test_more_classes_than_a_byte_can_tell_apart_are_named_and_drawn(opened, danet):
    old = danet.segmentation
    names = tuple(f"class {i}" for i in range(300))
    cells = np.where(old.cells > 0, 299, 43).astype(np.uint16)  # 299 is 43 in a byte
    labels = {"fused": np.where(old.labels["fused"] > 0, 299, 43).astype(np.uint16)}
    segmentation = dataclasses.replace(old, categories=names, cells=cells, labels=labels)
    page = opened(dataclasses.replace(danet, segmentation=segmentation))
    page.get_by_label("Predicted classes", exact=True).select_option("fused")
    expect(page.locator(".av-classlist li")).to_have_count(2)
    for number in (43, 299):
        row, column = np.argwhere(cells == number)[0]
        point(page, row, column, danet.position.grid)
        expect(page.locator(".av-readout__class")).to_have_text(f"class {number}")
    overlay = page.locator(".av-classes")
    drawn = overlay.evaluate(
        """async (image) => {
          await image.decode();
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
    )
    found = np.array(drawn, np.uint8).reshape(*labels["fused"].shape, 4)[..., :3]
    assert (found == class_colors(300)[labels["fused"]]).all()


def test_a_photo_of_extreme_shape_is_drawn(opened):
    page = opened(made.danet(16, 800))
    box = live(page).bounding_box()
    assert box["width"] / box["height"] == pytest.approx(50, rel=0.02)
    point(page, 1, 99, (2, 100))
    expect(page.locator(".av-readout")).to_contain_text("row 1, column 99 of 2 × 100")
