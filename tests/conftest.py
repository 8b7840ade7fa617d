"""Fixtures for all tests: one served page, a watched Chromium, sample pictures, small seeded networks, no network."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: the workers share the processors

import numpy as np
import pytest
from PIL import Image

from attnviz.serve.environment import prepare_environment
from tests.page_watch import CHROMIUM_FLAGS, CHROMIUM_NAMES, LOCAL_HOSTS, PageWatch, find_chromium

prepare_environment()  # before a test imports Gradio
ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need a browser and runs them last: Playwright leaves an event loop running behind it."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


# --- nothing leaves the machine, nothing is left behind -----------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches and temporary files of the program go to a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNVIZ_HOME", str(tmp_path_factory.mktemp("attnviz-home")))
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio-temp")))
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


@pytest.fixture(scope="session")
def _outside_connections() -> Iterator[list[str]]:
    """Refuses connections and look-ups beyond this machine, and keeps a list of who was asked for."""
    attempts: list[str] = []
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host: Any) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in (*LOCAL_HOSTS, "", "0.0.0.0", "::", socket.gethostname()):
            attempts.append(str(name))
            raise OSError(f"the tests may not reach {name}")

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                check(address[0])
            return original(self, address)

        return call

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        check(host)
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield attempts


@pytest.fixture(autouse=True)
def _stays_on_this_machine(request: pytest.FixtureRequest, _outside_connections: list[str]) -> Iterator[None]:
    """Fails a test during which anything asked for another machine, also where the program swallowed the refusal."""
    before = len(_outside_connections)
    yield
    asked = _outside_connections[before:]
    if asked and request.node.get_closest_marker("asks_outside") is None:
        pytest.fail(f"asked for other machines: {asked}")


# --- the page in a real browser -------------------------------------------------------------------------------------


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """Address of the page, served once for the whole run by the program's own launcher settings."""
    from attnviz.serve.app import build_ui, launch_options

    demo = build_ui()
    settings = {**launch_options(), "server_name": "127.0.0.1", "server_port": free_port()}
    settings.update(prevent_thread_lock=True, quiet=True, inbrowser=False)
    _, url, _ = demo.launch(**settings)
    yield url
    demo.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium. Without one the browser tests are skipped, but in CI they fail."""
    found = find_chromium()
    if found is None:
        reason = f"no Chromium on PATH (looked for {', '.join(CHROMIUM_NAMES)}; CHROMIUM=/path/to/it names another)"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and in CI the browser tests must run")
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium: str, browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": chromium, "args": list(CHROMIUM_FLAGS)}


@pytest.fixture(scope="session")
def base_url() -> None:
    """None: tests say which page they open. (The plugin's own fixture of that name warns under pytest 9.)"""


@pytest.fixture
def page_watch() -> PageWatch:
    """The judge of this test's pages; `page_watch.expect(pattern)` where an error on the console is the point."""
    return PageWatch()


@pytest.fixture
def new_context(new_context: Callable[..., Any], page_watch: PageWatch) -> Iterator[Callable[..., Any]]:
    """Makes a visitor (a browser context) that is watched and whom nobody has seen before."""

    def watched(**options: Any) -> Any:
        context = new_context(**options)
        context.set_default_timeout(30_000)
        page_watch.watch(context)
        return context

    yield watched
    judge(page_watch)


@pytest.fixture(scope="session")
def returning_visitor(browser: Any, browser_context_args: dict[str, Any]) -> Iterator[Any]:
    """One visitor (a browser context) for many tests, who has the page's scripts in the cache, compiled."""
    context = browser.new_context(**browser_context_args)
    context.set_default_timeout(30_000)
    context.new_page()  # keeps the window open: a new one costs Chromium more than the page of most tests
    yield context
    context.close()


@pytest.fixture
def new_page(returning_visitor: Any, page_watch: PageWatch) -> Iterator[Callable[..., Any]]:
    """Opens pages of the returning visitor, watched: `new_page(viewport=None, **media)` as in `emulate_media`."""
    page_watch.watch(returning_visitor)
    pages = []

    def open_(viewport: dict[str, int] | None = None, **media: str) -> Any:
        page = returning_visitor.new_page()
        pages.append(page)
        if viewport:
            page.set_viewport_size(viewport)
        if media:
            page.emulate_media(**media)
        return page

    yield open_
    for page in pages:
        page.close()
    page_watch.leave(returning_visitor)
    judge(page_watch)


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """A new page of the returning visitor, watched."""
    return new_page()


def judge(page_watch: PageWatch) -> None:
    """Fails the test whose pages misbehaved."""
    problems = page_watch.verdict()
    if problems:
        pytest.fail("the page misbehaved:\n  " + "\n  ".join(problems))


# --- pictures and networks ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of sample pictures."""
    return ROOT / "assets"


@pytest.fixture(scope="session")
def photo_path(assets: Path) -> Path:
    """A landscape photo of a cat, 451 x 300."""
    return assets / "cat.jpg"


@pytest.fixture(scope="session")
def photo(photo_path: Path) -> np.ndarray:
    """The cat as RGB uint8 (300, 451, 3), read-only."""
    with Image.open(photo_path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    pixels.flags.writeable = False
    return pixels


TINY_CONFIGS: dict[str, dict[str, Any]] = {
    "BamResNet": {
        "architecture": "BamResNet",
        "trunk": {"depth": 18, "width": 8},
        "bams": [{"fusion": "sum", "hidden": 4, "dilation": dilation} for dilation in (4, 2, 1)],
        "num_classes": 5,
    },
    "DANet": {
        "architecture": "DANet",
        "trunk": {"depth": 18, "width": 8, "output_stride": 8},
        "num_classes": 4,
        "head_channels": 16,
        "query_channels": 4,
    },
}


@pytest.fixture
def tiny_net() -> Callable[..., Any]:
    """Builds a small random network: `tiny_net("BamResNet" | "DANet", **changes)`, seeded, in eval mode."""
    import torch

    from attnviz.models.build import build_model

    def build(architecture: str, **changes: Any) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(20180717)
            net = build_model({**TINY_CONFIGS[architecture], **changes})
            for name, parameter in net.named_parameters():
                if name.endswith("gamma"):
                    torch.nn.init.constant_(parameter, 0.5)  # 0 at the start: attention would be invisible
        return net.eval()

    return build


@pytest.fixture
def tiny_bam(tiny_net: Callable[..., Any]) -> Any:
    """A BAM-ResNet18 of width 8 with five categories."""
    return tiny_net("BamResNet")


@pytest.fixture
def tiny_danet(tiny_net: Callable[..., Any]) -> Any:
    """A DANet on a ResNet18 of width 8 with four classes."""
    return tiny_net("DANet")
