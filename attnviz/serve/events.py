"""How the page's events run: what may run at once, and what the page says where one could not.

Gradio's queue runs events of one concurrency id in the order in which they came: whoever explains a photo and compares
it then sees both in that order. It does not keep the networks apart, for a batch is one long event between whose photos
others have their turn: `attnviz.serve.requests.run` does that. Figures are drawn beside each other, and beside the
networks: nobody waits for what somebody else draws.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from attnviz.language import Say
from attnviz.serve.page.components import View, status
from attnviz.serve.page_language import say_to
from attnviz.serve.refusals import sentence
from attnviz.serve.sessions import SessionStore

# The page has its own status lines: Gradio's overlay would say "Error" and nothing else over every part.
QUEUED: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
AT_ONCE: dict[str, Any] = {**QUEUED, "queue": False}  # answers without waiting for the network
IN_ORDER: dict[str, Any] = {**QUEUED, "concurrency_id": "photo", "concurrency_limit": 1}
# Half of the server's threads (`attnviz.serve.launch.THREADS`): figures leave some for all else.
FIGURES: dict[str, Any] = {**QUEUED, "concurrency_id": "figure", "concurrency_limit": 8}
LONG: dict[str, Any] = {**QUEUED, "concurrency_limit": 2}  # minutes: a second visitor's batch runs beside it
UNKNOWN = "the server could not take this now: it may be busy; try again in a moment"


def session_of(request: gr.Request) -> str:
    """By what a visitor's page is known; Gradio makes it afresh for every page that is opened."""
    return request.session_hash or ""


def why(sessions: SessionStore, session: str, part: str, say: Say) -> str:
    """Why the last request of a part of the page failed, as a sentence in the visitor's language."""
    return sentence(sessions.take_note(session, part) or UNKNOWN, say)


def say_why(sessions: SessionStore, part: str, views: Sequence[View] = ()) -> Callable[..., Any]:
    """A handler for after a failure: its sentence, in a status line.

    Args:
        sessions: Where the sentence was noted.
        part: Of the page, as it was noted.
        views: No longer dimmed.
    """

    def refused(request: gr.Request) -> dict[str, Any]:
        return status("error", why(sessions, session_of(request), part, say_to(request)), views)

    return refused
