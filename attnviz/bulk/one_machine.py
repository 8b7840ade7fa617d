"""Many photos on one machine: reading ahead, networks and writing at the same time, in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from torch import nn

from attnviz.bulk.forward import batches, explain_batch
from attnviz.bulk.network_threads import NetworkThreads
from attnviz.bulk.prepare import Prepared, Refusal, prepare
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.bulk.work import PartResult, finish_part, keep
from attnviz.models.precision import has_known_parts, in_precision
from attnviz.models.weights.registry import LoadedModel

_TOGETHER = 8  # photos that one thread reads before it hands them on
_BATCHES_WAITING = 2  # batches that are ready beside those that are computed

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
    read = partial(
        prepare,
        preprocessing=settings.preprocessing(loaded.card),
        min_size=loaded.card.min_size,
        draws=settings.draws,
    )
    net = in_precision(loaded.net, settings.precision_for(loaded))
    copies = loaded.device.type == "cpu" and has_known_parts(loaded)
    finished: deque[Future[PartResult]] = deque()
    with _ending(ThreadPoolExecutor(threads, "read")) as reading, _ending(ThreadPoolExecutor(1, "table")) as table, \
            NetworkThreads(net, copies=copies) as networks:  # fmt: skip
        slices = ((part, part[1][start : start + _TOGETHER]) for part in enumerate(parts)
                  for start in range(0, len(part[1]), _TOGETHER))  # fmt: skip
        ready = _ahead(reading, lambda wanted: (wanted[0], read(wanted[1])), slices, 2 * threads)
        running: deque[Future[PartResult]] = deque()
        for (_, refs), group in groupby(ready, key=itemgetter(0)):
            waiting: deque[Future[PartResult]] = deque()
            for batch in batches((photo for _, photos in group for photo in photos), loaded, settings):
                running.append(networks.submit(partial(finish_batch, batch, out, loaded, settings)))
                waiting.append(running[-1])
                if len(running) > _BATCHES_WAITING + networks.count:
                    running.popleft().result()
            finished.append(table.submit(_finish, waiting, refs, out, settings))
            while finished and (finished[0].done() or len(finished) > 2):
                yield finished.popleft().result()
        while finished:
            yield finished.popleft().result()


@contextmanager
def _ending(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """A pool that, in the end, drops what it has not begun."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def finish_batch(
    batch: list[Prepared] | Refusal, out: Path, loaded: LoadedModel, settings: BulkSettings, net: nn.Module
) -> PartResult:
    """From a batch to its rows, with its files written; `net` computes, the network itself or a copy of it."""
    outcomes = [batch] if isinstance(batch, Refusal) else explain_batch(batch, loaded, settings, net)
    return keep(outcomes, out, settings)


def _finish(
    waiting: Sequence["Future[PartResult]"], refs: Sequence[PhotoRef], out: Path, settings: BulkSettings
) -> PartResult:
    return finish_part([future.result() for future in waiting], refs, out, settings)


def _ahead(pool: ThreadPoolExecutor, read: Callable[[_In], _Out], wanted: Iterator[_In], depth: int) -> Iterator[_Out]:
    """What `read` gives for each, in order, read by the pool up to `depth` ahead."""
    pending: deque[Future[_Out]] = deque()
    for item in wanted:
        pending.append(pool.submit(read, item))
        if len(pending) > depth:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
