"""Find photos to train on that are copies of photos to measure on, however they were resized, and leave them out.

    python -m training.near_copies --photos DATA --of RAW/imagenette/val RAW/osie/stimuli ...

Public collections share photos: 1,506 of Imagenette's 3,925 validation photos lie in a collection of ImageNet's. Writes
``near_copies.txt`` under ``--photos``, names that `training.photos.load_photos` then never lets be drawn: copies of
photos in the folders ``--of``, and of those that are held out. Squashed to 16 x 16 grey cells, copies correlate by over
0.99; different photos seldom by 0.97.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from training.photos import COPIES, ENDINGS, as_rgb, load_photos

SIDE = 16
ALIKE = 0.98  # correlation from which two photos count as one


def thumbnails(images: Iterable[Image.Image], total: int) -> NDArray[np.float32]:
    """Standardised grey thumbnails, float32 (N, 256), whose products are correlations."""
    rows = np.empty((total, SIDE * SIDE), np.float32)
    for i, image in enumerate(tqdm(images, total=total, desc="thumbnails", mininterval=10)):
        grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32).ravel()
        grey -= grey.mean()
        rows[i] = grey / (np.linalg.norm(grey) + 1e-6)
    return rows


def copies(photos: NDArray[np.float32], of: NDArray[np.float32], alike: float = ALIKE) -> NDArray[np.bool_]:
    """Which photos are copies of any of the others: thumbnails (N, 256) and (M, 256) -> bool (N,)."""
    found = np.zeros(len(photos), bool)
    for start in range(0, len(photos), 4096):
        found[start : start + 4096] = (photos[start : start + 4096] @ of.T).max(1) > alike
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Leave out photos that are copies of those to measure on.")
    parser.add_argument("--photos", type=Path, required=True, help="folder written by training.photos")
    parser.add_argument("--of", type=Path, nargs="*", default=[], help="folders of photos to measure on")
    options = parser.parse_args(argv)
    (options.photos / COPIES).unlink(missing_ok=True)
    photos = load_photos(options.photos)
    mine = thumbnails((photos.photo(i) for i in range(len(photos))), len(photos))
    files = [p for folder in options.of for p in sorted(folder.rglob("*")) if p.suffix.lower() in ENDINGS]
    theirs = thumbnails((as_rgb(p) for p in files), len(files))
    left_out = copies(mine, np.concatenate([mine[photos.held_out], theirs])) & ~photos.held_out
    (options.photos / COPIES).write_text("".join(f"{name}\n" for name in photos.names[left_out]))
    print(f"{left_out.sum()} of {len(photos)} photos are left out")


if __name__ == "__main__":
    main()
