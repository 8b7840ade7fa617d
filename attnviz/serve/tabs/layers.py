"""One more position attention for the viewer, when it asks: of many layers only the first is sent at once."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from attnviz.errors import AttnvizError, OptionError, quoted
from attnviz.render.viewer.attention_parts import position_part
from attnviz.render.viewer.payload import told
from attnviz.serve.events import QUEUED, session_of
from attnviz.serve.page.components import Exchange, payload_bridge, request_part
from attnviz.serve.page_language import say_to
from attnviz.serve.refusals import in_plain_words, sentence, words_of
from attnviz.serve.sessions import SessionStore

_ONE_OF_MANY: dict[str, Any] = {**QUEUED, "concurrency_id": "layers", "concurrency_limit": 2}  # beside the networks


def build() -> Exchange:
    """Two invisible parts."""
    return Exchange(request_part("asks", "page-layer-request"), payload_bridge("receiveLayer", "page-layer"))


def wire(parts: Exchange, sessions: SessionStore) -> None:
    """Connect them."""
    parts.asked.input(_handler(sessions), parts.asked, parts.answer, **_ONE_OF_MANY)


def _handler(sessions: SessionStore) -> Callable[..., Any]:
    @in_plain_words
    def layer(asked: Any, request: gr.Request) -> dict[str, Any]:  # noqa: ANN401 - what the browser sent
        """{turn, part}, or {turn, error}: a sentence that the viewer says."""
        wanted = asked if isinstance(asked, dict) else {}
        turn, sent_as, label = (wanted.get(name) for name in ("turn", "id", "label"))
        if type(turn) is not int or not isinstance(sent_as, str) or not isinstance(label, str):
            raise OptionError(f"expected a turn, an id and a label, got {quoted(asked)}")
        say = say_to(request)
        explanation = sessions.sent(session_of(request), sent_as)
        if explanation is None:
            return {"turn": turn, "error": say("the photo was forgotten after some time; explain it again")}
        try:
            return {"turn": turn, "part": told(position_part(explanation, label), say)}
        except (AttnvizError, MemoryError) as error:
            return {"turn": turn, "error": sentence(words_of(error), say)}

    return layer
