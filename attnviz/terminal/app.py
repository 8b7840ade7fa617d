"""The command line. Nothing heavy is imported before a command needs it: ``--help`` loads no torch."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

import attnviz
from attnviz.errors import AttnvizError, OptionError, one_line
from attnviz.extras import needs
from attnviz.terminal import explain_options as options
from attnviz.terminal import network_options as network
from attnviz.terminal.evidence import evaluate_folder, show_evidence
from attnviz.terminal.families import compare_families
from attnviz.terminal.inside import print_inside
from attnviz.terminal.model_list import print_models
from attnviz.terminal.output import SOME_REFUSED, RefusingGroup, prepare_streams, refuse, say, unexpected, warn
from attnviz.terminal.sites import print_sites
from attnviz.terminal.weights import weights_app

app = typer.Typer(
    name="attnviz",
    help="See where the attention of vision models looks. Exit codes: 0 all done, 1 something was refused (the rest is "
    "done), 2 wrong usage.",
    cls=RefusingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("models")(print_models)
app.command("evidence")(show_evidence)
app.command("evaluate")(evaluate_folder)
app.command("sites")(print_sites)
app.command("families")(compare_families)
app.command("inside")(print_inside)
app.add_typer(weights_app)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"attnviz {attnviz.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The options of the program itself; its help text is the application's."""


@app.command("explain")
def explain_photos(
    photos: options.Photos,
    model: network.Model = None,
    weights: network.Weights = None,
    random_weights: network.RandomWeights = False,
    mean: network.Mean = None,
    std: network.Std = None,
    out: options.Out = Path("attnviz-out"),
    formats: options.Formats = ["png,pdf,svg,npz"],  # noqa: B006 - typer copies it
    html: options.Html = False,
    evidence: options.Evidence = False,
    box: options.Box = None,
    mask: options.Mask = None,
    as_json: options.AsJson = False,
    device: options.Device = "auto",
    size: network.Size = None,
    resize_mode: options.ResizeMode = None,
    top: options.Top = 5,
    at: options.At = [],  # noqa: B006 - typer copies it
    panels: options.Panels = "",
    columns: options.Columns = None,
    colormap: options.Colormap = "viridis",
    scaling: options.Scaling = "each",
    spread: options.Spread = "auto",
    opacity: options.Opacity = 0.6,
    opacity_by: options.OpacityBy = "auto",
    smooth: options.Smooth = False,
    cells: options.Cells = "tiles",
    width: options.Width = 180.0,
    dpi: options.Dpi = 300,
    font_size: options.FontSize = 7.0,
    title: options.Title = True,
    caption: options.Caption = False,
    language: options.Language = "en",
) -> None:
    """Show where a model looks: figure, raw maps and recipe of each photo, in a folder of its own."""
    from attnviz.terminal.explain import ExplainRequest, run_explain

    figure = {
        "panels": _split([panels]),
        "pins": tuple(_pin(text) for text in at),
        "interpolation": "bilinear" if smooth else "nearest",
        **{"columns": columns, "colormap": colormap, "scaling": scaling, "spread": spread},
        **{"map_opacity": opacity, "opacity_by": opacity_by, "cells": cells},
        **{"width_mm": width, "dpi": dpi, "font_size": font_size, "title": title, "caption": caption},
        "language": language,
    }
    chosen = [name.lower() for name in _split(formats)] + ["html"] * html
    asked = network.NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, device=device
    )
    request = ExplainRequest(
        photos=photos, network=asked, out=out, formats=chosen, as_json=as_json,
        resize_mode=resize_mode, top=top, figure=figure, evidence=evidence, box=box, mask=mask,
    )  # fmt: skip
    raise typer.Exit(run_explain(request))


def _split(groups: list[str]) -> tuple[str, ...]:
    """Names that were given with commas, or an option each."""
    return tuple(name.strip() for group in groups for name in group.split(",") if name.strip())


def _pin(text: str) -> tuple[float, float]:
    try:
        x, y = (float(number) for number in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"expected X,Y in photo pixels, got {text!r}", param_hint="--at") from error
    return x, y


