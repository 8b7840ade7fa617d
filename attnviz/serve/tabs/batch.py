"""Many photos at once: a contact sheet that fills in, a cancel that keeps what is done, one zip."""

import itertools
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from attnviz.errors import ImageError
from attnviz.language import ENGLISH, Say
from attnviz.render.figure_options import FigureOptions
from attnviz.results import ByteArray, Explanation
from attnviz.save.batch import MOST_PHOTOS, BatchItem, explain_many
from attnviz.serve import requests
from attnviz.serve.events import AT_ONCE, LONG, say_why, session_of
from attnviz.serve.file_cache import linked, shown
from attnviz.serve.page.components import sheet_part, status, status_part
from attnviz.serve.page_language import say_to
from attnviz.serve.refusals import in_plain_words, noting, sentence
from attnviz.serve.sessions import SessionStore
from attnviz.serve.stops import Stops
from attnviz.serve.tabs.explain import Rail

_PART = "batch"  # of the page, for its notes
_ARCHIVE = "attnviz-batch.zip"
_WAITING = "(...args) => { window.attnvizPage.waiting('#page-batch-status', []); return args; }"
_OFF = gr.update(interactive=False)
_run_numbers = itertools.count(1)


@dataclass(frozen=True)
class BatchTab:
    """What the tab holds."""

    photos: gr.File
    start: gr.Button
    cancel: gr.Button
    download: gr.DownloadButton
    status: gr.HTML
    sheet: gr.HTML


def build() -> BatchTab:
    """Lay the tab out."""
    photos = gr.File(
        label=f"Up to {MOST_PHOTOS} photos",
        file_count="multiple",
        type="filepath",
        height=150,
        elem_id="page-batch-photos",
    )
    with gr.Row(elem_classes=["page-toolbar"]):
        start = gr.Button("Explain all", variant="primary", scale=0, min_width=150, elem_id="page-batch-start")
        cancel = gr.Button("Cancel", interactive=False, scale=0, min_width=110, elem_id="page-batch-cancel")
        download = gr.DownloadButton(
            "Download everything (zip)", interactive=False, scale=0, min_width=230, elem_id="page-batch-download"
        )
    state = status_part("page-batch-status")
    return BatchTab(photos, start, cancel, download, state, sheet_part())


def wire(tab: BatchTab, rail: Rail, sessions: SessionStore, stops: Stops) -> None:
    """Connect the tab; model, resize mode and size are the rail's."""
    outputs = [tab.status, tab.sheet, tab.cancel, tab.download]
    inputs = [tab.photos, rail.model, rail.resize_mode, rail.size]
    ran = tab.start.click(_handler(sessions, stops), inputs, outputs, js=_WAITING, **LONG)
    ran.failure(say_why(sessions, _PART), None, tab.status, **AT_ONCE)
    ran.failure(lambda: _OFF, None, tab.cancel, **AT_ONCE)
    tab.cancel.click(_canceller(stops), None, [tab.status, tab.cancel], **AT_ONCE)


def _handler(sessions: SessionStore, stops: Stops) -> Callable[..., Iterator[Any]]:
    @in_plain_words
    def explain_all(
        photos: list[str] | None, model: str, resize_mode: str, size: str, request: gr.Request
    ) -> Iterator[Any]:
        session = session_of(request)
        with noting(sessions, session, _PART):
            if not photos:
                raise ImageError("expected photos, got none: drop some first")
            choice = requests.choice_from(model, resize_mode, size)
            requests.card_of(choice.model)
            stop = stops.begin(session)
            try:
                yield from _batch([Path(photo) for photo in photos], choice, stop, session=session, say=say_to(request))
            finally:
                stop.set()

    return explain_all


def _batch(
    photos: list[Path], choice: requests.Choice, stop: threading.Event, *, session: str, say: Say = ENGLISH
) -> Iterator[Any]:
    """Values of the outputs, after each photo and at the end.

    The sheet's value after a photo holds that photo's tile, which the page adds to those that it has; the value at the
    end holds all of them and stays, so that the sheet is whole where the page draws it afresh.
    """
    title = requests.short_title(choice.model)
    number, total = next(_run_numbers), len(photos)
    tiles: list[dict[str, Any]] = []

    def sheet(new: list[dict[str, Any]]) -> dict[str, Any]:
        return {"run": number, "total": total, "done": len(tiles), "tiles": new}

    def explain(path: Path) -> Explanation:
        return requests.run(requests.forecast(path, choice))

    with tempfile.TemporaryDirectory(prefix="attnviz-") as folder:
        archive, looks = Path(folder, _ARCHIVE), FigureOptions(language=say.language)
        with closing(
            explain_many(photos, choice.model, archive=archive, options=looks, cancel=stop, explain=explain)
        ) as items:
            yield (
                status("working", say(f"{title} is looking at {total} photos"), []),
                sheet([]),
                gr.update(interactive=True),
                _OFF,
            )
            for item in items:
                tiles.append(_tile(item, Path(folder), session, say))
                now = min(len(tiles) + 1, total)
                yield (
                    status("working", say(f"{title} is looking at photo {now} of {total}"), []),
                    sheet(tiles[-1:]),
                    gr.skip(),
                    gr.skip(),
                )
        refused = sum(tile["failed"] for tile in tiles)
        words = [say(f"{len(tiles) - refused} of {total} photos explained")]
        words += [say(f", {refused} refused")] if refused else []
        words += [say(", then cancelled")] if len(tiles) < total else []
        saved = gr.update(value=shown(archive, session), interactive=True) if tiles else _OFF
        yield status("done", "".join(words) + say("."), []), sheet(tiles), _OFF, saved


def _tile(item: BatchItem, folder: Path, session: str, say: Say) -> dict[str, Any]:
    pictures = {"photo": item.tile.photo, "map": item.tile.overlay}
    return {
        "index": item.index,
        "name": item.name,
        "pictures": [
            _picture(pixels, folder / f"{item.index}-{what}.jpg", session)
            for what, pixels in pictures.items()
            if pixels is not None
        ],
        "caption": sentence(item.refusal, say) if item.refusal else item.tile.words(say),
        "failed": item.refusal is not None,
    }


def _picture(pixels: ByteArray, path: Path, session: str) -> dict[str, object]:
    Image.fromarray(pixels).save(path, quality=88)
    return linked(path, session)


def _canceller(stops: Stops) -> Callable[..., Any]:
    def cancel(request: gr.Request) -> tuple[Any, Any]:
        stops.stop(session_of(request))
        return status("working", say_to(request)("Stopping after the photo at hand"), []), _OFF

    return cancel
