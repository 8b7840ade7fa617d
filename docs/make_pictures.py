"""Make the pictures of the README again: the figure with the program itself, the screenshots of the page in Chromium.

make pictures
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from attnviz.pipeline import explain
from attnviz.render.figure import plan_figure, render_figure
from attnviz.render.figure_options import FigureOptions
from attnviz.serve.environment import prepare_environment
from tests.page_watch import CHROMIUM_FLAGS, find_chromium

ROOT = Path(__file__).resolve().parent.parent
FIGURE = ROOT / "assets" / "figure.png"
SCREENSHOTS = ROOT / "docs" / "images"
PHOTO = ROOT / "assets" / "street.jpg"
PORT = 7877
PANELS = ("photo", "stage1.gain", "stage2.gain", "stage3.gain")
SEGMENTING = "danet_resnet18_w32_camvid"
SHOTS: dict[str, dict[str, Any]] = {
    "page-light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "page-dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "page-phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}
SLOW = 120_000  # milliseconds: a forward pass on a busy machine


def make_figure() -> None:
    """The stages of the default model on a sample photo, as one PNG of 1,500 pixels in width."""
    options = FigureOptions(panels=PANELS, columns=4, dpi=212, width_mm=180)
    plan = plan_figure(explain(PHOTO), options, photo_name=PHOTO.name)
    FIGURE.write_bytes(render_figure(plan, "png"))


def make_screenshots(chromium: str) -> None:
    """The page with its first sample picture: light, dark, and as wide as a phone."""
    SCREENSHOTS.mkdir(exist_ok=True)
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        for name, options in SHOTS.items():
            context = browser.new_context(**options)
            photograph(context.new_page(), address, SCREENSHOTS / f"{name}.png")
            context.close()
        browser.close()


def photograph(page: Page, address: str, file: Path) -> None:
    """Wait until the page has drawn its first explanation, and take what is in the window."""
    page.goto(address)
    _drawn(page, "stages")
    if "dark" in file.stem:
        _show_position_attention(page)
    page.wait_for_timeout(1500)  # fonts and the last transition
    page.screenshot(path=file)


def _show_position_attention(page: Page) -> None:
    """DANet on the photo of a street; one location pinned on a taxi and one on a house."""
    page.locator("[data-sample=street]").click()
    expect(page.locator("#page-photo img")).to_have_attribute("src", re.compile("street"), timeout=SLOW)
    page.get_by_label("Model", exact=True).select_option(SEGMENTING)
    page.get_by_role("tab", name="Position attention").click()
    _drawn(page, "position")
    photo = page.locator("#page-view-position [role=application]")
    box = photo.bounding_box()
    if box is None:
        raise RuntimeError("expected the photo of the position view on the page, got none")
    for across, down in ((0.55, 0.75), (0.2, 0.35)):
        photo.click(position={"x": across * box["width"], "y": down * box["height"]})


def _drawn(page: Page, view: str) -> None:
    expect(page.locator(f"#page-view-{view} .attnviz[data-ready='1']")).to_be_visible(timeout=SLOW)


@contextmanager
def served() -> Iterator[str]:
    """The page on this machine; gives its address."""
    prepare_environment()  # read when Gradio is imported, with what follows
    from attnviz.serve.app import build_ui, launch_options

    demo = build_ui()
    _, address, _ = demo.launch(**{**launch_options(port=PORT), "prevent_thread_lock": True, "quiet": True})
    yield str(address)
    demo.close()


def main() -> int:
    """Make all of them; without Chromium the figure alone."""
    make_figure()
    chromium = find_chromium()
    if chromium is None:
        sys.stderr.write("no Chromium found: the screenshots are as they were\n")
        return 1
    make_screenshots(chromium)
    return 0


if __name__ == "__main__":
    sys.exit(main())
