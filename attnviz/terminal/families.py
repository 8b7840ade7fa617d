"""``attnviz families``: BAM, CBAM, SGE and SE on one photo, side by side in one file for a browser."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attnviz.errors import OptionError, one_line
from attnviz.terminal import explain_options
from attnviz.terminal.output import say, warn

Photo = Annotated[Path, Argument(metavar="PHOTO", help="Picture file.", show_default=False)]


def compare_families(
    photo: Photo,
    out: Annotated[Path, Option("--out", "-o", help="File to write.")] = Path("families.html"),
    device: explain_options.Device = "auto",
) -> None:
    """Show what every family of attention that is on this machine does with one photo, side by side."""
    from attnviz.models.families import FAMILIES, families_here
    from attnviz.models.weights.registry import list_models
    from attnviz.pipeline import explain
    from attnviz.render.viewer.page import families_html
    from attnviz.save.atomic_files import make_folder, write_files

    here = families_here(list_models().values())
    if not here:
        raise OptionError(f"expected a network with {', '.join(FAMILIES)} on this machine, got none of them")
    found = {family: explain(photo, card.name, device=device) for family, card in here.items()}
    folder = make_folder(out.parent)
    write_files(folder, {out.name: families_html(found).encode("utf-8")})
    missing = [family for family in FAMILIES if family not in found]
    if missing:
        warn(f"not on this machine: {', '.join(missing)}; `attnviz models` lists what can be had")
    shown = ", ".join(f"{family} ({card.name})" for family, card in here.items())
    say(one_line(f"{shown} -> {out}"))
