"""``attnviz export``: many photos to one data set; what is refused stands in the report and on one line each."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attnviz.errors import AttnvizError, OptionError, one_line
from attnviz.terminal.output import SOME_REFUSED, refuse, say, warn

if TYPE_CHECKING:
    from attnviz.bulk.export import Engine, ExportState
    from attnviz.bulk.prepare import Refusal
    from attnviz.bulk.settings import BulkSettings


def run_export(
    sources: Sequence[str], out: Path, settings: "BulkSettings", *, engine: str = "here", address: str | None = None
) -> int:
    """Do it, and tell how it went.

    Returns:
        The exit code: 0, or 1 where a photo was refused.

    Raises:
        AttnvizError: Nothing can be done at all.
    """
    from attnviz.bulk.export import export_photos

    start = time.perf_counter()
    with _progress() as told:
        state = export_photos(sources, out, settings, engine=_engine(engine, address), told=told)
    seconds = time.perf_counter() - start
    rate = f", {state.done / seconds:.1f} photos/s" if state.done else ""
    earlier = f", {state.earlier} done before" if state.earlier else ""
    say(one_line(f"{state.done} done{earlier}, {len(state.refused)} refused in {seconds:.1f} s{rate} -> {out}"))
    try:
        for clip in _clips(sources, out, settings):
            say(one_line(f"drawn: {clip}"))
    except AttnvizError as error:  # the table is whole all the same
        refuse(error, code=SOME_REFUSED)
    return SOME_REFUSED if state.refused else 0


def _clips(sources: Sequence[str], out: Path, settings: "BulkSettings") -> Iterator[Path]:
    """Of every clip that was named and stands in the table, the files that show it."""
    from attnviz.bulk.sources import CLIP_ENDINGS

    clips = [source for source in sources if Path(source).suffix.lower() in CLIP_ENDINGS]
    if not clips or "parquet" not in settings.formats:
        return
    from attnviz.bulk.clip import read_clip, write_clip
    from attnviz.models.weights.registry import load_model

    loaded = load_model(settings.model, "cpu")
    for source in clips:
        clip = read_clip(source, out, trained=loaded.trained)
        yield from write_clip(clip, out, settings.preprocessing(loaded.card), min_size=loaded.card.min_size)


def _engine(name: str, address: str | None) -> "Engine":
    from attnviz.bulk.one_machine import run_here

    if name == "here":
        if address is not None:
            raise OptionError("expected --address with --engine ray only, got it without")
        return run_here
    from attnviz.bulk.ray_cluster import ray_data, run_on_ray

    ray_data(alone=address is None)  # before the first photo
    return partial(run_on_ray, address=address)


@contextmanager
def _progress() -> Iterator["Callable[[ExportState, Sequence[Refusal]], None]"]:
    """Draws how far it is, the rate and the time left on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f} photos/s" if task.speed else "")

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def told(state: "ExportState", refused: "Sequence[Refusal]") -> None:
            for refusal in refused:
                warn(f"{refusal.path}: {refusal.reason}")
            bar.update(task, completed=state.done + state.earlier + len(state.refused), total=state.total)

        yield told
