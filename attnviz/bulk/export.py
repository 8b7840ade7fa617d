"""``attnviz export``: photos of all sources into one folder, exactly once, however often the run is interrupted."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from attnviz.bulk.export_folder import check_recipe, opened, write_report
from attnviz.bulk.one_machine import run_here
from attnviz.bulk.prepare import Refusal
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef, find_photos
from attnviz.bulk.table import arrow
from attnviz.bulk.work import Done, PartResult, parts_to_do
from attnviz.errors import OptionError
from attnviz.models.weights.registry import LoadedModel, load_model

Engine = Callable[[Iterator[list[PhotoRef]], Path, LoadedModel, BulkSettings], Iterator[PartResult]]


@dataclass
class ExportState:
    """How far an export is.

    Attributes:
        total: Photos of all sources.
        done: Photos done by this run.
        earlier: Photos that earlier runs had done.
        refused: Photos that could not be used.
    """

    total: int = 0
    done: int = 0
    earlier: int = 0
    refused: list[Refusal] = field(default_factory=list)


def export_photos(
    sources: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    settings: BulkSettings,
    *,
    engine: Engine = run_here,
    told: Callable[[ExportState, Sequence[Refusal]], None] = lambda state, refused: None,
) -> ExportState:
    """Explain every photo of the sources, and write what was asked for.

    A photo counts as done once its files are whole under their names and its row is in the table. What a run that was
    killed did not finish the next run with the same sources does; what it finished is not done again. Refused photos
    are tried again.

    Args:
        sources: As for `attnviz.bulk.sources.find_photos`.
        out: The folder.
        settings: What to make of each photo.
        engine: Who does the work.
        told: Is called with the state and newly refused photos, first when the photos are counted, then after each
            part.

    Returns:
        How it ended; the same stands in ``report.json``.

    Raises:
        OptionError: A source is not there, there is no photo, or the folder holds an export of another kind.
        ModelError: The weights cannot be had.
        DeviceError: The device is not there.
        ExportError: Something cannot be written.
    """
    if "parquet" in settings.formats:
        arrow()  # before the first photo
    loaded = load_model(settings.model, settings.device)
    settings = replace(settings, precision=settings.precision_for(loaded))  # one for all machines
    state = ExportState(total=sum(1 for _ in find_photos(sources, without=Path(out))))
    if not state.total:
        raise OptionError("expected at least one photo in the sources, got none")
    with opened(Path(out)) as folder:
        check_recipe(folder, loaded, settings)
        done = Done(folder, settings)
        told(state, ())

        def parts() -> Iterator[list[PhotoRef]]:
            for earlier, left in parts_to_do(find_photos(sources, without=folder), done, settings.part):
                state.earlier += earlier
                if left:
                    yield left

        with closing(engine(parts(), folder, loaded, settings)) as results:  # type: ignore[type-var] # a generator
            for result in results:
                state.done += result.done
                state.refused += result.refused
                told(state, result.refused)
        write_report(
            folder, loaded=loaded, settings=settings, done=state.done, earlier=state.earlier, refused=state.refused
        )
    return state
