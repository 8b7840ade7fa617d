"""Photos per second of `attnviz export --engine ray` on one machine over those without Ray, in one run.

    python -m benchmarks.ray_rate                         # or: --model NAME --photos 2000 --rounds 3

Both export the same photos with the real network, in turn. The clock runs from the fourth part to the last: processes
take long to start, once; how long is told. Processor time is that of all processes together in that time; where cores
have other work besides, it tells more than the rate.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from attnviz.bulk.export import Engine, ExportState, export_photos
from attnviz.bulk.one_machine import run_here
from attnviz.bulk.ray_cluster import ray_data, run_on_ray
from attnviz.bulk.settings import BulkSettings
from attnviz.models.weights.registry import DEFAULT_MODEL
from benchmarks.export_rate import make_photos
from benchmarks.processes import cpu_seconds

FIRST = 4  # parts that are not counted: with them come the starts of workers


class Moment(NamedTuple):
    """What was when a part was done: photos so far, seconds, processor seconds."""

    done: int
    seconds: float
    cpu: float


class Rate(NamedTuple):
    """Photos per second, milliseconds of all cores together for each photo, and seconds until the first part."""

    photos_per_second: float
    cpu_ms: float
    start: float


def rate_of(engine: Engine, folder: Path, settings: BulkSettings) -> Rate:
    """Export all photos of a folder."""
    moments: list[Moment] = []
    start = time.perf_counter()

    def told(state: ExportState, _: object) -> None:
        moments.append(Moment(state.done, time.perf_counter() - start, cpu_seconds()))

    with tempfile.TemporaryDirectory() as out:
        export_photos([folder], out, settings, engine=engine, told=told)
    first, last = moments[FIRST], moments[-1]
    photos = last.done - first.done
    return Rate(photos / (last.seconds - first.seconds), 1000 * (last.cpu - first.cpu) / photos, moments[1].seconds)


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="benchmarks.ray_rate", description="an export with Ray beside one without")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of the weights (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=2000, help="photos of an export (default: %(default)s)")
    parser.add_argument("--part", type=int, default=64, help="photos of a part (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    options = parser.parse_args()
    if options.photos <= 2 * FIRST * options.part:
        parser.error(f"expected more photos than {2 * FIRST} parts have, {2 * FIRST * options.part}")
    ray_data(alone=True)
    settings = BulkSettings(model=options.model, device="cpu", part=options.part)
    ratios = []
    with tempfile.TemporaryDirectory() as made:
        make_photos(Path(made), options.photos)
        for _ in range(options.rounds):
            here = rate_of(run_here, Path(made), settings)
            there = rate_of(run_on_ray, Path(made), settings)
            ratios.append((there.photos_per_second / here.photos_per_second, there.cpu_ms / here.cpu_ms))
            for name, rate in (("here", here), ("Ray", there)):
                print(
                    f"{name:5}{rate.photos_per_second:8.1f} photos/s,{rate.cpu_ms:7.1f} ms of all cores a photo, first "
                    f"part after {rate.start:.0f} s",
                    flush=True,
                )
    rate, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"{options.model}: with Ray {rate:.2f} of the rate without, and {cpu:.2f} of its processor time, medians")
    return 0


if __name__ == "__main__":
    sys.exit(main())
