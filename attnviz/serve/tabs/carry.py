"""A photo that is carried over when the page is opened anew in another language: the network does not run again.

To a server the new page is another visitor. So what the old page has is kept a second time, under a name that nobody
can guess; the browser takes that name along, in the storage of its tab, and the new page asks with it for what is
there, once. What is never asked for goes as all sessions do.
"""

import secrets
from collections.abc import Callable
from typing import Any

import gradio as gr

from attnviz.serve.events import AT_ONCE, session_of
from attnviz.serve.file_cache import VisitorFiles, shown
from attnviz.serve.page.components import Exchange, payload_bridge, request_part
from attnviz.serve.page.samples import samples
from attnviz.serve.refusals import in_plain_words
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs.explain import Rail, fit_part, size_part

_NAME = "carried-"  # so that none is the name of a page that is open
# What the page's script left in the storage of the tab; storage may be forbidden, to a page in a frame for one.
_CARRIED = """() => {
  try { return [JSON.parse(sessionStorage.getItem("attnviz-carried"))]; } catch { return [null]; }
}"""


def build() -> Exchange:
    """Two invisible parts."""
    return Exchange(request_part("asksToCarry", "page-carry-request"), payload_bridge("receiveCarried", "page-carry"))


def wire(demo: gr.Blocks, parts: Exchange, rail: Rail, sessions: SessionStore, files: VisitorFiles) -> Any:  # noqa: ANN401
    """Connect them; the event that puts a photo on a page that opens, as Gradio has it."""
    parts.asked.input(_leaving(sessions, files), [parts.asked, *rail.inputs[1:]], parts.answer, **AT_ONCE)
    return demo.load(_arriving(sessions, files), parts.asked, rail.inputs, js=_CARRIED, **AT_ONCE)


def _leaving(sessions: SessionStore, files: VisitorFiles) -> Callable[..., Any]:
    @in_plain_words
    def leave(asked: Any, model: str, resize_mode: str, size: str, request: gr.Request) -> dict[str, Any]:  # noqa: ANN401
        """{turn, carried}: what the new page is to send, null where there is no photo to carry."""
        turn = asked.get("turn") if isinstance(asked, dict) else None
        name = _NAME + secrets.token_urlsafe(24)
        photo = sessions.copy(session_of(request), name)
        if photo is not None:
            files.uploaded(name, [str(photo)])
        carried = None if photo is None else {"name": name, "model": model, "fit": resize_mode, "size": size}
        return {"turn": turn if type(turn) is int else None, "carried": carried}

    return leave


def _arriving(sessions: SessionStore, files: VisitorFiles) -> Callable[..., Any]:
    @in_plain_words
    def arrive(carried: Any, request: gr.Request) -> tuple[Any, ...]:  # noqa: ANN401 - what the browser sent
        """Values of the rail: those of the page before, where it left any, or the first sample."""
        found = carried if isinstance(carried, dict) else {}
        name, *choice = (found.get(key) for key in ("name", "model", "fit", "size"))
        photo = None
        if isinstance(name, str) and name.startswith(_NAME) and all(isinstance(part, str) for part in choice):
            photo = sessions.move(name, session_of(request))
            files.uploaded(session_of(request), [] if photo is None else [str(photo)])
            files.forget(name)
        if photo is None or not photo.is_file():
            return (_first_sample(), gr.skip(), *_folded("keep", "0"))
        model, resize_mode, shorter_side = map(str, choice)
        return (str(photo), model, *_folded(resize_mode, shorter_side))

    return arrive


def _folded(resize_mode: str, size: str) -> tuple[gr.HTML, gr.HTML]:
    """What lies in the closed fold, whole: of a part not drawn yet, Gradio forgets what an answer leaves out."""
    return fit_part(resize_mode), size_part(size)


def _first_sample() -> str | None:
    found = samples()
    return shown(found[0].path) if found else None
