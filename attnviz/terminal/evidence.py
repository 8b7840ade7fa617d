"""``attnviz evidence`` and ``attnviz evaluate``: what speaks for the attention, on a photo and on a data set."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attnviz.errors import ExportError, OptionError, one_line
from attnviz.save.atomic_files import make_folder, shown, write_files
from attnviz.save.evidence_file import EVIDENCE, evidence_document
from attnviz.save.file_names import safe_stem
from attnviz.terminal import explain_options as options
from attnviz.terminal import network_options as network
from attnviz.terminal.network_options import NetworkRequest, requested_network
from attnviz.terminal.output import SOME_REFUSED, WRONG_USAGE, refuse, say, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attnviz.measure.evidence import Evidence
    from attnviz.measure.tables import Row

Photo = Annotated[Path, typer.Argument(metavar="PHOTO", help="A picture file.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of photos.", show_default=False)]
Box = Annotated[str | None, typer.Option(metavar="L,T,R,B", help="An object, photo pixels: do the maps find it?")]
Figures = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the numbers (JSON) and two pictures.")]


def show_evidence(
    photo: Photo,
    model: network.Model = None,
    weights: network.Weights = None,
    random_weights: network.RandomWeights = False,
    mean: network.Mean = None,
    std: network.Std = None,
    out: Figures = None,
    as_json: options.AsJson = False,
    device: options.Device = "auto",
    size: network.Size = None,
    resize_mode: options.ResizeMode = None,
    box: Box = None,
) -> None:
    """Does the attention focus, does it matter, is it faithful? Measured on a photo, with baselines and a verdict."""
    from attnviz.measure.evidence import Progress, evidence

    asked = NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, device=device
    )
    chosen = None if box is None else _box(box)
    folder = None if out is None else _folder(out)
    with _bar("evidence") as update:

        def told(step: Progress) -> None:
            update(step.share, 1.0, step.what)

        loaded = requested_network(asked)
        found = evidence(photo, loaded, size=size, resize_mode=resize_mode, box=chosen, progress=told)
    document = evidence_document(found)
    if folder is not None:
        files = write_files(folder, {EVIDENCE: document.encode(), **_pictures(found)})
    if as_json:
        say(document)
        return
    for sentence in found.verdict:
        say(one_line(sentence))
    say("")
    say(str(found.focus))
    say("")
    for effect in found.effects:
        say(one_line(f"{effect.title}: {effect.verdict}"))
    if found.faithfulness is not None:
        say("")
        for line in _judged(found):
            say(line)
    if folder is not None:
        say(f"written to {one_line(shown(files[0].parent))}")


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
    from attnviz.measure.tables import as_csv, as_markdown, rows_of

    asked = NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, device=device
    )
    items = read_items(folder, boxes=boxes, masks=masks, labels=labels, fixations=fixations, limit=limit)
    loaded = requested_network(asked)
    real = _folder(out)
    refused = []
    with _bar("photos") as update:
        steps = evaluate(items, loaded, real, size=size, interventions=interventions)

        def told(done: Done) -> None:
            update(done.number, done.total, one_line(done.name, 40))
            if done.refused is not None:
                refused.append(done)
                warn(f"{done.name}: {done.refused}")

        records = _finished(steps, told)
    rows = rows_of(records)
    text = as_markdown(rows)
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


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(number) for number in text.split(","))
    except ValueError as error:
        raise OptionError(f"expected --box LEFT,TOP,RIGHT,BOTTOM in photo pixels, got {text!r}") from error
    return left, top, right, bottom


def _judged(found: "Evidence") -> list[str]:
    """The faithfulness of every map, a line each."""
    faithful = found.faithfulness
    if faithful is None:
        return []
    head = ("map", "deletion area", "insertion area", "ROAD", "infidelity", "sensitivity", "order as Grad-CAM")
    lines = [head]
    for entry in faithful.maps:
        shaken = "–" if entry.sensitivity is None else f"{entry.sensitivity:.3f}"
        numbers = (entry.deletion_area, entry.insertion_area)
        areas = (f"{number:.3f}" for number in numbers)
        agreed = f"{entry.agreement['grad_cam']:+.2f}" if "grad_cam" in entry.agreement else "–"
        lines.append((entry.label, *areas, f"{entry.road:+.3f}", f"{entry.infidelity:.3g}", shaken, agreed))  # type: ignore[arg-type]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    told = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return [*told, f"{faithful.passes} forward passes for {found.category} ({100 * faithful.probability:.1f} %)"]


def _pictures(found: "Evidence") -> dict[str, bytes]:
    from attnviz.render.evidence_plots import as_png, curves_figure, effects_figure

    pictures = {"interventions.png": as_png(effects_figure(found.effects))} if found.effects else {}
    if found.faithfulness is not None:
        pictures["curves.png"] = as_png(curves_figure(found.faithfulness))
    return pictures


def _plots(rows: "Sequence[Row]") -> dict[str, bytes]:
    from attnviz.render.evidence_plots import as_png, means_figure

    plots = {}
    for table in dict.fromkeys(row.table for row in rows):
        members = [row for row in rows if row.table == table]
        for measure in dict.fromkeys(row.measure for row in members if not row.measure.startswith("centroid")):
            name = safe_stem(f"{table} {measure.partition(' (')[0]}".lower().replace(" ", "-"))
            plots[f"{name}.png"] = as_png(means_figure(members, measure))
    return plots


def _finished(steps: Generator[Any, None, list[dict[str, Any]]], told: "Callable[[Any], None]") -> list[dict[str, Any]]:
    try:
        while True:
            told(next(steps))
    except StopIteration as end:
        records: list[dict[str, Any]] = end.value
        return records


@contextmanager
def _bar(what: str) -> "Iterator[Callable[[float, float, str], None]]":
    """A progress bar with the time that is left on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    label = TextColumn("{task.description}", markup=False)  # a name in square brackets is no style
    columns = (label, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, now: bar.update(task, completed=done, total=total, description=now)
