"""Two explanations beside each other: maps of one photo, two models, or two photos."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from attnviz.errors import ImageError, OptionError, quoted
from attnviz.language import Say
from attnviz.models.families import FAMILIES
from attnviz.render.viewer.attention_parts import carries_all
from attnviz.render.viewer.payload import families_payload
from attnviz.results import ByteArray, Explanation
from attnviz.serve import requests
from attnviz.serve.events import AT_ONCE, FIGURES, IN_ORDER, say_why, session_of
from attnviz.serve.page.components import model_select, payload_bridge, segments, status, status_part, view_part
from attnviz.serve.page_language import say_to
from attnviz.serve.refusals import in_plain_words, noting
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs import family_files
from attnviz.serve.tabs.explain import Rail, photo_input, sent

_PART = "compare"  # of the page, for its notes
_WAYS = [("maps", "Maps of this photo"), ("model", "Two models"), ("photo", "Two photos"), ("families", "Families")]
_SHOW_FIELDS = "(way) => { document.querySelector('#page-compare').dataset.way = way; return way; }"
_WAITING_FOR_FAMILIES = (
    "(way, ...args) => { if (way === 'families') window.attnvizPage.waiting('#page-compare-status', ['compare']); "
    "return [way, ...args]; }"
)
_WAITING = "(...args) => { window.attnvizPage.waiting('#page-compare-status', ['compare']); return args; }"


@dataclass(frozen=True)
class CompareTab:
    """What the tab holds."""

    way: gr.HTML
    model: gr.HTML
    photo: gr.Image
    compare: gr.Button
    files: gr.DownloadButton
    status: gr.HTML
    bridge: gr.HTML


def build() -> CompareTab:
    """Lay the tab out."""
    with gr.Column(elem_id="page-compare"):
        with gr.Row(elem_classes=["page-toolbar"]):
            way = segments("Compare", "page-compare-way", _WAYS, "maps")
            with gr.Column(elem_classes=["page-for-model"], scale=0, min_width=280):
                model = model_select("With model", "page-compare-model", requests.model_groups(), _other_model())
            with gr.Column(elem_classes=["page-for-photo"], scale=0, min_width=280):
                photo = photo_input("With photo", "page-compare-photo")
            with gr.Column(elem_classes=["page-for-run"], scale=0, min_width=120):
                button = gr.Button("Compare", variant="primary", elem_id="page-compare-run")
            with gr.Column(elem_classes=["page-for-families"], scale=0, min_width=230):
                files = gr.DownloadButton("Figure and page (zip)", interactive=False, elem_id="page-compare-files")
        state = status_part("page-compare-status")
        view_part("compare")
        bridge = payload_bridge("receiveCompare", "page-compare-payload")
    return CompareTab(way, model, photo, button, files, state, bridge)


def wire(tab: CompareTab, rail: Rail, sessions: SessionStore) -> None:
    """Connect the tab; the left side is always what the rail last explained."""
    outputs = [tab.status, tab.bridge]
    inputs = [tab.way, tab.model, tab.photo, rail.resize_mode, rail.size]
    tab.way.input(_alone, tab.way, outputs, js=_SHOW_FIELDS, **AT_ONCE)
    at_once = tab.way.input(_handler(sessions, only="families"), inputs, outputs, js=_WAITING_FOR_FAMILIES, **IN_ORDER)
    at_once.failure(say_why(sessions, _PART, ["compare"]), None, tab.status, **AT_ONCE)
    ran = tab.compare.click(_handler(sessions), inputs, outputs, js=_WAITING, **IN_ORDER)
    ran.failure(say_why(sessions, _PART, ["compare"]), None, tab.status, **AT_ONCE)
    for event in (at_once, ran):
        drawn = event.success(family_files.handler(sessions, _PART), None, tab.files, **FIGURES)
        drawn.failure(say_why(sessions, _PART), None, tab.status, **AT_ONCE)


def _alone(way: str) -> tuple[Any, Any]:
    """Back to the maps of one photo; the other ways wait for the button."""
    return (status("idle", "", ["compare"]), None) if way == "maps" else (gr.skip(), gr.skip())


def _handler(sessions: SessionStore, *, only: str | None = None) -> Callable[..., Iterator[Any]]:
    """The event handler that compares; `only` that way of comparing, where others wait for the button."""

    @in_plain_words
    def compare(
        way: str, model: str, photo: str | None, resize_mode: str, size: str, request: gr.Request
    ) -> Iterator[Any]:
        if only not in (None, way):
            yield gr.skip(), gr.skip()
            return
        session = session_of(request)
        with noting(sessions, session, _PART):
            left = sessions.explanation(session)
            if left is None:
                raise ImageError("expected a photo that was explained, got none yet: choose one first")
            choice = requests.choice_from(model, resize_mode, size)
            if way == "families":
                for update, found in _families(left, choice, say_to(request)):
                    sessions.keep_families(session, found)
                    yield update
                return
            for update, sides in _compared(left, way, choice, photo, say_to(request)):
                sessions.keep_beside(session, sides)
                yield update

    return compare


def _compared(
    left: Explanation, way: str, choice: requests.Choice, photo: str | None, say: Say
) -> Iterator[tuple[Any, dict[str, Explanation]]]:
    """Values of the outputs, and by their ids those sides of which something is left to ask for: no other is kept."""
    if way == "photo":
        if photo is None:
            raise ImageError("expected a second photo, got none: choose one first")
        image: Path | ByteArray = Path(photo)
        choice = requests.Choice(left.model.name, choice.resize_mode, choice.size)
    elif way == "model":
        image = left.photo
    else:
        raise OptionError(f"expected another model or another photo to compare with, got {quoted(way)}")
    ready = requests.forecast(image, choice)
    title = requests.short_title(choice.model)
    forecast = requests.forecast_words(ready)
    yield (status("working", say(f"{title} is looking. {forecast}."), ["compare"]), gr.skip()), {}
    right = requests.run(ready)
    names = left.model.name, right.model.name
    if way == "photo":
        words = say(f"Left {names[0]}, right {names[1]}, another photo.")
    else:
        words = say(f"Left {names[0]}, right {names[1]}, the same photo.")
    sides = {"left": sent(left, say), "right": sent(right, say)}
    explained = ((sides["left"], left), (sides["right"], right))
    yield (status("done", words, ["compare"]), sides), {s["id"]: e for s, e in explained if not carries_all(s)}


def _families(left: Explanation, choice: requests.Choice, say: Say) -> Iterator[tuple[Any, dict[str, Explanation]]]:
    """Values of the outputs, and in the end the explanations of every family of attention that is on this machine."""
    found: dict[str, Explanation] = {}
    here = requests.families()
    for family, model in here.items():
        ready = requests.forecast(left.photo, requests.Choice(model, choice.resize_mode, choice.size))
        title, forecast = requests.short_title(model), requests.forecast_words(ready)
        yield (status("working", say(f"{title} is looking. {forecast}."), ["compare"]), gr.skip()), {}
        found[family] = requests.run(ready)
    if not found:
        raise OptionError("expected networks with BAM, CBAM, SGE or SE on this machine, got none of them")
    missing = ", ".join(family for family in FAMILIES if family not in found)
    shown = ", ".join(found)
    words = f"{shown} on the same photo. Not on this machine: {missing}." if missing else f"{shown} on the same photo."
    yield (status("done", say(words), ["compare"]), families_payload(found, say=say)), found


def _other_model() -> str:
    """The model to offer first: one that is here and not the rail's first."""
    first = requests.first_model()
    known = requests.known_models().values()
    return next((entry.name for entry in known if entry.status != "available" and entry.name != first), first)