@app.command("export")
def export_photos(
    sources: options.Sources,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to; a second run goes on there.")],
    model: network.Model = None,
    formats: Annotated[list[str], typer.Option("--format", "-f", help="Any of parquet, npz, png, webp.")] = ["parquet"],  # noqa: B006
    batch: Annotated[int | None, typer.Option(min=1, max=1024, help="Photos in one pass; else by their size.")] = None,
    part: Annotated[int, typer.Option(min=1, help="Photos in one file of the table.")] = 256,
    precision: Annotated[
        Literal["float32", "bfloat16", "auto"],
        typer.Option(help="Of the trunk; bfloat16 is quicker where the hardware multiplies it, which auto looks for."),
    ] = "float32",
    engine: Annotated[Literal["here", "ray"], typer.Option(help="here: this machine; ray: a Ray cluster.")] = "here",
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster; else one is made of this machine.")] = None,
    device: options.Device = "auto",
    size: network.Size = None,
    resize_mode: options.ResizeMode = "keep",
    top: options.Top = 5,
) -> None:
    """Explain the photos of folders, lists, tar files and clips: one table, or files of each photo."""
    from attnviz.bulk.settings import BulkSettings, checked_bulk_formats
    from attnviz.models.weights.registry import DEFAULT_MODEL
    from attnviz.terminal.export import run_export

    settings = BulkSettings(
        formats=checked_bulk_formats(name.lower() for name in _split(formats)), model=model or DEFAULT_MODEL,
        device=device, size=size, resize_mode=resize_mode or "keep", top=top, batch=batch, part=part,
        precision=precision,
    )  # fmt: skip
    raise typer.Exit(run_export(sources, out, settings, engine=engine, address=address))


@app.command("replay")
def replay_manifest(
    manifest: Annotated[Path, typer.Argument(help="A manifest.json that was written with a figure.")],
    photo: Annotated[Path | None, typer.Option(help="The photo, where it is not where it was.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the new files; else replay/.")] = None,
    model: network.Model = None,
    weights: network.Weights = None,
    device: Annotated[str | None, typer.Option(help="Where to compute; else as then.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a figure again and say whether its maps are identical; exit code 1 where they differ beyond rounding."""
    import json

    from attnviz.save.replay import replay

    try:
        report = replay(manifest, photo=photo, out_dir=out, model=model, weights=weights, device=device)
    except AttnvizError as error:
        refuse(error, code=SOME_REFUSED)
    if as_json:
        say(json.dumps(report.to_json(), indent=1))
    else:
        for note in report.notes:
            warn(note)
        say(report.sentence())
        if report.figure_identical is not None:
            say(f"figure.png: {'the same bytes' if report.figure_identical else 'not the same bytes'}")
        say(f"written to {one_line(str(report.files[0].parent))}")
    raise typer.Exit(0 if report.close else SOME_REFUSED)


@app.command("gallery")
def serve_gallery(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that `attnviz export` wrote a table to.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port.")] = 7861,
) -> None:
    """Browse the photos of an export: sorted, filtered, each with its maps; on this machine only."""
    from attnviz.bulk.index import read_index
    from attnviz.serve import gallery

    index = read_index(folder)
    say(f"http://{gallery.HOST}:{port} shows {len(index.paths)} photos")
    gallery.serve_gallery(index, port)


@app.command("serve")
def serve_page(
    host: Annotated[str, typer.Option(help="Address to listen on; the default is reached from this machine only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port.")] = 7860,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    model: network.OwnModel = None,
    title: Annotated[str | None, typer.Option(help="What the page calls that network.")] = None,
    weights: network.Weights = None,
    random_weights: network.RandomWeights = False,
    mean: network.Mean = None,
    std: network.Std = None,
    size: network.Size = None,
    allow_frame: Annotated[
        list[str], typer.Option(metavar="ORIGIN", help="Let that site show the page in a frame; may be repeated.")
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Serve the page, with a network of one's own where one is named."""
    from attnviz.serve.environment import prepare_environment

    asked = network.NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, title=title
    )
    own = network.own_networks(asked)  # first: a library may fetch its weights, and the page fetches nothing
    prepare_environment()  # read when Gradio is imported, with what follows
    with needs("gradio", "cachetools", "matplotlib", extra="page"):
        from attnviz.serve.app import build_ui, serve

    try:
        serve(build_ui(own), host=host, port=port, open_browser=open_browser, frames=allow_frame)
    except OptionError as error:
        raise typer.BadParameter(str(error), param_hint="--allow-frame") from error
    except OSError as error:
        problem = "a port that is taken: choose another with --port" if "empty port" in str(error) else str(error)
        warn(f"expected to be able to listen on {host} port {port}, got {problem}")
        raise typer.Exit(SOME_REFUSED) from error


def main() -> None:
    """Run the command line; ends the process, and never with a traceback."""
    prepare_streams()
    try:
        app(prog_name="attnviz")
    except Exception as error:
        sys.exit(unexpected(error))
