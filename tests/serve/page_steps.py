"""Steps that the tests of the page share: which models there are, and how to wait for what the page does."""

from dataclasses import replace

from playwright.sync_api import Page, expect

from attnviz.inputs.preprocess import plan
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models

SLOW = 60_000  # milliseconds: a forward pass on a busy machine
DANET = next(
    name
    for name, entry in list_models().items()
    if entry.status == "shipped" and entry.config.get("architecture") == "DANet"
)


def saw(height: int, width: int, *, size: int | None = None, resize_mode: str = "keep") -> str:
    """What the page says that the default model saw of a photo."""
    own = list_models()[DEFAULT_MODEL].preprocessing
    options = replace(own, size=size or own.size, resize_mode=resize_mode)
    rows, columns = plan((height, width), options).network_size
    return f"saw {columns} × {rows} pixels"


def state(page: Page, line: str, wanted: str) -> None:
    """Wait until a status line is in a state."""
    expect(page.locator(f"#{line} .page-status")).to_have_attribute("data-state", wanted, timeout=SLOW)


def done(page: Page) -> None:
    """Wait until the page says that the network is done."""
    state(page, "page-status", "done")


def drawn(page: Page, view: str) -> None:
    """Wait until the viewer says that a view is drawn."""
    expect(page.locator(f"#page-view-{view} .attnviz[data-ready='1']")).to_be_visible(timeout=SLOW)


def open_page(page: Page, url: str) -> Page:
    """Open the page and wait for its first sample."""
    page.goto(url)
    done(page)
    return page
