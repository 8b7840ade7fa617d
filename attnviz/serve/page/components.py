"""The page's own HTML parts: constant templates that scripts fill from `value`, so that an update wipes nothing.

All text from outside (names of categories, error sentences) travels in `value` and is set as `textContent`: a
template with ``${value}`` would be raw HTML. Factory functions, not subclasses: Gradio writes a ``.pyi`` beside each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from attnviz.language import LANGUAGES
from attnviz.models.sites import VIEWS
from attnviz.models.sites import View as SingleView
from attnviz.render.viewer.bundle import bundle
from attnviz.serve.page.samples import Sample, thumbnail_url

View = SingleView | Literal["inside", "sites", "compare"]
State = Literal["idle", "working", "done", "error"]

SCRIPTS = Path(__file__).parent / "js"

_HOST = "<div></div>"  # filled by a script
# The page's script stands in the document's head, but Gradio may add it after the first components are there.
_WHEN_READY = """
const whenReady = (act) => (window.attnvizPage ? act(window.attnvizPage) : setTimeout(() => whenReady(act), 15));
"""
# A value set by a script reaches Gradio a moment later: an event sent at once could carry the old one; so setTimeout.
_CHOSEN = "(value) => { props.value = value; setTimeout(() => trigger('input')); }"


@cache
def page_script() -> str:
    """The page's own script, with the viewer inside: defines ``window.attnvizPage``, which the parts below call."""
    return bundle(SCRIPTS / "main.js")


def masthead() -> gr.HTML:
    """Name and purpose, once, at the top, and the languages to choose from."""
    links = "".join(
        f'<a href="?language={code}" hreflang="{code}" lang="{code}">{name}</a>' for code, name in LANGUAGES.items()
    )
    return gr.HTML(
        value='<header class="page-masthead"><h1>attnviz</h1>'
        "<p>Where a network looks: the attention inside it, on your photo.</p>"
        f'<nav class="page-languages" aria-label="Language · 语言">{links}</nav></header>',
        js_on_load=_WHEN_READY + "whenReady((page) => page.languages(element));",
        apply_default_css=False,
    )


def text_block(markup: str) -> gr.HTML:
    """Longer text of the program's own, as HTML."""
    return _static(f'<div class="page-text">{markup}</div>')


def tabs_part(names: Sequence[str]) -> gr.HTML:
    """The list of tabs; each opens the column with the id ``page-panel-`` and its name.

    Args:
        names: As ``js/tabs.js`` has labels for; the first is open at the start.
    """
    return gr.HTML(
        value=list(names),
        html_template=_HOST,
        js_on_load=_WHEN_READY + "whenReady((page) => page.tabs(element, props.value));",
        apply_default_css=False,
        elem_id="page-tabs",
    )


def tab_panel(name: str) -> gr.Column:
    """The column that a tab opens."""
    return gr.Column(elem_id=f"page-panel-{name}", elem_classes=["page-panel"])


def payload_bridge(receiver: str, elem_id: str) -> gr.HTML:
    """An invisible part that hands its value to ``attnvizPage[receiver]``.

    Args:
        receiver: ``"receive"`` for the main explanation, ``"receiveCompare"`` for the comparison, ``"receiveLayer"``
            for what the viewer asked for, ``"receivePlace"`` for how many come before the visitor, and
            ``"receiveCarried"`` for what a page in another language is to ask for.
        elem_id: Its id in the page.
    """
    return gr.HTML(
        value=None,
        html_template='<div hidden aria-hidden="true"></div>',
        js_on_load=_watched(f"page.{receiver}(props.value)"),
        elem_id=elem_id,
        elem_classes=["page-hidden"],
    )


def view_part(view: View) -> gr.HTML:
    """Where the viewer draws one view."""
    return gr.HTML(
        value=None,
        html_template='<div class="page-view"></div>',
        js_on_load=_WHEN_READY + f'whenReady((page) => page.attach(element.querySelector(".page-view"), "{view}"));',
        apply_default_css=False,
        elem_id=f"page-view-{view}",
    )


