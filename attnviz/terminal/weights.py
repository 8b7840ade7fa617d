"""``attnviz weights``: list, pull, import and verify weights. Mounted by `attnviz.terminal.app`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from attnviz.errors import AttnvizError, OptionError, UnknownModelError

weights_app = typer.Typer(
    name="weights", help="Weights on this machine, and published ones.", no_args_is_help=True, add_completion=False
)

_HEADINGS = {
    "shipped": "Shipped with the program",
    "cached": "Cached on this machine",
    "available": "Published elsewhere (attnviz weights pull NAME)",
}


class Precision(str, Enum):
    """How converted weights are kept."""

    float32 = "float32"
    float16 = "float16"


class Classes(str, Enum):
    """Data sets whose classes can be named."""

    imagenet = "imagenet"
    cityscapes = "cityscapes"
    ade20k = "ade20k"
    voc = "voc"


PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Of the file that is kept.")]


@weights_app.command("list")
def list_weights(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead of lines.")] = False,
) -> None:
    """List weights: shipped, cached and published ones, with score and licence."""
    from attnviz.models.weights.registry import list_models

    with _told():
        known = list(list_models().values())
    if as_json:
        rows = [
            {
                "name": entry.name,
                "status": entry.status,
                "title": entry.title,
                "metrics": dict(entry.metrics),
                "licence": entry.licence,
                "source": entry.source,
                "path": str(entry.path) if entry.path else None,
            }
            for entry in known
        ]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for status, heading in _HEADINGS.items():
        group = [entry for entry in known if entry.status == status]
        if group:
            typer.echo(heading)
        for entry in group:
            score = ", ".join(f"{name}: {value:g}" for name, value in list(entry.metrics.items())[:2])
            licence = entry.licence or ("NO LICENCE STATED" if status == "available" else "no licence stated")
            typer.echo(f"  {entry.name}\n      {entry.title}\n      {score + '; ' if score else ''}{licence}")


@weights_app.command("pull")
def pull_weights(
    names: Annotated[list[str], typer.Argument(help="Names from `attnviz weights list`.", metavar="NAME...")],
    accept_unlicensed: Annotated[
        bool, typer.Option("--accept-unlicensed", help="Also weights whose publisher states no licence.")
    ] = False,
    precision: PrecisionOption = Precision.float32,
) -> None:
    """Fetch published weights, check them and convert them; goes on where an interrupted attempt stopped."""
    import torch

    from attnviz.models.weights.install import PullCallbacks, pull

    failed = False
    for name in names:
        with _bar(name) as callbacks:
            try:
                entry = pull(
                    name,
                    accept_unlicensed=accept_unlicensed,
                    dtype=getattr(torch, precision.value),
                    callbacks=PullCallbacks(callbacks.progress, callbacks.waiting),
                )
            except (OptionError, UnknownModelError) as error:
                _fail(f"{name}: {error}", 2)
            except AttnvizError as error:
                typer.echo(f"{name}: {error}", err=True)
                failed = True
                continue
        typer.echo(f"{name} is at {entry.path}")
    if failed:
        raise typer.Exit(1)


@weights_app.command("import")
def import_weights(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint: .pth, .pth.tar, .pth.zip or .safetensors.", metavar="FILE")
    ],
    name: Annotated[str | None, typer.Option("--as", help="What to call it; a published name checks its hash.")] = None,
    classes: Annotated[Classes | None, typer.Option("--classes", help="Whose classes it predicts.")] = None,
    precision: PrecisionOption = Precision.float32,
) -> None:
    """Take a checkpoint file into the list, for example one that was fetched on another machine."""
    import torch

    from attnviz.models.weights.install import import_file

    with _told():
        entry = import_file(
            file,
            name=name,
            classes=None if classes is None else classes.value,
            dtype=getattr(torch, precision.value),
        )
    typer.echo(f"{entry.name} is at {entry.path}")


@weights_app.command("verify")
def verify_weights(
    name: Annotated[str | None, typer.Argument(help="Which; without it all on this machine.", metavar="[NAME]")] = None,
) -> None:
    """Check hashes, and that every file fits its network exactly."""
    from attnviz.models.weights.install import verify

    with _told():
        results = verify(name)
    for checked, problem in results:
        typer.echo(f"{checked}: {'whole' if problem is None else problem}", err=problem is not None)
    if any(problem is not None for _, problem in results):
        raise typer.Exit(1)


class _Teller:
    """Draws one download's progress on standard error, where that is a terminal."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._name = name
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self.bar.add_task(name, total=None)

    def progress(self, done: int, total: int | None) -> None:
        """Move the bar."""
        self.bar.update(self._task, completed=done, total=total)

    def waiting(self) -> None:
        """Say why nothing happens."""
        typer.echo(f"{self._name}: waiting for another process that is fetching it", err=True)


@contextmanager
def _bar(name: str) -> Iterator[_Teller]:
    teller = _Teller(name)
    with teller.bar:
        yield teller


@contextmanager
def _told() -> Iterator[None]:
    """Turn the program's errors into one line and an exit code: 2 for wrong usage, 1 for the rest."""
    try:
        yield
    except (OptionError, UnknownModelError) as error:
        _fail(str(error), 2)
    except AttnvizError as error:
        _fail(str(error), 1)


def _fail(message: str, code: int) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(code)
