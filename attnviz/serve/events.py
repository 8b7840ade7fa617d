"""How the page's events run: what may run at once, and what an outside client sees of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from attnviz.serve.page.components import View, status
from attnviz.serve.refusals import sentence
from attnviz.serve.sessions import SessionStore

# The page has its own status lines: Gradio's overlay would say "Error" and nothing else over every part.
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
AT_ONCE: dict[str, Any] = {**QUIET, "queue": False}  # answers without waiting for the network
ON_NETWORK: dict[str, Any] = {**QUIET, "concurrency_id": "model", "concurrency_limit": 1}
ON_FIGURE: dict[str, Any] = {**QUIET, "concurrency_id": "figure", "concurrency_limit": 1}
UNKNOWN = "the server could not take this now: it may be busy; try again in a moment"
ON_BATCH: dict[str, Any] = {**QUIET, "concurrency_id": "batch", "concurrency_limit": 2}


def session_of(request: gr.Request) -> str:
    """By what a visitor's page is known; Gradio makes it afresh for every page that is opened."""
    return request.session_hash or ""


def say_why(visits: SessionStore, views: list[View]) -> Callable[..., Any]:
    """A handler for after a refusal: its sentence, in a status line.

    Args:
        visits: Where the sentence was noted.
        views: No longer dimmed.
    """

    def refused(request: gr.Request) -> dict[str, Any]:
        return status("error", sentence(visits.take_note(session_of(request)) or UNKNOWN), views)

    return refused
