"""``attnviz families``: BAM, CBAM, SGE and SE on one photo, side by side, for a browser or for a paper."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from attnviz.errors import OptionError, one_line, quoted
from attnviz.terminal import explain_options
from attnviz.terminal.output import say, warn

if TYPE_CHECKING:
    from attnviz.results import Explanation

Photo = Annotated[Path, Argument(metavar="PHOTO", help="Picture file.", show_default=False)]
Out = Annotated[list[Path], Option("--out", "-o", help="File to write: .html, .png, .pdf or .svg; can be repeated.")]

_SUFFIXES = (".html", ".png", ".pdf", ".svg")


def compare_families(
    photo: Photo,
    out: Out = [Path("families.html")],  # noqa: B006 - read only, and Typer's way to write it
    device: explain_options.Device = "auto",
    colormap: explain_options.Colormap = "viridis",
    scaling: explain_options.Scaling = "each",
    cells: explain_options.Cells = "tiles",
    width: explain_options.Width = 180.0,
    dpi: explain_options.Dpi = 300,
    caption: explain_options.Caption = False,
    language: explain_options.Language = "en",
) -> None:
    """Show what every family of attention that is on this machine does with one photo, side by side."""
    from attnviz.models.families import FAMILIES, families_here
    from attnviz.models.weights.registry import list_models
    from attnviz.pipeline import explain
    from attnviz.save.atomic_files import make_folder, write_files

    for path in out:
        if path.suffix.lower() not in _SUFFIXES:
            raise OptionError(f"expected a file that ends in {', '.join(_SUFFIXES)}, got {quoted(path.name)}")
    here = families_here(list_models().values())
    if not here:
        raise OptionError(f"expected a network with {', '.join(FAMILIES)} on this machine, got none of them")
    found = {family: explain(photo, card.name, device=device) for family, card in here.items()}
    looks: dict[str, object] = {"colormap": colormap, "scaling": scaling, "cells": cells, "width_mm": width, "dpi": dpi}
    looks |= {"caption": caption, "language": language}
    made = {path: _file(path, found, looks, photo.name) for path in out}
    for path, content in made.items():
        write_files(make_folder(path.parent), {path.name: content})
    missing = [family for family in FAMILIES if family not in found]
    if missing:
        warn(f"not on this machine: {', '.join(missing)}; `attnviz models` lists what can be had")
    shown = ", ".join(f"{family} ({card.name})" for family, card in here.items())
    say(one_line(f"{shown} -> {', '.join(map(str, out))}"))


def _file(path: Path, found: "dict[str, Explanation]", looks: dict[str, object], photo_name: str) -> bytes:
    """The comparison as a file of the kind that its name says."""
    kind = path.suffix.lower().removeprefix(".")
    if kind == "html":
        from attnviz.render.viewer.page import families_html

        return families_html(found, language=str(looks["language"])).encode("utf-8")
    from attnviz.render.families_plan import plan_families
    from attnviz.render.figure import render_figure
    from attnviz.render.figure_options import FigureOptions

    plan = plan_families(found, FigureOptions.of(looks), photo_name=photo_name)
    return render_figure(plan, kind)  # type: ignore[arg-type]
