"""The figure builder: which panels, how they look, and the files to take away."""

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from attnviz.errors import OptionError, quoted
from attnviz.language import Say, speaker
from attnviz.observe.cost import in_words
from attnviz.render.colormaps import names as colormap_names
from attnviz.render.figure_options import FigureOptions
from attnviz.render.overlay import DEFAULT_OPACITY
from attnviz.render.panels import Pins
from attnviz.render.plan import FigurePlan, plan_figure
from attnviz.results import Explanation
from attnviz.save.atomic_files import add_to_zip
from attnviz.save.export import FILES, build_files, checked_formats
from attnviz.save.manifest import PhotoSource
from attnviz.serve.events import AT_ONCE, FIGURES, say_why, session_of
from attnviz.serve.file_cache import linked, shown
from attnviz.serve.page.components import figure_part, pins_part, segments, select, status, status_part
from attnviz.serve.page_language import say_to, visitor_language
from attnviz.serve.refusals import in_plain_words, noting
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs.explain import ResultArea
from attnviz.serve.tabs.export_panels import chosen_in, panel_choice

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

_FORMATS = {
    "PNG": "png",
    "PDF": "pdf",
    "SVG": "svg",
    "Raw maps (NPZ)": "npz",
    "Interactive page (HTML)": "html",
    "GIF": "gif",
    "WebP": "webp",
}
_FIRST_FORMATS = ["png", "pdf", "svg", "npz"]
_COLUMNS = [("auto", "Automatic"), *((str(n), str(n)) for n in range(1, 9))]
_SCALINGS = [("each", "Each"), ("shared", "Shared")]
_SPREADS = [("auto", "Automatic"), ("linear", "Linear"), ("percentile", "Percentile"), ("log", "Logarithmic")]
_OPACITIES = [("auto", "Automatic"), ("even", "Even"), ("value", "Follows the value")]
_LOOKS = [("nearest", "Cells"), ("bilinear", "Smooth")]
_CELLS = [("tiles", "As even tiles"), ("centers", "Where they look")]
_EXTRAS = {"Heading": "title", "Caption": "caption"}
_TEXT_LIMIT = 40  # characters of a photo's name in a file's name
_PART = "export"  # of the page, for its notes


@dataclass(frozen=True)
class ExportTab:
    """The controls, in the order in which `FigureOptions` is made from them."""

    panels: gr.CheckboxGroup
    columns: gr.HTML
    colormap: gr.HTML
    scaling: gr.HTML
    spread: gr.HTML
    opacity: gr.Slider
    opacity_by: gr.HTML
    interpolation: gr.HTML
    cells: gr.HTML
    width: gr.Number
    dpi: gr.Number
    font: gr.Number
    extras: gr.CheckboxGroup
    pins: gr.HTML
    formats: gr.CheckboxGroup
    build: gr.Button
    download: gr.DownloadButton
    status: gr.HTML
    figure: gr.HTML

    @property
    def inputs(self) -> list[Any]:
        """What a figure is made from."""
        looks = (self.columns, self.colormap, self.scaling, self.spread, self.opacity, self.opacity_by)
        page = (self.interpolation, self.cells, self.width, self.dpi, self.font, self.extras)
        return [self.panels, *looks, *page, self.pins, self.formats]


def build() -> ExportTab:
    """Lay the tab out."""
    with gr.Row(elem_classes=["page-builder"]):
        with gr.Column(scale=0, min_width=300, elem_classes=["page-form"]):
            panels = gr.CheckboxGroup(choices=[], value=[], label="Panels, in this order", elem_id="page-export-panels")
            looks = _build_looks()
            extras = gr.CheckboxGroup(list(_EXTRAS.items()), value=["title"], label="Text", elem_id="page-export-text")
            formats = gr.CheckboxGroup(
                list(_FORMATS.items()), value=_FIRST_FORMATS, label="Files", elem_id="page-export-formats"
            )
            button = gr.Button("Build", variant="primary", elem_id="page-export-build")
            download = gr.DownloadButton("Download everything (zip)", interactive=False, elem_id="page-export-download")
        with gr.Column(scale=1, min_width=300):
            state = status_part("page-export-status")
            figure = figure_part()
    return ExportTab(
        panels=panels,
        extras=extras,
        pins=pins_part(),
        formats=formats,
        build=button,
        download=download,
        status=state,
        figure=figure,
        **looks,
    )


