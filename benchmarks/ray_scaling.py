"""How much of eight workers is left on clusters of one, two and four simulated nodes, and whether the driver grows.

    python -m benchmarks.ray_scaling --rows 100000

The network is replaced by a sleep of its duration and reading by a constant picture of the size that a network sees, so
that what is measured is scheduling and the movement of data. The nodes are processes of this machine. Linear is: rows
times the sleep, over the workers. The clock runs from the first finished part to the last: what starting the workers
takes is told beside it.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from attnviz.bulk.prepare import Prepared
from attnviz.bulk.ray_cluster import NetworkActor, ray_data, run_on_ray
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.bulk.work import PartResult
from attnviz.inputs.geometry import Geometry
from attnviz.models.weights.registry import LoadedModel, load_model

MODEL = "bam_resnet18_w32"
WORKERS = 8
SEEN = (128, 192)  # pixels, of the shipped BAM networks for a photo of 3:2


class SleepingActor(NetworkActor):
    """Sleeps for as long as the network would take, and writes nothing."""

    seconds = 0.01  # of each photo

    def __init__(self, out: Path, settings: BulkSettings) -> None:
        self._out = out

    def results(self, photos: list[Any]) -> list[PartResult]:
        """As many as came."""
        time.sleep(self.seconds * len(photos))
        return [PartResult(done=len(photos))]


def read_constant(refs: list[PhotoRef], *_: Any, **__: Any) -> list[Prepared]:
    """A picture for each, of the size that a network sees."""
    picture = np.zeros((*SEEN, 3), np.uint8)
    geometry = Geometry(SEEN, (0, 0, SEEN[1], SEEN[0]), SEEN)
    return [Prepared(ref.path, "", picture.copy(), geometry, picture[:1, :1]) for ref in refs]


def measure(nodes: int, rows: int, part: int, loaded: LoadedModel) -> str:
    """One line about one cluster."""
    ray, _ = ray_data()
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(nodes):
        cluster.add_node(
            num_cpus=WORKERS // nodes,
            object_store_memory=1 << 29,
            include_dashboard=False,
        )
    settings = BulkSettings(model=MODEL, device="cpu", part=part)
    start, times, memory = time.perf_counter(), [], []
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        with tempfile.TemporaryDirectory() as out:
            run = partial(run_on_ray, actor=SleepingActor, read=read_constant, workers=WORKERS)
            for result in run(_parts(rows, part), Path(out), loaded, settings):
                times.append((time.perf_counter() - start, result.done))
                memory.append(resident())
    finally:
        ray.shutdown()
        cluster.shutdown()
    first = WORKERS  # parts: those that came first had waited for their workers to start
    seconds, done = times[-1][0] - times[first][0], sum(count for _, count in times[first + 1 :])
    share = done * SleepingActor.seconds / WORKERS / seconds
    total = sum(count for _, count in times)
    return (
        f"{nodes} nodes, {WORKERS} workers, {total} rows: {done / seconds:.0f} rows/s, {share:.3f} of linear; start "
        f"{times[0][0]:.0f} s; driver {memory[len(memory) // 10]} MB after a tenth, {memory[-1]} MB at the end"
    )


def _parts(rows: int, part: int) -> Iterator[list[PhotoRef]]:
    for start in range(0, rows, part):
        yield [PhotoRef(f"/photos/{number:09d}.jpg") for number in range(start, min(start + part, rows))]


def resident(process: int | str = "self") -> int:
    """Memory of a process now, MB; where the system does not tell, the largest so far, of this one."""
    status = Path(f"/proc/{process}/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() >> 20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> int:
    """Measure each cluster."""
    parser = argparse.ArgumentParser(prog="benchmarks.ray_scaling", description="Ray Data beside linear scaling")
    parser.add_argument("--rows", type=int, default=100_000, help="photos (default: %(default)s)")
    parser.add_argument("--part", type=int, default=256, help="photos of a part (default: %(default)s)")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4], help="simulated nodes")
    options = parser.parse_args()
    loaded = load_model(MODEL, "cpu")
    for nodes in options.nodes:
        print(measure(nodes, options.rows, options.part, loaded), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
