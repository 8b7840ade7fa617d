"""Does the attention matter, and does it focus: one button, progress, cancel, and the numbers with a verdict."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from attnviz.errors import ImageError
from attnviz.language import Say
from attnviz.render.viewer.evidence_part import evidence_part
from attnviz.results import Explanation
from attnviz.serve import requests
from attnviz.serve.events import AT_ONCE, LONG, say_why, session_of
from attnviz.serve.page.components import evidence_panel, status, status_part, text_block
from attnviz.serve.page_language import say_to
from attnviz.serve.refusals import in_plain_words, noting
from attnviz.serve.sessions import SessionStore
from attnviz.serve.stops import Stops
from attnviz.serve.tabs.explain import Rail, ResultArea

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence, Progress
    from attnviz.measure.focus_table import Box, Mask

_PART = "evidence"  # of the page, for its notes
_WAITING = "(...args) => { window.attnvizPage.waiting('#page-evidence-status', []); return args; }"
_OFF = gr.update(interactive=False)
_ON = gr.update(interactive=True)
_PURPOSE = (
    "<p>A map persuades; this says whether it should. The network sees the photo again and again, with something taken "
    "from its attention or from the photo, and what its answer does is compared with chance. It can take minutes.</p>"
)


@dataclass(frozen=True)
class EvidenceTab:
    """What the tab holds."""

    start: gr.Button
    box: gr.Textbox
    mask: gr.File
    cancel: gr.Button
    status: gr.HTML
    panel: gr.HTML


def build() -> EvidenceTab:
    """Lay the tab out."""
    text_block(_PURPOSE)
    with gr.Row(elem_classes=["page-toolbar"]):
        start = gr.Button("Measure", variant="primary", scale=0, min_width=150, elem_id="page-evidence-start")
        cancel = gr.Button("Cancel", interactive=False, scale=0, min_width=110, elem_id="page-evidence-cancel")
    with gr.Row(elem_classes=["page-object"]):
        box = gr.Textbox(
            label="An object: left, top, right, bottom",
            info="Pixels of the photo, with commas; how well the maps find it is measured too. May stay empty.",
            placeholder="100, 60, 300, 280",
            max_lines=1,
            min_width=280,
            elem_id="page-evidence-box",
        )
        mask = gr.File(
            label="Or its mask: a picture of the photo's size, bright on the object",
            file_count="single",
            type="filepath",
            height=110,
            min_width=280,
            elem_id="page-evidence-mask",
        )
    return EvidenceTab(start, box, mask, cancel, status_part("page-evidence-status"), evidence_panel())


def wire(tab: EvidenceTab, rail: Rail, area: ResultArea, sessions: SessionStore, stops: Stops) -> None:
    """Connect the tab; it measures what the rail last explained, and a new photo ends it and has other objects."""
    rail.photo.change(lambda: ("", None), None, [tab.box, tab.mask], **AT_ONCE)
    area.bridge.change(_offered(sessions), None, [tab.status, tab.panel], **AT_ONCE)
    outputs = [tab.status, tab.panel, tab.cancel]
    ran = tab.start.click(_handler(sessions, stops), [tab.box, tab.mask], outputs, js=_WAITING, **LONG)
    ran.failure(say_why(sessions, _PART), None, tab.status, **AT_ONCE)
    ran.failure(lambda: (None, _OFF), None, [tab.panel, tab.cancel], **AT_ONCE)
    tab.cancel.click(_canceller(stops), None, [tab.status, tab.cancel], **AT_ONCE)


def _offered(sessions: SessionStore) -> Callable[..., Any]:
    """After an explanation: what was measured of it, if anything was."""

    def offered(request: gr.Request) -> tuple[Any, Any]:
        return status("idle", "", []), _known(sessions, session_of(request), say_to(request))

    return offered


def _handler(sessions: SessionStore, stops: Stops) -> Callable[..., Iterator[Any]]:
    @in_plain_words
    def measure(box: str | None, mask: str | None, request: gr.Request) -> Iterator[Any]:
        session = session_of(request)
        with noting(sessions, session, _PART):
            explanation = sessions.explanation(session)
            if explanation is None:
                raise ImageError("expected a photo that was explained, got none yet: choose one first")
            stop = stops.begin(session)

            def wanted() -> bool:
                return not stop.is_set() and sessions.explanation(session) in (explanation, None)

            try:
                steps = requests.measure(explanation, _box(box), _mask(mask))
                say = say_to(request)
                yield from _measured(explanation, steps, sessions=sessions, session=session, wanted=wanted, say=say)
            finally:
                stop.set()

    return measure


def _box(box: str | None) -> "Box | None":
    """The box that was typed, with commas of any width; None where none was."""
    from attnviz.measure.focus_table import box_of

    return box_of(box.replace("\uff0c", ",")) if box and box.strip() else None


def _mask(file: str | None) -> "Mask | None":
    """The mask that was uploaded; None where none was."""
    from attnviz.inputs.mask import object_mask

    return None if file is None else object_mask(file)


def _measured(
    explanation: Explanation,
    measuring: "Generator[Progress, None, Evidence]",
    *,
    sessions: SessionStore,
    session: str,
    wanted: Callable[[], bool],
    say: Say,
) -> Iterator[tuple[Any, Any, Any]]:
    """Values of the outputs: at each step how far it is, and at the end the numbers.

    Args:
        explanation: Whose attention is measured.
        measuring: The steps of it.
        sessions: Where the numbers are kept, beside the explanation.
        session: Whose.
        wanted: Asked between the steps whether to go on.
        say: Puts sentences into the visitor's language.
    """
    title = requests.short_title(explanation.model.name)
    with closing(measuring) as steps:
        while wanted():
            try:
                step = next(steps)
            except StopIteration as end:
                found: Evidence = end.value
                sessions.keep_evidence(session, explanation, found)
                yield status("done", say(f"{title}, measured on this photo."), []), evidence_part(found, say), _OFF
                return
            yield status("working", f"{title}{say(': ')}{say(step.what)}", []), asdict(step), _ON
    yield status("idle", say("Cancelled. Press Measure to start again."), []), _known(sessions, session, say), _OFF


def _known(sessions: SessionStore, session: str, say: Say) -> dict[str, Any] | None:
    found = sessions.evidence(session)
    return None if found is None else evidence_part(found, say)


def _canceller(stops: Stops) -> Callable[..., Any]:
    def cancel(request: gr.Request) -> tuple[Any, Any]:
        stops.stop(session_of(request))
        return status("working", say_to(request)("Stopping after the step at hand"), []), _OFF

    return cancel