def _build_looks() -> dict[str, Any]:
    """The controls of a figure's looks, by the names that `ExportTab` has for them."""
    with gr.Row(elem_classes=["page-pair"]):
        columns = select("Columns", "page-export-columns", _COLUMNS, "auto")
        colormap = select("Colour map", "page-export-colormap", [(n, n) for n in colormap_names()], "viridis")
    with gr.Row(elem_classes=["page-pair"]):
        scaling = segments("Colours from", "page-export-scaling", _SCALINGS, "each")
        look = segments("Locations", "page-export-look", _LOOKS, "nearest")
    with gr.Row(elem_classes=["page-pair"]):
        spread = select("Colour scale", "page-export-spread", _SPREADS, "auto")
        opacity_by = select("Opacity", "page-export-opacity-by", _OPACITIES, "auto")
    cells = segments("Cells drawn", "page-export-cells", _CELLS, "tiles")
    opacity = gr.Slider(0, 1, value=DEFAULT_OPACITY, step=0.05, label="Map opacity", elem_id="page-export-opacity")
    with gr.Row(elem_classes=["page-triple"]):
        width = gr.Number(180, label="Width, mm", minimum=30, maximum=600, min_width=80, elem_id="page-export-width")
        dpi = gr.Number(
            300,
            label="Dots per inch",
            minimum=50,
            maximum=1200,
            precision=0,
            min_width=80,
            elem_id="page-export-dpi",
        )
        font = gr.Number(7, label="Font, pt", minimum=4, maximum=24, min_width=80, elem_id="page-export-font")
    return {
        **{"columns": columns, "colormap": colormap, "scaling": scaling, "spread": spread, "opacity": opacity},
        **{"opacity_by": opacity_by, "interpolation": look, "cells": cells, "width": width, "dpi": dpi, "font": font},
    }


def wire(tab: ExportTab, area: ResultArea, sessions: SessionStore) -> None:
    """Connect the tab; it exports what the rail last explained."""
    results = [tab.status, tab.figure, tab.download]
    area.bridge.change(_offered(sessions), tab.pins, [tab.pins, tab.panels, *results], **AT_ONCE)
    tab.pins.input(_chosen(sessions), tab.pins, tab.panels, **{**AT_ONCE, "trigger_mode": "always_last"})
    built = tab.build.click(_handler(tab, sessions), set(tab.inputs), results, **FIGURES)
    built.failure(say_why(sessions, _PART), None, tab.status, **AT_ONCE)


def _offered(sessions: SessionStore) -> Callable[..., Any]:
    """After a new explanation: its panels to choose from, and nothing left of the last export."""

    def offered(sent: Any, request: gr.Request) -> tuple[Any, ...]:  # noqa: ANN401 - what the browser sent
        explanation = sessions.explanation(session_of(request))
        off = gr.update(value=None, interactive=False)
        kept = {**sent, "pins": []} if isinstance(sent, dict) else {}  # pins were of another photo
        if explanation is None:
            return kept, gr.update(choices=[], value=[]), status("idle", "", []), None, off
        say = say_to(request)
        hint = status("idle", say("Press Build to draw the figure; the download follows."), [])
        return kept, panel_choice(explanation, chosen_in(explanation, kept), say), hint, None, off

    return offered


def _chosen(sessions: SessionStore) -> Callable[..., Any]:
    """After pins were set or removed, or another layer or head was chosen: their panels, ticked."""

    def chosen(sent: Any, request: gr.Request) -> Any:  # noqa: ANN401 - what the browser sent, an update of a component
        explanation = sessions.explanation(session_of(request))
        if explanation is None or explanation.position is None:
            return gr.skip()
        return panel_choice(explanation, chosen_in(explanation, sent), say_to(request))

    return in_plain_words(chosen)


