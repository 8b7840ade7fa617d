"""Many small photos, no two alike, and what an export of them holds."""

from pathlib import Path

import numpy as np
from PIL import Image

from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.table import arrow, parts

SMALL = "bam_resnet18_w32"
SHAPES = ((40, 60), (60, 40), (48, 48))


def make_photos(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Photos of three shapes in two folders, JPEG and PNG."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        below = folder / ("even" if number % 2 == 0 else "odd")
        below.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        height, width = SHAPES[number % 3]
        path = below / f"{number:04d}{'.jpg' if number % 5 else '.png'}"
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
        made.append(path)
    return made


def settings(**changes):
    return BulkSettings(**{"model": SMALL, "device": "cpu", "size": 64, "part": 8, "batch": 4, **changes})


def rows(out: Path) -> list[dict]:
    """Every row of the table, as it stands in the files."""
    return [row for part in parts(out) for row in arrow().parquet.read_table(part).to_pylist()]
