"""Photos per second of `attnviz export` over those of the bare network on the same batches, in one run.

    python -m benchmarks.export_rate                      # or: --model NAME --photos 400 --rounds 3

Every round runs each format once, and the bare network before and after it on the very batches the export makes; shown
are medians over the rounds. The photos are crops of the sample photos, JPEG files of 500 x 375 pixels as in ImageNet.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from attnviz.bulk.export import export_photos
from attnviz.bulk.forward import batches
from attnviz.bulk.prepare import Prepared, prepare
from attnviz.bulk.settings import BULK_FORMATS, PRECISION_CHOICES, BulkFormat, BulkSettings
from attnviz.bulk.sources import find_photos
from attnviz.inputs.preprocess import normalise
from attnviz.models.weights.registry import DEFAULT_MODEL, LoadedModel, load_model

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SIZE = (500, 375)


def make_photos(folder: Path, count: int) -> None:
    """Random crops of the sample photos; no two alike."""
    rng, originals = (
        np.random.default_rng(0),
        [Image.open(path).convert("RGB") for path in sorted(ASSETS.glob("*.jpg"))],
    )
    for number in range(count):
        photo = originals[number % len(originals)]
        share = rng.uniform(0.5, 0.9)
        width, height = photo.width * share, photo.height * share
        left, top = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
        crop = photo.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
        crop.save(folder / f"{number:06d}.jpg", quality=90)


def bare_inputs(folder: Path, loaded: LoadedModel, settings: BulkSettings) -> list[torch.Tensor]:
    """The batches that the export makes of the first 64 photos, ready for the network."""
    refs = [ref for ref, _ in zip(find_photos([folder]), range(64), strict=False)]
    preprocessing = settings.preprocessing(loaded.card)
    ready = prepare(refs, preprocessing, min_size=loaded.card.min_size, draws=False)
    made: list[list[Prepared]] = [batch for batch in batches(ready, loaded, settings) if isinstance(batch, list)]
    return [torch.cat([normalise(photo.network_image, preprocessing) for photo in batch]) for batch in made]


class Rate(NamedTuple):
    """How fast something went: photos per second, and milliseconds of all cores together for each photo."""

    photos_per_second: float
    cpu_ms: float


def rate_of(work: Callable[[], int]) -> Rate:
    """Run something that tells how many photos it did."""
    start, cpu = time.perf_counter(), time.process_time()
    count = work()
    return Rate(count / (time.perf_counter() - start), 1000 * (time.process_time() - cpu) / count)


def bare(inputs: Sequence[torch.Tensor], loaded: LoadedModel, seconds: float = 4.0) -> int:
    """The network alone, nothing watched, for some seconds."""
    count, start = 0, time.perf_counter()
    with torch.inference_mode():
        while time.perf_counter() - start < seconds:
            for x in inputs:
                loaded.net(x.to(loaded.device))
                count += len(x)
    return count


def whole_export(folder: Path, settings: BulkSettings) -> int:
    """A whole export, from its first photo to its report."""
    with tempfile.TemporaryDirectory() as out:
        return export_photos([folder], out, settings).done


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="benchmarks.export_rate", description="export beside the bare network")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of the weights (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=400, help="photos of an export (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="where to compute (default: %(default)s)")
    parser.add_argument("--format", nargs="+", default=list(BULK_FORMATS), choices=BULK_FORMATS, help="formats")
    parser.add_argument("--precision", default="float32", choices=PRECISION_CHOICES, help="of the export alone")
    options = parser.parse_args()
    loaded = load_model(options.model, options.device)
    formats: list[BulkFormat] = options.format
    runs = {
        name: BulkSettings(model=options.model, device=options.device, formats=(name,), precision=options.precision)
        for name in formats
    }
    with tempfile.TemporaryDirectory() as made:
        make_photos(Path(made), options.photos)
        inputs = bare_inputs(Path(made), loaded, runs[formats[0]])
        print(
            f"{options.model}, {options.precision}, {torch.get_num_threads()} threads, "
            f"batches of {len(inputs[0])} x {tuple(inputs[0].shape[2:])}"
        )
        whole_export(Path(made), runs[formats[0]])  # warms up
        measured: dict[str, list[tuple[Rate, Rate]]] = {name: [] for name in formats}
        for _ in range(options.rounds):
            for name in formats:
                before = rate_of(lambda: bare(inputs, loaded))
                mine = rate_of(partial(whole_export, Path(made), runs[name]))
                after = rate_of(lambda: bare(inputs, loaded))
                measured[name].append(
                    (mine, Rate(*(statistics.fmean(pair) for pair in zip(before, after, strict=True))))
                )
    print(f"{'':10}{'photos/s':>10}{'bare':>8}{'ratio':>8}{'CPU ms a photo':>18}{'bare':>8}")
    for name, pairs in measured.items():
        ratio = statistics.median(mine.photos_per_second / alone.photos_per_second for mine, alone in pairs)
        mine, alone = (Rate(*map(statistics.median, zip(*column, strict=True))) for column in zip(*pairs, strict=True))
        print(
            f"{name:10}{mine.photos_per_second:10.1f}{alone.photos_per_second:8.1f}{ratio:8.2f}"
            f"{mine.cpu_ms:18.1f}{alone.cpu_ms:8.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