def _handler(tab: ExportTab, sessions: SessionStore) -> Callable[..., Iterator[Any]]:
    @in_plain_words
    def build_export(values: dict[Any, Any], request: gr.Request) -> Iterator[Any]:  # by the component
        session = session_of(request)
        with noting(sessions, session, _PART):
            explanation = sessions.explanation(session)
            if explanation is None:
                raise OptionError("expected a photo that was explained, got none yet: choose one first")
            language = visitor_language(request)
            yield (
                status("working", speaker(language)("Drawing the figure"), []),
                gr.skip(),
                gr.update(interactive=False),
            )
            photo, evidence = sessions.photo(session), sessions.evidence(session)
            given = [values[part] for part in tab.inputs]
            yield _exported(explanation, photo, evidence, given, session=session, language=language)

    return build_export


def _exported(
    explanation: Explanation,
    photo: Path | None,
    evidence: "Evidence | None",
    given: Sequence[Any],
    *,
    session: str,
    language: str,
) -> tuple[Any, ...]:
    say = speaker(language)
    *looks, chosen, formats = given
    wanted = checked_formats(formats or [])
    source = PhotoSource() if photo is None else PhotoSource.of(photo.read_bytes(), name=photo.name)
    with tempfile.TemporaryDirectory(prefix="attnviz-") as folder:
        plan = plan_figure(
            explanation, _options(looks, chosen_in(explanation, chosen).pins, language), photo_name=source.name
        )
        files = build_files(plan, dict.fromkeys((*wanted, "png")), source=source, evidence=evidence)
        preview = Path(folder, "figure.png")
        preview.write_bytes(files[FILES["png"]])
        picture = linked(preview, session)
        if "png" not in wanted:
            files = build_files(plan, wanted, source=source, evidence=evidence)
        archive = _zipped(Path(folder, f"{_stem(explanation, source)}.zip"), files)
        value = {"picture": picture, **_described(plan, say), "files": _links(Path(folder), files, session)}
        size = in_words(archive.stat().st_size)
        done = status("done", say(f"{len(files)} files, {size} as one zip."), [])
        return done, value, gr.update(value=shown(archive, session), interactive=True)


def _zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            add_to_zip(archive, name, content)
    return path


def _links(folder: Path, files: dict[str, bytes], session: str) -> list[dict[str, Any]]:
    found = []
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content)
        found.append({"file": linked(path, session), "name": name, "words": in_words(len(content))})
    return found


def _described(plan: FigurePlan, say: Say) -> dict[str, str]:
    titles = ", ".join(panel.title for panel in plan.panels)
    return {"alt": say(f"The figure: {titles}"), "caption": plan.caption}


def _options(looks: Sequence[Any], pins: Pins, language: str) -> FigureOptions:
    """Options from what the page sent; `FigureOptions` checks every one."""
    panels, columns, colormap, scaling, spread, opacity, opacity_by, interpolation, cells, width, dpi, font, extras = (
        looks
    )
    if columns != "auto" and not str(columns).isdecimal():
        raise OptionError(f"expected a number of columns, got {quoted(columns)}")
    if not panels:
        raise OptionError("expected at least one panel, got none: tick what the figure should show")
    return FigureOptions(
        panels=tuple(panels),
        pins=pins,
        columns=None if columns == "auto" else int(columns),
        colormap=str(colormap),
        scaling=scaling,
        spread=spread,
        map_opacity=opacity,
        opacity_by=opacity_by,
        interpolation=interpolation,
        cells=cells,
        width_mm=width,
        dpi=dpi,
        font_size=font,
        title="title" in extras,
        caption="caption" in extras,
        language=language,
    )


def _stem(explanation: Explanation, source: PhotoSource) -> str:
    """Name of the zip, of characters that every file system takes."""
    photo = re.sub(r"[^\w-]+", "-", Path(source.name or "photo").stem, flags=re.ASCII).strip("-")[:_TEXT_LIMIT]
    model = re.sub(r"[^\w-]+", "-", explanation.model.name, flags=re.ASCII)[:_TEXT_LIMIT]
    return f"{photo or 'photo'}-{model}"
