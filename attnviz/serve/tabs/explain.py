"""The photo, the model and the three views of one explanation: the rail on the left and what it drives."""

import functools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from attnviz.errors import ImageError, quoted
from attnviz.language import ENGLISH, Say
from attnviz.render.viewer.payload import payload
from attnviz.results import Explanation
from attnviz.serve import requests
from attnviz.serve.events import AT_ONCE, IN_ORDER, session_of, why
from attnviz.serve.file_cache import shown
from attnviz.serve.page.components import (
    line_part,
    model_select,
    payload_bridge,
    samples_part,
    segments,
    select,
    status,
    status_part,
)
from attnviz.serve.page.samples import samples
from attnviz.serve.page_language import say_to
from attnviz.serve.refusals import in_plain_words, noting, plain_error
from attnviz.serve.sessions import SessionStore

_PHOTO_HEIGHT = 216  # pixels on the page
_PART = "explain"  # of the page, for its notes
_SKIP = gr.skip()


@dataclass(frozen=True)
class Rail:
    """The controls on the left."""

    photo: gr.Image
    samples: gr.HTML
    model: gr.HTML
    resize_mode: gr.HTML
    size: gr.HTML
    cost: gr.HTML
    explain: gr.Button

    @property
    def inputs(self) -> list[Any]:
        """What an explanation is made from."""
        return [self.photo, self.model, self.resize_mode, self.size]


@dataclass(frozen=True)
class ResultArea:
    """What the rail drives: the status line, and the data of the three views."""

    status: gr.HTML
    bridge: gr.HTML


def photo_input(label: str, elem_id: str) -> gr.Image:
    """An upload field for one picture that hands over the untouched file, whatever is in it.

    Gradio would open the file itself before the handler runs, and shows only "Error" where that fails.
    """
    photo = gr.Image(
        type="filepath",
        image_mode=None,
        sources=["upload", "webcam", "clipboard"],
        label=label,
        show_label=False,
        height=_PHOTO_HEIGHT,
        buttons=["fullscreen"],
        alt_text=label,
        placeholder="Drop a photo here\nor click to choose one",
        elem_id=elem_id,
    )

    def untouched(sent: ImageData | None) -> str | None:
        if sent is None:
            return None
        if sent.path is None or (sent.url or "").startswith("data:"):
            raise plain_error("expected an uploaded picture, got one inside the request", "This picture cannot be used")
        return sent.path

    photo.preprocess = untouched  # type: ignore[method-assign, assignment]
    return photo


def build_rail() -> Rail:
    """Lay the controls out."""
    photo = photo_input("Photo", "page-photo")
    strip = samples_part(samples())
    model = model_select("Model", "page-model", requests.model_groups(), requests.first_model())
    with gr.Accordion("How the photo is given to the network", open=False, elem_id="page-options"):
        resize_mode, size = fit_part("keep"), size_part("0")
    button = gr.Button("Explain", variant="primary", elem_id="page-explain")
    cost = line_part("page-cost")
    return Rail(photo, strip, model, resize_mode, size, cost, button)


def fit_part(value: str) -> gr.HTML:
    """How the photo is fitted: name of a resize mode."""
    return segments("Fit", "page-fit", list(requests.RESIZE_MODES.items()), value)


def size_part(value: str) -> gr.HTML:
    """Shorter side that the network sees: pixels as text, "0" as trained."""
    sizes = [("0", "As trained"), *((str(s), f"{s} px") for s in requests.SIZES)]
    return select("Shorter side", "page-size", sizes, value)


def build_result_area() -> ResultArea:
    """The status line and the data of the views; the views themselves are in their tabs."""
    return ResultArea(status=status_part("page-status"), bridge=payload_bridge("receive", "page-payload"))


def wire(rail: Rail, area: ResultArea, sessions: SessionStore, opened: Any) -> None:  # noqa: ANN401 - Gradio's event
    """Connect controls and views; `opened` is the event that puts the first photo on the page."""
    outputs = [area.status, area.bridge, rail.cost]
    when_quick = _handler(sessions, asks=True)
    now = _handler(sessions, asks=False)

    def explains(event: Any, handler: Callable[..., Any], **more: Any) -> None:  # noqa: ANN401 - any of Gradio's events
        ran = event(handler, rail.inputs, outputs, **{**IN_ORDER, "trigger_mode": "always_last", **more})
        ran.failure(_restore(sessions), None, [rail.photo, area.status], **AT_ONCE)

    explains(rail.photo.input, when_quick, js=_taken("null"))
    explains(rail.explain.click, now, js=_waiting(), api_name="explain", api_visibility="public")
    options_changed = functools.partial(gr.on, [rail.model.input, rail.resize_mode.input, rail.size.input])
    explains(options_changed, when_quick, js=_waiting())
    explains(rail.samples.select(_pick, None, rail.photo, js=_waiting(), **AT_ONCE).success, when_quick)
    explains(opened.success, when_quick, js=_waiting())
    rail.photo.clear(_cleared, None, outputs, js=_taken("null"), **AT_ONCE)


