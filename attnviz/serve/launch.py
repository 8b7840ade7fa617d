"""How the page is served: on this machine only, nothing recorded, nothing looked up elsewhere."""

import ipaddress
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import gradio as gr
from starlette.middleware import Middleware

from attnviz.serve.middleware import LOOPBACK_HOSTS, MAX_PHOTO_BYTES, guards
from attnviz.serve.page.components import page_script
from attnviz.serve.page.theme import PAGE_CSS, build_theme
from attnviz.serve.page_language import PageLanguage

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7860
SECONDS_BETWEEN_SWEEPS = 1800
SECONDS_FILES_KEPT = 6 * 3600  # longer than a session is remembered: an open page never loses its pictures
MAX_WAITING = 32
THREADS = 16


def launch_options(host: str = DEFAULT_HOST, port: int | None = None, *, frames: Sequence[str] = ()) -> dict[str, Any]:
    """Keyword arguments for `gradio.Blocks.launch`.

    Args:
        host: Address to listen on. A server that listens beyond this machine answers to any name.
        port: TCP port; None lets Gradio take the first free one from 7860.
        frames: Origins of the sites that may show the page in a frame; none by default.

    Raises:
        OptionError: One of `frames` is no origin.
    """
    return {
        "server_name": host,
        "server_port": port,
        "share": False,
        "theme": build_theme(),
        "css": PAGE_CSS.read_text(encoding="utf-8"),
        "head": _head(),
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": [],
        "max_file_size": MAX_PHOTO_BYTES,
        "max_threads": THREADS,
        "show_error": False,
        "strict_cors": True,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "state_session_capacity": 256,
        "app_kwargs": {
            "middleware": [
                *guards([*LOOPBACK_HOSTS, host] if is_loopback(host) else None, frames),
                Middleware(PageLanguage),
            ],
            "openapi_url": None,
            "docs_url": None,
            "redoc_url": None,
        },
    }


def serve(
    demo: gr.Blocks,
    host: str = DEFAULT_HOST,
    port: int | None = DEFAULT_PORT,
    *,
    open_browser: bool = False,
    frames: Sequence[str] = (),
) -> None:
    """Serve the page until the process is interrupted or asked to end; arguments as for `launch_options`.

    Raises:
        OptionError: One of `frames` is no origin.
        OSError: The address cannot be listened on.
    """
    options = launch_options(host, port, frames=frames)
    signal.signal(signal.SIGTERM, _end)  # so that the visitors' pictures are removed then, too
    demo.launch(**options, inbrowser=open_browser, quiet=True, prevent_thread_lock=True)
    sys.stdout.write(f"The page is at {demo.local_url} (Ctrl+C ends it)\n")
    sys.stdout.flush()
    demo.block_thread()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the process the way `sys.exit` does, with what was asked to happen at exit."""
    raise SystemExit(128 + number)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _head() -> str:
    """What the page's head carries: the page's script with the viewer inside, all from this package."""
    return f'<meta name="color-scheme" content="light dark">\n<script>{page_script()}</script>'
