"""From handing a photo to the page until its maps are drawn, beside the bare forward pass in the same run.

    python -m benchmarks.page_latency        # part of: make bench

A real Chromium uploads the photo to the real page on this machine. Each round times one upload and one bare forward
pass on the same input, so that whatever else slows the machine falls on both.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from attnviz.models.weights.registry import list_models, load_model
from attnviz.serve.environment import prepare_environment
from benchmarks.bench import BARE, PHOTO, Case, cases, lines, measure, table
from tests.page_watch import CHROMIUM_FLAGS, find_chromium

VIEWS = {"classification": "stages", "segmentation": "position"}
TABS = {"stages": "Coarse to fine", "position": "Position attention"}
SLOW = 120_000  # milliseconds

DRAWN = """([view, before]) => {
  const part = document.querySelector(`#page-view-${view} .page-view`);
  const status = document.querySelector("#page-status .page-status");
  return part && Number(part.dataset.drawn || 0) > before && status && status.dataset.state === "done"
    && part.querySelector("[data-ready='1']") !== null;
}"""


def upload_case(page: Page, view: str, photos: Sequence[Path]) -> Case:
    """Hands the page one photo after the other; done when the view has drawn it."""
    turn = 0

    def upload() -> None:
        nonlocal turn
        part = page.locator(f"#page-view-{view} .page-view")
        before = int(part.get_attribute("data-drawn") or 0)
        page.locator("#page-photo input[type=file]").set_input_files(photos[turn % len(photos)])
        page.wait_for_function(DRAWN, arg=[view, before], timeout=SLOW)
        turn += 1

    return "photo handed to the page until drawn", upload


def open_model(page: Page, address: str, name: str, view: str) -> None:
    """The page with one model chosen and its view drawn."""
    page.goto(address)
    page.wait_for_function(DRAWN, arg=["stages", 0], timeout=SLOW)
    page.get_by_label("Model", exact=True).select_option(name)
    page.get_by_role("tab", name=TABS[view]).click()
    page.wait_for_function(DRAWN, arg=[view, 0], timeout=SLOW)


@contextmanager
def opened_page(chromium: str) -> Iterator[tuple[Page, str]]:
    """The page served on this machine, a tab of Chromium, and the page's address."""
    prepare_environment()  # read when Gradio is imported, with what follows
    from attnviz.serve.app import build_ui, launch_options

    demo = build_ui()
    settings = {**launch_options(), "prevent_thread_lock": True, "quiet": True}
    _, address, _ = demo.launch(**settings)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
            yield browser.new_page(viewport={"width": 1440, "height": 900}), str(address)
            browser.close()
    finally:
        demo.close()


def photos_in(folder: Path) -> list[Path]:
    """Two photos of one size that differ, so that every upload changes the picture."""
    with Image.open(PHOTO) as picture:
        turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned.save(folder / "turned.jpg", quality=90)
    return [folder / "turned.jpg", PHOTO]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every shipped model."""
    parser = argparse.ArgumentParser(prog="benchmarks.page_latency", description="upload to overlay, in a browser")
    parser.add_argument("--repeats", type=int, default=10, help="rounds that count (default: %(default)s)")
    parser.add_argument("--model", action="append", help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        print("No Chromium: the page is not measured.")
        return 0
    shipped = {name: entry for name, entry in list_models().items() if entry.status == "shipped"}
    with tempfile.TemporaryDirectory() as folder, opened_page(chromium) as (page, address):
        photos = photos_in(Path(folder))
        for name in options.model or shipped:
            entry = shipped[name]
            view = VIEWS[entry.task]
            open_model(page, address, name, view)
            bare: tuple[str, Callable[[], object]] = cases(load_model(name))[0]
            measured = lines(name, measure([bare, upload_case(page, view, photos)], options.repeats), BARE)
            print(table(measured), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
