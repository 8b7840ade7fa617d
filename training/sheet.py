"""Draw a network's maps of many photos side by side, to be looked at after every run.

    python -m training.sheet --weights RUN/average.safetensors --spec RUN/spec.json --photos FOLDER --out sheet.png

Each row: a photo, the gains after stages 1 to 3 (dark: low, bright: high, each map by its own range, written on it),
Grad-CAM of the first category.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tqdm import tqdm

from training.gaze import Floats, Watcher, load, network_input
from training.photos import ENDINGS, as_rgb

HEIGHT, GAP = 110, 4  # pixels of a picture in the sheet, and between pictures


def painted(values: Floats, size: tuple[int, int]) -> Image.Image:
    """A map in grey, each cell a block, its range in the corner."""
    low, high = float(values.min()), float(values.max())
    grey: NDArray[np.uint8] = np.uint8(255 * (values - low) / (high - low or 1.0))
    image = Image.fromarray(grey).convert("RGB").resize(size, Image.Resampling.NEAREST)
    ImageDraw.Draw(image).text((2, size[1] - 12), f"{low:.2f} to {high:.2f}", fill="yellow")
    return image


def row(watch: Watcher, photo: Image.Image) -> Image.Image:
    """A photo and its maps."""
    size = (round(HEIGHT * photo.width / photo.height), HEIGHT)
    maps = watch(network_input(photo))
    tiles = [photo.resize(size), *(painted(values, size) for values in maps.values())]
    line = Image.new("RGB", (len(tiles) * (size[0] + GAP), HEIGHT + GAP), "white")
    for place, tile in enumerate(tiles):
        line.paste(tile, (place * (size[0] + GAP), 0))
    return line


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Draw a network's maps of many photos side by side.")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True, help="folder")
    parser.add_argument("--out", type=Path, required=True, help="PNG file")
    parser.add_argument("--columns", type=int, default=2, help="rows of maps beside each other")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    watch = Watcher(load(options.weights, options.spec))
    files = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in ENDINGS)
    lines = [row(watch, as_rgb(path)) for path in tqdm(files, desc="photos")]
    width, per_column = max(line.width for line in lines), -(-len(lines) // options.columns)
    sheet = Image.new("RGB", (options.columns * width, per_column * (HEIGHT + GAP)), "white")
    for number, line in enumerate(lines):
        column, place = divmod(number, per_column)
        sheet.paste(line, (column * width, place * (HEIGHT + GAP)))
    sheet.save(options.out)


if __name__ == "__main__":
    main()
