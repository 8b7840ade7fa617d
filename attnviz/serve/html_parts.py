"""The page's own HTML parts: constant templates that scripts fill from `value`, so that an update wipes nothing.

All text from outside (names of categories, error sentences) travels in `value` and is set as `textContent`: a
template with ``${value}`` would be raw HTML. Factory functions, not subclasses: Gradio writes a ``.pyi`` beside each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from attnviz.serve.samples import Sample, thumbnail_url

View = Literal["stages", "position", "channel", "compare"]
State = Literal["idle", "working", "done", "error"]

_SCRIPTS = Path(__file__).parent / "page"
SCRIPT_FILES = ("bridge.js", "lists.js", "sheet.js", "paste.js", "access.js")

# The page's scripts stand in the document's head, but Gradio may add it after the first components are there.
_WHEN_READY = """
const whenReady = (act) => (window.attnvizPage && window.attnviz ? act(window.attnvizPage)
  : setTimeout(() => whenReady(act), 15));
"""


def page_script() -> str:
    """The page's own scripts, joined; each file is a function that adds to `window.attnvizPage`."""
    return "\n".join((_SCRIPTS / name).read_text(encoding="utf-8") for name in SCRIPT_FILES)


def masthead() -> gr.HTML:
    """Name and purpose, once, at the top."""
    return _static(
        '<header class="av-masthead"><h1>attnviz</h1>'
        "<p>Where a network looks: the attention of BAM-ResNet and DANet on your photo.</p></header>"
    )


def caption(text: str) -> gr.HTML:
    """A quiet line above a control; `text` is the program's own."""
    return _static(f'<p class="av-caption">{text}</p>')


def text_block(markup: str) -> gr.HTML:
    """Longer text of the program's own, as HTML."""
    return _static(f'<div class="av-text">{markup}</div>')


def payload_bridge(receiver: str, elem_id: str) -> gr.HTML:
    """An invisible part that hands its value to ``attnvizPage[receiver]``.

    Args:
        receiver: ``"receive"`` for the main explanation, ``"receiveCompare"`` for the comparison.
        elem_id: Its id in the page.
    """
    return gr.HTML(
        value=None,
        html_template='<div hidden aria-hidden="true"></div>',
        js_on_load=_watched(f"page.{receiver}(props.value)"),
        elem_id=elem_id,
        elem_classes=["av-hidden"],
    )


def view_part(view: View) -> gr.HTML:
    """Where the viewer draws one view."""
    return gr.HTML(
        value=None,
        html_template='<div class="av-view"></div>',
        js_on_load=_WHEN_READY + f'whenReady((page) => page.attach(element.querySelector(".av-view"), "{view}"));',
        elem_id=f"av-view-{view}",
    )


def status_part(elem_id: str) -> gr.HTML:
    """One line on what is going on, read out by screen readers; value from `status`."""
    return gr.HTML(
        value=status("idle", ""),
        html_template=(
            '<div class="av-status" role="status" aria-live="polite">'
            '<span class="av-dot" aria-hidden="true"></span><span class="av-words"></span></div>'
        ),
        js_on_load=_watched("page.status(element, props.value)"),
        elem_id=elem_id,
    )


def status(state: State, text: str, busies: Sequence[View] = ("stages", "position", "channel")) -> dict[str, Any]:
    """The value of a status part.

    Args:
        state: Drawn as a dot.
        text: One sentence.
        busies: Views that are dimmed while `state` is ``"working"``.
    """
    return {"state": state, "text": text, "busies": list(busies)}


def predictions_part() -> gr.HTML:
    """The most probable categories with bars; value: ``[{"category": str, "probability": float}]``."""
    return gr.HTML(
        value=[],
        html_template=(
            '<section class="av-panel" hidden aria-label="Predictions"><p class="av-caption">Top predictions</p>'
            '<ol class="av-predictions"></ol></section>'
        ),
        js_on_load=_watched("page.predictions(element, props.value)"),
        elem_id="av-predictions",
    )


def line_part(elem_id: str, css_class: str = "av-cost") -> gr.HTML:
    """One quiet line of text; value: str."""
    return gr.HTML(
        value="",
        html_template=f'<p class="{css_class}"></p>',
        js_on_load=_watched("page.text(element, props.value)"),
        elem_id=elem_id,
    )


def samples_part(samples: Sequence[Sample]) -> gr.HTML:
    """Sample pictures as buttons; fires ``select`` with ``{"name": str}``."""
    value = [{"name": s.name, "description": s.description, "url": thumbnail_url(s)} for s in samples]
    return gr.HTML(
        value=value,
        html_template='<div class="av-samples" role="group" aria-label="Sample pictures"></div>',
        js_on_load=_watched("page.samples(element, props.value, (name) => trigger('select', { name }))"),
        elem_id="av-samples",
    )


def sheet_part() -> gr.HTML:
    """The contact sheet of a batch; value as `attnviz.serve.batch_tab` sends it."""
    return gr.HTML(
        value=None,
        html_template='<div class="av-sheet"></div>',
        js_on_load=_watched("page.sheet(element, props.value)"),
        elem_id="av-sheet",
    )


def _watched(action: str) -> str:
    """Script that runs `action` when the part appears and whenever the server sends a new value."""
    return f"{_WHEN_READY}const load = () => whenReady((page) => {action}); watch('value', load); load();"


def _static(markup: str) -> gr.HTML:
    return gr.HTML(value=markup, js_on_load=None)