def status_part(elem_id: str) -> gr.HTML:
    """One line on what is going on, read out by screen readers; value from `status`."""
    return gr.HTML(
        value=status("idle", ""),
        html_template=(
            '<div class="page-status" role="status" aria-live="polite">'
            '<span class="page-dot" aria-hidden="true"></span><span class="page-words"></span></div>'
        ),
        js_on_load=_watched("page.status(element, props.value)"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def status(state: State, text: str, busies: Sequence[View] = VIEWS) -> dict[str, Any]:
    """The value of a status part.

    Args:
        state: Drawn as a dot.
        text: One sentence.
        busies: Views that are dimmed while `state` is ``"working"``.
    """
    return {"state": state, "text": text, "busies": list(busies)}


def line_part(elem_id: str, css_class: str = "page-cost") -> gr.HTML:
    """One quiet line of text; value: str."""
    return gr.HTML(
        value="",
        html_template=f'<p class="{css_class}"></p>',
        js_on_load=_watched("page.text(element, props.value)"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def model_select(label: str, elem_id: str, groups: Sequence[dict[str, Any]], value: str) -> gr.HTML:
    """The browser's own select, in groups; as an input its value is the model's name; fires ``input``.

    Args:
        label: Above the select.
        elem_id: Its id in the page.
        groups: ``[{"label": str, "models": [{"name": str, "title": str, "note": str | None, "shows": [view]}]}]``; a
            model with a note (how to get it) can be looked at, but fires nothing.
        value: Name of the model chosen first.
    """
    return gr.HTML(
        value=value,
        html_template=_HOST,
        js_on_load=_watched(
            "page.models(element, props, "
            "(name, ready) => { props.value = name; if (ready) setTimeout(() => trigger('input')); })"
        ),
        label=label,
        elem_id=elem_id,
        apply_default_css=False,
        groups=list(groups),
    )


def segments(label: str, elem_id: str, options: Sequence[tuple[str, str]], value: str) -> gr.HTML:
    """A few options of which one is chosen, as joined radio buttons; as an input its value is the option's name.

    Args:
        label: Above the buttons.
        elem_id: Its id in the page.
        options: (name, label).
        value: Name of the option chosen first.
    """
    return gr.HTML(
        value=value,
        html_template=_HOST,
        js_on_load=_watched(f"page.segments(element, props, {_CHOSEN})"),
        label=label,
        elem_id=elem_id,
        apply_default_css=False,
        options=[{"value": name, "label": text} for name, text in options],
    )


def select(label: str, elem_id: str, options: Sequence[tuple[str, str]], value: str) -> gr.HTML:
    """The browser's own select; as an input its value is the option's name. Arguments as for `segments`."""
    listed: list[dict[str, Any]] = [{"name": name, "title": text, "note": None, "shows": []} for name, text in options]
    return model_select(label, elem_id, [{"label": "", "models": listed}], value)


def pins_part() -> gr.HTML:
    """An invisible part whose value is what was chosen in the position view; fires ``input``.

    ``{"pins": [[row, column], ...], "label", "head"}``, as `attnviz.serve.tabs.export_panels` reads it.
    """
    return gr.HTML(
        value={},
        html_template='<div hidden aria-hidden="true"></div>',
        js_on_load=f"{_WHEN_READY}whenReady((page) => page.pins(element, {_CHOSEN}));",
        elem_id="page-pins",
        elem_classes=["page-hidden"],
    )


@dataclass(frozen=True)
class Exchange:
    """Where a script of the page asks (`request_part`), and where the answer comes (`payload_bridge`)."""

    asked: gr.HTML
    answer: gr.HTML


def request_part(asker: str, elem_id: str) -> gr.HTML:
    """An invisible part whose value is what a script of the page asks the server for; fires ``input``.

    Args:
        asker: ``attnvizPage[asker]`` is given the function that sends: ``"asks"`` for a layer, ``{"turn", "id",
            "label"}``; ``"asksPlace"`` and ``"asksToCarry"``, ``{"turn"}``.
        elem_id: Its id in the page.
    """
    return gr.HTML(
        value=None,
        html_template='<div hidden aria-hidden="true"></div>',
        js_on_load=f"{_WHEN_READY}whenReady((page) => page.{asker}({_CHOSEN}));",
        elem_id=elem_id,
        elem_classes=["page-hidden"],
    )


def figure_part() -> gr.HTML:
    """A built figure with its files; value as `attnviz.serve.tabs.export` sends it."""
    return gr.HTML(
        value=None,
        html_template='<div class="page-figure" data-state="empty"></div>',
        js_on_load=_watched("page.figure(element, props.value)"),
        elem_id="page-figure",
        apply_default_css=False,
    )


def samples_part(samples: Sequence[Sample]) -> gr.HTML:
    """Sample pictures as buttons; fires ``select`` with ``{"name": str}``."""
    value = [{"name": s.name, "description": s.description, "url": thumbnail_url(s)} for s in samples]
    return gr.HTML(
        value=value,
        html_template='<div class="page-samples" role="group" aria-label="Sample pictures"></div>',
        js_on_load=_watched("page.samples(element, props.value, (name) => trigger('select', { name }))"),
        elem_id="page-samples",
        apply_default_css=False,
    )


def sheet_part() -> gr.HTML:
    """The contact sheet of a batch; value as `attnviz.serve.tabs.batch` sends it."""
    return _drawn_as("sheet")


def evidence_panel() -> gr.HTML:
    """How far a measurement is, or what it found; value as `attnviz.serve.tabs.evidence` sends it."""
    return _drawn_as("evidence")


def _drawn_as(name: str) -> gr.HTML:
    """A part that is empty at first, and whose value the page's function of that name draws."""
    return gr.HTML(
        value=None,
        html_template=f'<div class="page-{name}"></div>',
        js_on_load=_watched(f"page.{name}(element, props.value)"),
        elem_id=f"page-{name}",
        apply_default_css=False,
    )


def _watched(action: str) -> str:
    """Script that runs `action` when the part appears and whenever the server sends a new value."""
    return f"{_WHEN_READY}const load = () => whenReady((page) => {action}); watch('value', load); load();"


def _static(markup: str) -> gr.HTML:
    return gr.HTML(value=markup, js_on_load=None, apply_default_css=False)
