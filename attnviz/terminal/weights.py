"""``attnviz weights``: list, pull, import and verify weights. Mounted by `attnviz.terminal.app`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attnviz.errors import AttnvizError, one_line
from attnviz.models.weights.categories import CategorySet
from attnviz.terminal.model_list import print_models
from attnviz.terminal.output import SOME_REFUSED, RefusingGroup, exit_code, say, warn

if TYPE_CHECKING:
    from attnviz.models.weights.install import PullCallbacks

weights_app = typer.Typer(
    name="weights",
    help="Weights on this machine, and published ones.",
    cls=RefusingGroup,
    no_args_is_help=True,
    add_completion=False,
)
weights_app.command("list")(print_models)

Precision = Annotated[Literal["float32", "float16"], typer.Option(help="Of the file that is kept.")]


@weights_app.command("pull")
def pull_weights(
    names: Annotated[list[str], typer.Argument(help="Names from `attnviz models`.", metavar="NAME...")],
    accept_unlicensed: Annotated[
        bool, typer.Option("--accept-unlicensed", help="Also weights whose publisher states no licence.")
    ] = False,
    precision: Precision = "float32",
) -> None:
    """Fetch published weights, check them and convert them; goes on where an interrupted attempt stopped."""
    import torch

    from attnviz.models.weights.install import pull

    codes = set()
    for name in names:
        with _progress_bar(name) as callbacks:
            try:
                card = pull(
                    name, accept_unlicensed=accept_unlicensed, dtype=getattr(torch, precision), callbacks=callbacks
                )
            except AttnvizError as error:
                warn(f"{name}: {error}")
                codes.add(exit_code(error))
                continue
        say(one_line(f"{name} is at {card.path}"))
        codes.add(0)
    raise typer.Exit(codes.pop() if len(codes) == 1 else SOME_REFUSED)  # all went alike, or not


@weights_app.command("import")
def import_weights(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint: .pth, .pth.tar, .pth.zip or .safetensors.", metavar="FILE")
    ],
    name: Annotated[str | None, typer.Option("--as", help="What to call it; a published name checks its hash.")] = None,
    classes: Annotated[CategorySet | None, typer.Option(help="Whose classes it predicts.")] = None,
    precision: Precision = "float32",
) -> None:
    """Take a checkpoint file into the list, for example one that was fetched on another machine."""
    import torch

    from attnviz.models.weights.install import import_file

    card = import_file(file, name=name, classes=classes, dtype=getattr(torch, precision))
    say(one_line(f"{card.name} is at {card.path}"))


@weights_app.command("verify")
def verify_weights(
    name: Annotated[str | None, typer.Argument(help="Which; without it all on this machine.", metavar="[NAME]")] = None,
) -> None:
    """Check hashes, and that every file fits its network exactly."""
    from attnviz.models.weights.install import verify

    results = verify(name)
    for checked, problem in results:
        if problem is None:
            say(one_line(f"{checked}: whole"))
        else:
            warn(f"{checked}: {problem}")
    raise typer.Exit(SOME_REFUSED if any(problem for _, problem in results) else 0)


@contextmanager
def _progress_bar(name: str) -> Iterator["PullCallbacks"]:
    """Draw a download's progress on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from attnviz.models.weights.install import PullCallbacks

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    label = TextColumn("{task.description}", markup=False)  # a name in square brackets is no style
    with Progress(label, *columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(one_line(name), total=None)
        yield PullCallbacks(
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            waiting=lambda: warn(f"{name}: waiting for another process that is fetching it"),
        )
