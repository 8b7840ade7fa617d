"""Ask the teacher about random views of the packed photos, pass after pass, and keep views and answers in shards.

    python -m training.label --photos DATA --out SHARDS --shards 150

A shard is two files: ``views-PASS-NUMBER.npy`` uint8 (2048, S, S, 3), RGB, and ``logits-PASS-NUMBER.npy`` float16
(2048, 1000). Views are a function of pass and number, so an interrupted run goes on where it was. With more than
``--shards`` of them the oldest go: training sees new crops of every photo as time passes.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.photos import Photos, View, cut, load_photos, views
from training.teacher import SIZES, Teacher, load_teacher

SHARD = 2048  # views
BATCH = 32  # views that the teacher is asked about at once


def two_sizes(photos: Photos, view: View, small: int, large: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A view as the student sees it, and as the teacher does."""
    image = photos.photo(view.photo)
    return cut(image, view, small), cut(image, view, large)


def label(photos: Photos, chosen: Sequence[View], teacher: Teacher, sizes: tuple[int, int]) -> tuple[
    NDArray[np.uint8], NDArray[np.float16]
]:  # fmt: skip
    """Cut views and ask the teacher about them.

    Args:
        photos: Where they are cut from.
        chosen: The views.
        teacher: Takes at most `BATCH` at once.
        sizes: Sides of a view as kept, and as the teacher sees it.

    Returns:
        The views, uint8 (N, S, S, 3), and the teacher's logits, float16 (N, 1000).
    """
    kept, answers = [], []
    with ThreadPoolExecutor(1) as pool:  # the next batch is cut while the teacher looks at this one
        parts = [chosen[i : i + BATCH] for i in range(0, len(chosen), BATCH)]
        for pairs in pool.map(lambda part: [two_sizes(photos, view, *sizes) for view in part], parts):
            small, large = zip(*pairs, strict=True)
            kept.append(np.stack(small))
            answers.append(teacher(np.stack(large)).astype(np.float16))
    return np.concatenate(kept), np.concatenate(answers)


def shards_to_make(photos: Photos, out: Path, smallest: float) -> Iterator[tuple[str, list[View]]]:
    """Name and views of every shard from the last one made on, endlessly."""
    made = sorted(out.glob("logits-*.npy"))
    after = made[-1].stem.removeprefix("logits-") if made else ""
    for number in count(int(after.split("-")[0]) if after else 0):
        pass_over = views(photos, number, smallest)
        for place in count():
            name, chosen = f"{number:04d}-{place:04d}", list(islice(pass_over, SHARD))
            if len(chosen) < SHARD:
                break
            if name > after:
                yield name, chosen


def save(file: Path, array: NDArray[np.generic]) -> None:
    """Write an array in one move."""
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.save(stream, array)
    part.replace(file)


def remove_oldest(out: Path, keep: int) -> None:
    """Remove all but the last `keep` shards."""
    for file in sorted(out.glob("logits-*.npy"))[:-keep]:
        file.unlink()
        file.with_name(file.name.replace("logits", "views")).unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Label random views of photos by a teacher, endlessly.")
    parser.add_argument("--photos", type=Path, required=True, help="folder written by training.photos")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--shards", type=int, default=150, help="how many are kept")
    parser.add_argument("--total", type=int, help="stop after so many shards of this call")
    parser.add_argument("--size", type=int, default=176, help="side of the views kept")
    parser.add_argument("--smallest", type=float, default=0.25, help="share of the photo's area a view keeps at least")
    parser.add_argument("--teacher", type=int, default=0, choices=sorted(SIZES))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    photos, teacher = load_photos(options.photos), load_teacher(options.teacher, BATCH, options.threads)
    for name, chosen in islice(shards_to_make(photos, options.out, options.smallest), options.total):
        began = time.monotonic()
        images, logits = label(photos, chosen, teacher, (options.size, SIZES[options.teacher]))
        save(options.out / f"views-{name}.npy", images)
        save(options.out / f"logits-{name}.npy", logits)
        remove_oldest(options.out, options.shards)
        print(f"{name}: {len(chosen) / (time.monotonic() - began):.0f} views a second", flush=True)


if __name__ == "__main__":
    main()
