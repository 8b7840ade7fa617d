"""How much of eight workers is left on clusters of one, two and four simulated nodes, and whether the driver grows.

    python -m benchmarks.ray_scaling                      # 100,000 rows, half an hour
    python -m benchmarks.ray_scaling --rows 20000 --part 64 --nodes 4

The network is replaced by a sleep of its duration and reading by a constant picture of the size that a network sees, so
that what is measured is scheduling and the movement of data. The nodes are processes of this machine. Linear is: rows
times the sleep, over the workers. The clock runs from the ninth part to the last: what starting the workers takes is
told beside it, and so is the processor time of all processes together, none of which is the network's. Where that is
more than the machine has left, it is the machine that is measured.
"""

import argparse
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from attnviz.bulk.prepare import Prepared
from attnviz.bulk.ray_cluster import ray_data, run_on_ray
from attnviz.bulk.settings import PHOTOS_PER_PART, BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.bulk.work import PartResult
from attnviz.inputs.geometry import Geometry
from attnviz.models.weights.registry import DEFAULT_MODEL, LoadedModel, load_model
from benchmarks.processes import cpu_seconds, resident

HOST = "127.0.0.1"
WORKERS = 8
STORE = 1 << 31  # bytes of all nodes together
SEEN = (224, 288)  # pixels, of the default network for a photo of 4:3
SECONDS = 0.043  # of one core for each photo in it: `benchmarks.export_rate`


class SleepingActor:
    """Stands for a `NetworkActor`: sleeps for as long as the network would take, and writes nothing."""

    def __init__(self, out: Path, settings: BulkSettings) -> None:
        """Holds no network."""

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """One part: as many as came."""
        _, photos = pickle.loads(row["part"])
        time.sleep(SECONDS * len(photos))
        return {"part": pickle.dumps(PartResult(done=len(photos)))}


def read_constant(refs: list[PhotoRef], *_: Any, **__: Any) -> list[Prepared]:
    """A picture for each, of the size that a network sees."""
    picture = np.zeros((*SEEN, 3), np.uint8)
    geometry = Geometry(SEEN, (0, 0, SEEN[1], SEEN[0]), SEEN)
    return [Prepared(ref.path, "", picture.copy(), geometry, picture[:1, :1]) for ref in refs]


class Moment(NamedTuple):
    """What was when a part was done: seconds, photos so far, processor seconds so far, memory of the driver (MB)."""

    seconds: float
    done: int
    cpu: float
    memory: int


def measure(nodes: int, rows: int, part: int, loaded: LoadedModel) -> str:
    """One line about one cluster."""
    ray, _ = ray_data(alone=True)
    from ray.cluster_utils import Cluster

    cluster, start, moments, done = Cluster(), time.perf_counter(), list[Moment](), 0
    settings = BulkSettings(model=loaded.card.name, device="cpu", part=part)
    try:
        for _ in range(nodes):
            cluster.add_node(
                num_cpus=WORKERS // nodes,
                object_store_memory=STORE // nodes,
                include_dashboard=False,
                node_ip_address=HOST,
            )
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", _node_ip_address=HOST)
        with tempfile.TemporaryDirectory() as out:
            run = partial(run_on_ray, actor=SleepingActor, read=read_constant, workers=WORKERS)
            for result in run(_parts(rows, part), Path(out), loaded, settings):
                done += result.done
                moments.append(Moment(time.perf_counter() - start, done, cpu_seconds(), resident()))
    finally:
        ray.shutdown()
        cluster.shutdown()
    return f"{nodes} nodes, {WORKERS} workers, {done} rows: {told(moments)}"


def told(moments: list[Moment]) -> str:
    """Of the moments of one run, what it came to."""
    first, last = moments[WORKERS], moments[-1]  # those before had waited for their workers to start
    seconds, done = last.seconds - first.seconds, last.done - first.done
    share = done * SECONDS / WORKERS / seconds
    return (
        f"{done / seconds:.0f} rows/s, {share:.3f} of linear; start {moments[0].seconds:.0f} s; besides the sleep "
        f"{1000 * (last.cpu - first.cpu) / done:.2f} ms of a core a row; driver "
        f"{moments[len(moments) // 10].memory} MB after a tenth, {last.memory} MB at the end"
    )


def _parts(rows: int, part: int) -> Iterator[list[PhotoRef]]:
    for start in range(0, rows, part):
        yield [PhotoRef(f"/photos/{number:09d}.jpg") for number in range(start, min(start + part, rows))]


def main() -> int:
    """Measure each cluster."""
    parser = argparse.ArgumentParser(prog="benchmarks.ray_scaling", description="Ray Data beside linear scaling")
    parser.add_argument("--rows", type=int, default=100_000, help="photos (default: %(default)s)")
    parser.add_argument("--part", type=int, default=PHOTOS_PER_PART, help="photos of a part (default: %(default)s)")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4], help="simulated nodes")
    options = parser.parse_args()
    if options.rows <= 2 * WORKERS * options.part:
        parser.error(f"expected more rows than two parts for each worker, {2 * WORKERS * options.part}")
    loaded = load_model(DEFAULT_MODEL, "cpu")
    for nodes in options.nodes:
        print(measure(nodes, options.rows, options.part, loaded), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
