"""The same work on many machines, by Ray Data: read and decode, then a pool of actors that hold the network and write.

Ray schedules, moves data and repeats what was lost; nothing here does. A part is the unit of all of it. Its file's name
follows from its photos, so that a part that is written again, after the machine that wrote it was lost, is the same
file. Sources and results lie where every machine sees them under the same path.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from attnviz.bulk.forward import Outcome, batches, explain_batch
from attnviz.bulk.prepare import Prepared, Refusal, prepare
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.bulk.work import PartResult, finish_part, keep
from attnviz.errors import DeviceError, first_line
from attnviz.extras import needs
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.precision import in_precision, pick_precision
from attnviz.models.weights.registry import LoadedModel, shared_model

_SHARE_OF_NETWORK = 0.75  # of a core: what is left lets photos be read beside it, so that neither waits for ever
_SHARE_OF_READING = 0.25

Row = dict[str, Any]


def ray_data() -> tuple[ModuleType, ModuleType]:
    """Ray and Ray Data, once they are known to be there.

    Raises:
        MissingExtraError: They are not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report the run to its makers
    with needs("ray", "pyarrow", "pandas", extra="ray"):
        import ray
        import ray.data
    return ray, ray.data


class NetworkActor:
    """Holds the network once, runs the photos of parts through it, and writes what comes out."""

    def __init__(self, out: Path, settings: BulkSettings) -> None:
        import torch

        if settings.device != "cuda":
            torch.set_num_threads(1)  # an actor has one core
        self._out, self._settings = out, settings
        self._loaded = shared_model(settings.model, settings.device)
        self._net = in_precision(self._loaded.net, pick_precision(settings.precision, self._loaded.device))

    def __call__(self, row: Row) -> Row:
        """One part: from what was read to what is written."""
        refs, photos = pickle.loads(row["part"])
        return {"part": pickle.dumps(finish_part(self.results(photos), refs, self._out, self._settings))}

    def results(self, photos: list[Prepared | Refusal]) -> list[PartResult]:
        """What the network makes of the photos of one part."""
        results = []
        for batch in batches(photos, self._loaded, self._settings):
            outcomes: Sequence[Outcome] = [batch] if isinstance(batch, Refusal) else self._explained(batch)
            results.append(keep(outcomes, self._out, self._settings))
        return results

    def _explained(self, batch: list[Prepared]) -> list[Outcome]:
        return explain_batch(batch, self._loaded, self._settings, self._net)


def run_on_ray(
    parts: Iterable[list[PhotoRef]],
    out: Path,
    loaded: LoadedModel,
    settings: BulkSettings,
    *,
    address: str | None = None,
    actor: type = NetworkActor,
    read: Callable[..., list[Prepared | Refusal]] = prepare,
    workers: int | None = None,
) -> Iterator[PartResult]:
    """Do parts on a cluster; arguments, results and errors as for `attnviz.bulk.one_machine.run_here`.

    Args:
        parts: The photos of each.
        out: The folder of the export, which every machine sees under this path.
        loaded: The network; every machine loads its own.
        settings: What to make of each photo.
        address: Of the cluster; None: one of this machine's cores, made for the run.
        actor: What holds the network.
        read: What reads the photos of a part.
        workers: How many of them; None: one for each GPU, or each core where there is none.

    Raises:
        DeviceError: The cluster cannot be reached.
    """
    ray, data = ray_data()
    started = _connect(ray, address)
    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        items = [{"part": pickle.dumps(refs)} for refs in parts]
        if not items:
            return
        gpus = int(ray.cluster_resources().get("GPU", 0)) if loaded.device.type == "cuda" else 0
        workers = workers or gpus or max(1, int(ray.cluster_resources().get("CPU", 1)))
        needs: dict[str, Any] = {"num_gpus": 1} if gpus else {"num_cpus": _SHARE_OF_NETWORK}
        reading = partial(
            _read,
            read=read,
            settings=settings,
            preprocessing=settings.preprocessing(loaded.card),
            min_size=loaded.card.min_size,
        )
        done = (
            data.from_items(items, override_num_blocks=len(items))
            .map(reading, num_cpus=_SHARE_OF_READING)
            .map(
                actor,
                fn_constructor_args=(out, settings),
                compute=data.ActorPoolStrategy(size=min(workers, len(items))),
                **needs,
            )
        )
        for row in done.iter_rows():
            yield pickle.loads(row["part"])
    finally:
        if started:
            ray.shutdown()


def _read(
    row: Row,
    *,
    read: Callable[..., list[Prepared | Refusal]],
    settings: BulkSettings,
    preprocessing: Preprocessing,
    min_size: int,
) -> Row:
    refs = pickle.loads(row["part"])
    photos = read(refs, preprocessing, min_size=min_size, draws=settings.draws)
    return {"part": pickle.dumps((refs, photos))}


def _connect(ray: ModuleType, address: str | None) -> bool:
    """Join the cluster; whether this run did, and leaves it in the end."""
    if ray.is_initialized():
        return False
    local = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DeviceError(f"expected a Ray cluster at {address or 'this machine'}, got: {first_line(error)}") from error
    return True
