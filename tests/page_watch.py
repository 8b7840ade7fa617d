"""Chromium as the tests run it, and what a page may not do there: complain on the console, or ask other machines.

Chromium itself keeps to this machine, by the rules for its resolver, which hold for addresses and web sockets too. (A
route of Playwright's would do so as well, but it turns the cache off and asks Python about every request: each page
would take twice the time to open.)
"""

import os
import re
import shutil
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without the networking flags Chromium looks its maker's hosts up at every start.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def find_chromium() -> str | None:
    """Path of the Chromium that ``CHROMIUM`` names, or of the first on PATH; None where there is none."""
    wanted = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else CHROMIUM_NAMES
    return next(filter(None, map(shutil.which, wanted)), None)


def is_local(url: str) -> bool:
    """Whether a browser's request for `url` stays on this machine (data:, blob: and about: do)."""
    parts = urlsplit(url)
    return parts.scheme not in ("http", "https", "ws", "wss") or parts.hostname in LOCAL_HOSTS


class PageWatch:
    """Collects console errors, uncaught exceptions and outside requests of every page of the contexts it watches."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._expected: list[tuple[re.Pattern[str], str]] = []

    def watch(self, context: BrowserContext) -> None:
        """Records what the pages of `context` do."""
        for event, listener in self._listeners().items():
            context.on(event, listener)

    def leave(self, context: BrowserContext) -> None:
        """Records no longer what the pages of `context` do."""
        for event, listener in self._listeners().items():
            context.remove_listener(event, listener)

    def expect(self, pattern: str) -> None:
        """Allows the problems that match `pattern`, and demands at least one such problem by the end of the test."""
        self._expected.append((re.compile(pattern), pattern))

    def verdict(self) -> list[str]:
        """Problems nobody expected, and expected ones that never came."""
        unexpected = [p for p in self._problems if not any(regex.search(p) for regex, _ in self._expected)]
        missing = [
            f"expected a problem matching {text!r}, none came"
            for regex, text in self._expected
            if not any(regex.search(p) for p in self._problems)
        ]
        return unexpected + missing

    def _listeners(self) -> dict[str, Callable[[Any], None]]:
        return {"console": self._on_console, "weberror": self._on_uncaught, "request": self._on_request}

    def _on_uncaught(self, error: WebError) -> None:
        self._problems.append(f"uncaught: {error.error}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            where = message.location
            self._problems.append(f"console: {message.text} ({where.get('url')}:{where.get('lineNumber')})")

    def _on_request(self, request: Request) -> None:
        if not is_local(request.url):
            self._problems.append(f"outside request: {request.method} {request.url}")
