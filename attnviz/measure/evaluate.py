"""A data set, photo by photo: what was measured is kept line by line, so that a run goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attnviz.errors import AttnvizError, ExportError, ImageError, InputError, OptionError, one_line, quoted, reason
from attnviz.inputs.decode import upright_size
from attnviz.measure.datasets import Item, Points
from attnviz.measure.photo_scores import Scorer
from attnviz.models.weights.registry import LoadedModel

SCHEMA = "attnviz evaluate 1"
PHOTOS, RUN = "photos.jsonl", "run.json"


@dataclass(frozen=True)
class Done:
    """One photo of the run is finished.

    Attributes:
        number: Photos that are done, from 1.
        total: Photos of the run.
        name: Of the photo.
        refused: Why it could not be measured; None where it was.
    """

    number: int
    total: int
    name: str
    refused: str | None


def evaluate(
    items: Sequence[Item],
    loaded: LoadedModel,
    out: Path,
    *,
    size: int | None = None,
    interventions: bool = True,
) -> Generator[Done, None, list[dict[str, Any]]]:
    """Measure a network on every photo; a run that was stopped, however, goes on after its last whole line.

    Args:
        items: The photos and what is known about them.
        loaded: The network.
        out: An existing folder; `PHOTOS` gets a line per photo, `RUN` says what was asked for.
        size: Shorter side that the network sees, pixels; None: what it was trained for.
        interventions: Whether the answers without attention are measured, too.

    Yields:
        Each photo that is done, also those of an earlier attempt.

    Returns:
        What is in `PHOTOS`: for each photo ``image`` and what `Scorer.score` gives, or ``refused``.

    Raises:
        ExportError: The folder cannot be written to.
        OptionError: The folder holds another run.
    """
    asked = _asked(items, loaded, size, interventions)
    known = _resumed(out, asked)
    scorer = Scorer.of(loaded, size, interventions=interventions)
    gaze = _Gaze(items)
    with _opened(out / PHOTOS) as file:
        for number, item in enumerate(items, start=1):
            record = known.get(item.name)
            if record is None:
                try:
                    record = {"image": item.name, **scorer.score(item, gaze.elsewhere(item))}
                except AttnvizError as error:
                    record = {"image": item.name, "refused": one_line(error)}
                known[item.name] = record
                _append(file, record)
            yield Done(number, len(items), item.name, record.get("refused"))
    return [known[item.name] for item in items]


class _Gaze:
    """Fixations on all photos, as shares of their sides, to be asked for all but one photo's."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._points: list[Points] = []
        self._owners: dict[str, tuple[int, int]] = {}
        start = 0
        for item in items:
            if item.viewers:
                shares = np.concatenate(item.viewers) / _sides(item)
                self._owners[item.name] = (start, start + len(shares))
                self._points.append(shares)
                start += len(shares)
        self._all = np.concatenate(self._points) if self._points else np.zeros((0, 2))

    def elsewhere(self, item: Item) -> Points:
        start, stop = self._owners.get(item.name, (0, 0))
        return np.concatenate([self._all[:start], self._all[stop:]])


def _sides(item: Item) -> tuple[float, float]:
    """(width, height) of a photo, of its head alone; of one that cannot be read 1 x 1, which loses its fixations."""
    try:
        height, width = upright_size(item.path)
        return float(width), float(height)
    except ImageError:
        return 1.0, 1.0


def _asked(items: Sequence[Item], loaded: LoadedModel, size: int | None, interventions: bool) -> dict[str, Any]:
    """What tells one run from another."""
    kinds = [name for name in ("boxes", "mask", "label", "viewers") if items and getattr(items[0], name)]
    return {
        "schema": SCHEMA,
        "model": loaded.card.name,
        "sha256": loaded.card.sha256,
        "size": size,
        "interventions": interventions,
        "known": kinds,
        "photos": [item.name for item in items],
        "weights": None if loaded.card.sha256 else _weights_hash(loaded),
        "preprocessing": asdict(loaded.card.preprocessing),
        "facts": _facts_hash(items),
    }


def _weights_hash(loaded: LoadedModel) -> str:
    """SHA-256 of the numbers of a network that has no file of weights."""
    digest = hashlib.sha256()
    for name, values in loaded.net.state_dict().items():
        if isinstance(values, Tensor):
            digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
            digest.update(values.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _facts_hash(items: Sequence[Item]) -> str:
    """SHA-256 of what is known about the photos."""
    digest = hashlib.sha256()
    for item in items:
        viewers = [points.tolist() for points in item.viewers]
        digest.update(json.dumps([item.name, item.boxes, item.mask and item.mask.name, item.label, viewers]).encode())
    return digest.hexdigest()


def _resumed(out: Path, asked: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What an earlier attempt of the same run has measured; of a new run, nothing.

    Raises:
        InputError: What it left behind is none of ours.
        OptionError: Another run's.
        ExportError: The folder cannot be written to.
    """
    run, photos = out / RUN, out / PHOTOS
    try:
        if run.exists():
            _check_same(run, asked, out)
            return _whole_lines(photos) if photos.exists() else {}
        photos.unlink(missing_ok=True)
        temporary = run.with_suffix(".tmp")
        temporary.write_text(json.dumps(asked, indent=1), encoding="utf-8")
        os.replace(temporary, run)
    except OSError as error:
        raise ExportError(f"expected to be able to write to {one_line(out)}, got: {reason(error)}") from error
    return {}


def _check_same(run: Path, asked: Mapping[str, Any], out: Path) -> None:
    """Refuse to go on with a run of which anything that it tells is another; one of an earlier version tells less."""
    plain = json.loads(json.dumps(asked))  # as it would be read back: lists for tuples
    try:
        told = json.loads(run.read_text(encoding="utf-8"))
        changed = [name for name in {"schema": None, **told} if told.get(name) != plain.get(name)]
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"expected what a run was asked for in {quoted(run.name)}, got: {reason(error)}") from error
    if changed:
        raise OptionError(
            f"expected an empty folder or the same run in {quoted(out.name)}, got another run's: "
            f"other {', '.join(map(one_line, changed))}"
        )


def _whole_lines(photos: Path) -> dict[str, dict[str, Any]]:
    """The photos that are done; a line that was cut short is cut off the file.

    Raises:
        InputError: A line is none of ours.
    """
    content = photos.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with photos.open("r+b") as file:
            file.truncate(len(whole))
    try:
        records = [_with_nan(json.loads(line)) for line in whole.splitlines()]
        return {record["image"]: record for record in records}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"expected whole lines in {quoted(photos.name)}, got: {reason(error)}") from error


def _opened(path: Path) -> Any:  # noqa: ANN401 - a binary file
    try:
        return path.open("ab")
    except OSError as error:
        raise ExportError(f"expected to be able to write to {one_line(path)}, got: {reason(error)}") from error


def _append(file: Any, record: Mapping[str, Any]) -> None:  # noqa: ANN401 - a binary file
    try:
        file.write(json.dumps(_without_nan(record), allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise ExportError(f"expected to be able to write {PHOTOS}, got: {reason(error)}") from error


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - any part of a record
    if isinstance(value, Mapping):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(value: Any) -> Any:  # noqa: ANN401 - any part of a record
    if isinstance(value, dict):
        return {key: math.nan if part is None else _with_nan(part) for key, part in value.items()}
    return value
