"""The folder an export goes to: whose it is, what it is made with, and what became of it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import attnviz
from attnviz.bulk.prepare import Refusal
from attnviz.bulk.settings import BulkSettings
from attnviz.errors import ExportError, OptionError, one_line, quoted, reason
from attnviz.models.weights.registry import LoadedModel
from attnviz.save.atomic_files import make_folder, write_files

RECIPE = "export.json"
REPORT = "report.json"
SCHEMA = "attnviz export 1"


@contextmanager
def opened(out: Path) -> Iterator[Path]:
    """The folder, made where it is missing, held by this run alone, and without what a run that was killed left half.

    Raises:
        ExportError: It cannot be written to, or another run is writing to it.
    """
    folder = make_folder(out)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ExportError(f"expected a folder that no other run writes to, got {one_line(out)}") from error
    except OSError as error:
        raise ExportError(f"expected a folder to write to at {one_line(out)}, got: {reason(error)}") from error
    try:
        for half in folder.rglob(".*.tmp"):
            half.unlink(missing_ok=True)
        yield folder
    finally:
        lock.release()


def check_recipe(out: Path, loaded: LoadedModel, settings: BulkSettings) -> None:
    """Write down what the export is made with, or see that it is what an earlier run began with.

    Raises:
        OptionError: An earlier run made something else of its photos: one table cannot hold both.
        ExportError: It cannot be written.
    """
    recipe = _recipe(loaded, settings)
    try:
        earlier = json.loads((out / RECIPE).read_text(encoding="utf-8"))
        asked = {"precision": "float32", **earlier["asked"]}  # as it was before there was a choice
    except FileNotFoundError:
        write_files(out, {RECIPE: _json(recipe)})
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"expected {RECIPE} of an earlier export, got something else: {reason(error)}") from error
    for name, value in recipe["asked"].items():
        if asked.get(name) != value:
            raise OptionError(
                f"expected to go on with {name} {quoted(asked.get(name))} in {one_line(out)}, got {quoted(value)}: "
                "choose another folder"
            )


def _recipe(loaded: LoadedModel, settings: BulkSettings) -> dict[str, Any]:
    asked = settings.to_json() | {"model": loaded.card.name, "sha256": loaded.card.sha256}
    del asked["device"]  # may change from one machine to the next, and with it the last bits
    return {"schema": SCHEMA, "attnviz": attnviz.__version__, "asked": asked}


def write_report(
    out: Path, *, loaded: LoadedModel, settings: BulkSettings, done: int, earlier: int, refused: Sequence[Refusal]
) -> None:
    """Write what became of the photos.

    Args:
        out: The folder.
        loaded: The network.
        settings: What was made of the photos.
        done: Photos done by this run.
        earlier: Photos done by earlier runs.
        refused: All that could not be used.

    Raises:
        ExportError: It cannot be written.
    """
    card = loaded.card
    document = {
        "schema": SCHEMA,
        "attnviz": attnviz.__version__,
        "model": {"name": card.name, "task": card.task, "sha256": card.sha256, "trained": loaded.trained},
        "device": str(loaded.device),
        "precision": settings.precision,
        "done": done + earlier,
        "done_by_earlier_runs": earlier,
        "refused": [{"path": entry.path, "reason": entry.reason} for entry in refused],
    }
    write_files(out, {REPORT: _json(document)})


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode("ascii")