def _handler(sessions: SessionStore, *, asks: bool) -> Callable[..., Iterator[Any]]:
    """The event handler that explains; with `asks`, a long run waits for the button."""

    @in_plain_words
    def explain_photo(photo: str | None, model: str, resize_mode: str, size: str, request: gr.Request) -> Iterator[Any]:
        if photo is None:
            if not asks:
                raise ImageError("expected a photo, got none: choose, paste or take one first")
            yield _cleared()
            return
        session = session_of(request)
        with noting(sessions, session, _PART):
            choice = requests.choice_from(model, resize_mode, size)
            yield from _explain(Path(photo), choice, sessions, session, say_to(request), asks=asks)

    return explain_photo


def _explain(
    path: Path, choice: requests.Choice, sessions: SessionStore, session: str, say: Say, *, asks: bool
) -> Iterator[Any]:
    yield status("working", say("Reading the photo")), _SKIP, _SKIP
    ready = requests.forecast(path, choice)
    forecast = requests.forecast_words(ready)
    cost = say(forecast)
    known = sessions.known(session, path, choice) if asks else None  # carried over from the page in another language
    if asks and known is None and ready.cost.seconds > requests.SECONDS_WITHOUT_ASKING:
        yield status("idle", say(f"{forecast}. Press Explain to start.")), None, cost
        return
    title = requests.short_title(choice.model)
    yield status("working", say(f"{title} is looking. {forecast}.")), _SKIP, cost
    explanation = known or requests.run(ready)
    yield status("working", say("Sending the maps")), _SKIP, cost
    maps = sent(explanation, say)
    # After the maps were made, so that it counts what they were made from.
    sessions.keep(session, explanation, path, choice=choice, sent_as=maps["id"])
    yield status("done", _summary(explanation, title, say)), maps, cost


def sent(explanation: Explanation, say: Say = ENGLISH) -> dict[str, Any]:
    """What the browser gets: the viewer's payload, and an id by which it knows a repetition and asks for more."""
    return {**payload(explanation, on_demand=True, say=say), "id": secrets.token_hex(8)}


def _summary(explanation: Explanation, title: str, say: Say = ENGLISH) -> str:
    height, width = explanation.geometry.network_size
    rows, columns = explanation.detail_size
    seen = f"{width} × {height}"
    if explanation.preprocessing.jpeg_quality:
        pixels = say(f"{seen} pixels with the detail of a JPEG of {columns} × {rows}")
    elif (rows, columns) != (height, width):
        pixels = say(f"{seen} pixels with the detail of {columns} × {rows}")
    else:
        pixels = say(f"{seen} pixels")
    seconds = requests.seconds_in_words(sum(explanation.seconds.values()))
    random = "" if explanation.model.trained else say(" Its weights are random.")
    return say(f"{title} saw {pixels} in {seconds} on {explanation.model.device}.") + random


def _cleared() -> tuple[Any, ...]:
    return status("idle", ""), None, ""


def _restore(sessions: SessionStore) -> Callable[..., Any]:
    """After a refusal: the photo whose maps are on the page comes back, and the sentence stays readable."""

    def restore(request: gr.Request) -> tuple[Any, Any]:
        session = session_of(request)
        photo = sessions.photo(session)
        say = say_to(request)
        kept = say(" What was there before is still there.") if photo is not None else ""
        words = why(sessions, session, _PART, say) + kept
        return (str(photo) if photo is not None and photo.is_file() else None), status("error", words)

    return restore


def _pick(event: gr.EventData) -> str:
    """The file of a sample, in the folder that the page may show."""
    try:
        name = event.name
    except (AttributeError, TypeError):  # a client may send anything
        name = None
    found = next((sample for sample in samples() if sample.name == name), None)
    if found is None:
        raise plain_error(f"expected the name of a sample picture, got {quoted(name)}", "This picture cannot be used")
    return shown(found.path)


def _waiting() -> str:
    """Script before a request: say at once that something happens."""
    return "(...args) => { window.attnvizPage.waiting(); return args; }"


def _taken(sample: str) -> str:
    return f"(...args) => {{ window.attnvizPage.mark({sample}); window.attnvizPage.waiting(); return args; }}"
