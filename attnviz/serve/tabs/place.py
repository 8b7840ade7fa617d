"""How many requests come before a visitor's who waits, for the status lines of the page."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from attnviz.serve.events import AT_ONCE, session_of
from attnviz.serve.page.components import Exchange, payload_bridge, request_part
from attnviz.serve.refusals import in_plain_words
from attnviz.serve.session_state import place_of


def build() -> Exchange:
    """Two invisible parts."""
    return Exchange(request_part("asksPlace", "page-place-request"), payload_bridge("receivePlace", "page-place"))


def wire(demo: gr.Blocks, parts: Exchange) -> None:
    """Connect them."""
    parts.asked.input(_handler(demo), parts.asked, parts.answer, **AT_ONCE)


def _handler(demo: gr.Blocks) -> Callable[..., Any]:
    @in_plain_words
    def place(asked: Any, request: gr.Request) -> dict[str, Any]:  # noqa: ANN401 - what the browser sent
        turn = asked.get("turn") if isinstance(asked, dict) else None
        return {"turn": turn if type(turn) is int else None, "before": place_of(demo, session_of(request))}

    return place
