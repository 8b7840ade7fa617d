"""The same work on many machines, by Ray Data: read and decode, then a pool of actors that hold the network and write.

Ray schedules, moves data and repeats what was lost; nothing here does. A part is the unit of all of it. Its file's name
follows from its photos, so that a part that is written again, after the machine that wrote it was lost, is the same
file. Sources and results lie where every machine sees them under the same path.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from attnviz.bulk.network_actor import NetworkActor
from attnviz.bulk.prepare import Prepared, Refusal, prepare, read_part
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.bulk.work import PartResult
from attnviz.errors import DeviceError, first_line
from attnviz.extras import needs
from attnviz.models.weights.registry import LoadedModel

_SHARE_OF_NETWORK = 0.75  # of a core: what is left lets photos be read beside it, so that neither waits for ever
_SHARE_OF_READING = 0.25  # where the networks have GPUs, a whole core


def ray_data(*, alone: bool) -> tuple[ModuleType, ModuleType]:
    """Ray and Ray Data, once they are known to be there.

    Args:
        alone: Whether a cluster of this machine will be started, which then answers no other machine.

    Raises:
        MissingExtraError: They are not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report the run to its makers
    if alone:
        # Named for the systems where it is Ray's own choice. It takes 127.0.0.1, whatever address it is given, for the
        # machine's address in the network without this, and is read once, when Ray is imported.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    with needs("ray", "pyarrow", "pandas", extra="ray"):
        import ray
        import ray.data
    return ray, ray.data


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
    ray, data = ray_data(alone=address is None)
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
            read_part,
            read=read,
            settings=settings,
            preprocessing=settings.preprocessing(loaded.card),
            min_size=loaded.card.min_size,
        )
        done = (
            data.from_items(items, override_num_blocks=len(items))
            .map(reading, num_cpus=1 if gpus else _SHARE_OF_READING)
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


def _connect(ray: ModuleType, address: str | None) -> bool:
    """Join the cluster; whether this run did, and leaves it in the end."""
    if ray.is_initialized():
        return False
    local = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DeviceError(f"expected a Ray cluster at {address or 'this machine'}, got: {first_line(error)}") from error
    return True
