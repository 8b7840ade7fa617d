"""``attnviz evidence`` and ``attnviz evaluate``: what speaks for the attention, on a photo and on a data set."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnviz.errors import ExportError, OptionError, one_line, quoted
from attnviz.save.atomic_files import make_folder, shown, write_files
from attnviz.save.evidence_file import evidence_document, evidence_files
from attnviz.save.file_names import safe_stem
from attnviz.terminal import explain_options as options
from attnviz.terminal import network_options as network
from attnviz.terminal.evidence_text import evidence_lines
from attnviz.terminal.network_options import NetworkRequest, requested_network
from attnviz.terminal.output import SOME_REFUSED, WRONG_USAGE, refuse, say, warn
from attnviz.terminal.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from attnviz.measure.tables import Row

Photo = Annotated[Path, typer.Argument(metavar="PHOTO", help="A picture file.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of photos.", show_default=False)]
Figures = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the numbers (JSON) and two figures.")]
Formats = Annotated[list[str], typer.Option("--format", "-f", help="Of the figures: png, pdf, svg, with commas.")]


def show_evidence(
    photo: Photo,
    model: network.Model = None,
    weights: network.Weights = None,
    random_weights: network.RandomWeights = False,
    mean: network.Mean = None,
    std: network.Std = None,
    out: Figures = None,
    formats: Formats = ["png"],  # noqa: B006 - typer copies it
    as_json: options.AsJson = False,
    device: options.Device = "auto",
    size: network.Size = None,
    resize_mode: options.ResizeMode = None,
    box: options.Box = None,
    mask: options.Mask = None,
) -> None:
    """Does the attention focus, does it matter, is it faithful? Measured on a photo, with baselines and a verdict."""
    from attnviz.measure.evidence import Progress, evidence

    asked = NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, device=device
    )
    given = given_object(box, mask)
    drawn = _drawn(formats)
    folder = None if out is None else _folder(out)
    with progress_bar("evidence") as update:

        def told(step: Progress) -> None:
            update(step.share, 1.0, step.what)

        loaded = requested_network(asked)
        found = evidence(photo, loaded, size=size, resize_mode=resize_mode, progress=told, **given)
    if folder is not None:
        write_files(folder, evidence_files(found, drawn))
    if as_json:
        say(evidence_document(found))
        return
    for line in evidence_lines(found):
        say(line)
    if folder is not None:
        say(f"written to {one_line(shown(folder))}")


def given_object(box: str | None, mask: Path | None) -> dict[str, Any]:
    """The object of ``--box`` or ``--mask``, for `attnviz.evidence`; empty where there is none.

    Raises:
        InputError: It is none.
    """
    from attnviz.inputs.mask import object_mask
    from attnviz.measure.focus_table import box_of

    found = {} if box is None else {"box": box_of(box)}
    return found if mask is None else {**found, "mask": object_mask(mask)}


def evaluate_folder(
    folder: Folder,
    boxes: Annotated[Path | None, typer.Option(help="CSV: image,left,top,right,bottom in photo pixels.")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of masks of the same names; of a segmentation, of class numbers.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV: image,label, a category's name or number.")] = None,
    fixations: Annotated[
        Path | None, typer.Option(help="CSV: image,x,y,viewer in photo pixels; or OSIE's fixations.mat.")
    ] = None,
    model: network.Model = None,
    weights: network.Weights = None,
    random_weights: network.RandomWeights = False,
    mean: network.Mean = None,
    std: network.Std = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to; the same one goes on.")] = Path(
        "attnviz-evaluation"
    ),
    limit: Annotated[int | None, typer.Option(min=1, help="So many photos, evenly spaced; else all.")] = None,
    interventions: Annotated[bool, typer.Option(help="Measure the answers without the attention, too.")] = True,
    device: options.Device = "auto",
    size: network.Size = None,
) -> None:
    """Measure a model's attention on a data set: tables with confidence intervals. Stopped, it goes on where it was."""
    from attnviz.measure.datasets import read_items
    from attnviz.measure.evaluate import Done, evaluate
    from attnviz.measure.tables import as_csv, as_markdown, definitions_as_markdown, rows_of

    asked = NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, device=device
    )
    items = read_items(folder, boxes=boxes, masks=masks, labels=labels, fixations=fixations, limit=limit)
    loaded = requested_network(asked)
    real = _folder(out)
    refused = []
    with progress_bar("photos") as update:
        steps = evaluate(items, loaded, real, size=size, interventions=interventions)

        def told(done: Done) -> None:
            update(done.number, done.total, one_line(done.name, 40))
            if done.refused is not None:
                refused.append(done)
                warn(f"{done.name}: {done.refused}")

        records = _finished(steps, told)
    rows = rows_of(records)
    text = f"{as_markdown(rows)}\n{definitions_as_markdown(rows)}" if rows else "no photo could be measured\n"
    files = {"tables.csv": as_csv(rows).encode(), "tables.md": text.encode(), **_plots(rows)}
    write_files(real, files)
    say(text)
    say(f"written to {one_line(shown(out))}")
    raise typer.Exit(SOME_REFUSED if refused else 0)


def _folder(out: Path) -> Path:
    try:
        return make_folder(out)
    except ExportError as error:
        refuse(error, code=WRONG_USAGE)


def _drawn(formats: Sequence[str]) -> tuple[str, ...]:
    """Formats of the figures, checked."""
    names = tuple(name.strip().lower() for group in formats for name in group.split(",") if name.strip())
    for name in names:
        if name not in ("png", "pdf", "svg"):
            raise OptionError(f"expected --format out of png, pdf, svg, got {quoted(name)}")
    return names


def _plots(rows: "Sequence[Row]") -> dict[str, bytes]:
    from attnviz.render.evidence_plots import means_figure
    from attnviz.render.figure_file import figure_file

    plots = {}
    for table in dict.fromkeys(row.table for row in rows):
        members = [row for row in rows if row.table == table]
        for measure in dict.fromkeys(row.measure for row in members if not row.measure.startswith("centroid")):
            name = safe_stem(f"{table} {measure.partition(' (')[0]}".lower().replace(" ", "-"))
            plots[f"{name}.png"] = figure_file(means_figure(members, measure), "png")
    return plots


def _finished(steps: Generator[Any, None, list[dict[str, Any]]], told: "Callable[[Any], None]") -> list[dict[str, Any]]:
    try:
        while True:
            told(next(steps))
    except StopIteration as end:
        records: list[dict[str, Any]] = end.value
        return records
