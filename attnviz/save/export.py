"""Takes an explanation out of the program: figure, raw maps, animation, viewer and the recipe of it all."""

import io
import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from attnviz.errors import OptionError, quoted
from attnviz.render.animation import animate
from attnviz.render.figure_options import FigureOptions
from attnviz.render.plan import FigurePlan, plan_figure
from attnviz.results import Explanation
from attnviz.save.atomic_files import make_folder, write_files
from attnviz.save.evidence_file import evidence_files
from attnviz.save.manifest import PhotoSource, geometry_arrays, manifest, raw_arrays

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence
    from attnviz.render.figure_file import FigureFormat

Format = Literal["png", "pdf", "svg", "npz", "gif", "webp", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
DEFAULT_FORMATS: tuple[Format, ...] = ("png", "pdf", "svg", "npz")
DRAWN: frozenset[Format] = frozenset({"png", "pdf", "svg"})  # those that lay a figure out
MANIFEST = "manifest.json"
FILES: dict[Format, str] = {
    "png": "figure.png",
    "pdf": "figure.pdf",
    "svg": "figure.svg",
    "npz": "maps.npz",
    "gif": "animation.gif",
    "webp": "animation.webp",
    "html": "viewer.html",
}


def export(
    explanation: Explanation,
    out_dir: str | os.PathLike[str],
    formats: Iterable[str] = DEFAULT_FORMATS,
    *,
    options: FigureOptions | None = None,
    source: PhotoSource | None = None,
    evidence: "Evidence | None" = None,
) -> list[Path]:
    """Write an explanation into a folder: whole files or none.

    Args:
        explanation: What to write.
        out_dir: The folder; created where it is missing. Files of an earlier export are replaced.
        formats: Any of `FORMATS`.
        options: Of the figure and the animation; None: the defaults.
        source: Of the photo, for the recipe; None: its pixels alone.
        evidence: What was measured about the same photo, to lie beside the figure and in the viewer; None: nothing.

    Returns:
        The paths of the files in `FILES`, of those of the evidence where there is any, and of ``manifest.json`` last.

    Raises:
        ExportError: The folder cannot be written to.
        OptionError: A format is unknown, the figure cannot be laid out as asked, or there is nothing to animate.
        MissingExtraError: Anything but ``"npz"`` is wanted, and matplotlib is not installed.
    """
    wanted = checked_formats(formats)
    name, drawn = None if source is None else source.name, bool(DRAWN & {*wanted})
    plan = plan_figure(explanation, options, photo_name=name, drawn=drawn)
    folder = make_folder(Path(out_dir))
    return write_files(folder, build_files(plan, wanted, source=source, folder=folder, evidence=evidence))


def build_files(
    plan: FigurePlan,
    formats: Collection[Format],
    *,
    source: PhotoSource | None = None,
    folder: Path | None = None,
    evidence: "Evidence | None" = None,
) -> dict[str, bytes]:
    """The files of an export as bytes, without touching a disk.

    Args:
        plan: The figure's.
        formats: Any of `FORMATS`.
        source: Of the photo.
        folder: Where they will lie, for the photo's path in the recipe; None: no path.
        evidence: What was measured about the same photo; None: nothing.

    Returns:
        File name -> content, ``manifest.json`` last.

    Raises:
        OptionError: There is nothing to animate.
    """
    measured = {} if evidence is None else evidence_files(evidence, formats, language=plan.options.language)
    files = {FILES[name]: _html(plan, evidence) if name == "html" else _BUILDERS[name](plan) for name in formats}
    files |= measured
    files[MANIFEST] = manifest(plan, list(files), source=source or PhotoSource(), folder=folder, evidence=evidence)
    return files


def checked_formats(formats: Iterable[str]) -> tuple[Format, ...]:
    """The formats, each once, in the order of `FORMATS`.

    Raises:
        OptionError: One of them is unknown, or there are none.
    """
    wanted = [formats] if isinstance(formats, str) else list(formats)
    for name in wanted:
        if name not in FORMATS:
            raise OptionError(f"expected formats out of {', '.join(FORMATS)}, got {quoted(name)}")
    if not wanted:
        raise OptionError(f"expected at least one format out of {', '.join(FORMATS)}, got none")
    return tuple(name for name in FORMATS if name in wanted)


def _maps(plan: FigurePlan) -> bytes:
    buffer = io.BytesIO()
    # savez, not savez_compressed: float32 noise does not shrink, and the file can be memory-mapped.
    np.savez(buffer, **raw_arrays(plan), **geometry_arrays(plan.explanation))  # type: ignore[arg-type]
    return buffer.getvalue()


def _figure(plan: FigurePlan, file_format: "FigureFormat") -> bytes:
    from attnviz.render.figure import render_figure  # only when drawn: it takes matplotlib

    return render_figure(plan, file_format)


def _html(plan: FigurePlan, evidence: "Evidence | None") -> bytes:
    from attnviz.render.viewer.page import standalone_html

    shown = standalone_html(plan.explanation, evidence=evidence, language=plan.options.language)
    return shown.encode("utf-8")


_BUILDERS: dict[Format, Callable[[FigurePlan], bytes]] = {
    "png": lambda plan: _figure(plan, "png"),
    "pdf": lambda plan: _figure(plan, "pdf"),
    "svg": lambda plan: _figure(plan, "svg"),
    "npz": _maps,
    "gif": lambda plan: animate(plan.explanation, "gif", plan.options),
    "webp": lambda plan: animate(plan.explanation, "webp", plan.options),
}
