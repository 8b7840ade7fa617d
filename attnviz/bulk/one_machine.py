"""Many photos on one machine: reading ahead, the network and writing at the same time, in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from attnviz.bulk.forward import batches, explain_batch
from attnviz.bulk.prepare import Refusal, prepare
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.bulk.work import PartResult, finish_part, keep
from attnviz.models.weights.registry import LoadedModel

_TOGETHER = 8  # photos that one thread reads before it hands them on
_WRITES_WAITING = 16  # batches that are computed and not written yet

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def run_here(
    parts: Iterable[list[PhotoRef]], out: Path, loaded: LoadedModel, settings: BulkSettings
) -> Iterator[PartResult]:
    """Do parts, one after the other.

    Args:
        parts: The photos of each.
        out: The folder of the export.
        loaded: The network.
        settings: What to make of each photo.

    Returns:
        What became of each part, in order, once it is written. Closing it stops the work; what is not finished is
        left out.

    Raises:
        ExportError: Something cannot be written.
    """
    threads = max(2, os.cpu_count() or 2)
    reading = ThreadPoolExecutor(threads, "read")
    writing = ThreadPoolExecutor(1, "write")  # in order, so that a part comes after the files of its photos
    read = partial(
        prepare,
        preprocessing=settings.preprocessing(loaded.card),
        min_size=loaded.card.min_size,
        draws=settings.draws,
    )
    finished: deque[Future[PartResult]] = deque()
    try:
        slices = ((part, part[1][start : start + _TOGETHER]) for part in enumerate(parts)
                  for start in range(0, len(part[1]), _TOGETHER))  # fmt: skip
        ready = _ahead(reading, lambda wanted: (wanted[0], read(wanted[1])), slices, 2 * threads)
        for (_, refs), group in groupby(ready, key=itemgetter(0)):
            waiting: deque[Future[PartResult]] = deque()
            for batch in batches((photo for _, photos in group for photo in photos), loaded, settings):
                outcomes = [batch] if isinstance(batch, Refusal) else explain_batch(batch, loaded, settings)
                waiting.append(writing.submit(keep, outcomes, out, settings))
                if len(waiting) > _WRITES_WAITING:
                    waiting[-_WRITES_WAITING].result()
            finished.append(writing.submit(_finish, waiting, refs, out))
            while finished and (finished[0].done() or len(finished) > 2):
                yield finished.popleft().result()
        while finished:
            yield finished.popleft().result()
    finally:
        reading.shutdown(cancel_futures=True)
        writing.shutdown(cancel_futures=True)


def _finish(waiting: Sequence["Future[PartResult]"], refs: Sequence[PhotoRef], out: Path) -> PartResult:
    return finish_part([future.result() for future in waiting], refs, out)


def _ahead(pool: ThreadPoolExecutor, read: Callable[[_In], _Out], wanted: Iterator[_In], depth: int) -> Iterator[_Out]:
    """What `read` gives for each, in order, read by the pool up to `depth` ahead."""
    pending: deque[Future[_Out]] = deque()
    for item in wanted:
        pending.append(pool.submit(read, item))
        if len(pending) > depth:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
