"""Pack folders of photos into one file of JPEG bytes, and cut random views from it.

    python -m training.photos --sources training/photos.json --raw RAW --out DATA

``--sources`` is a JSON list of folders under RAW; each entry is a `Source`. What is written under ``--out``:

    photos.bin   the photos' JPEG files one after the other, shorter side at most 320 px
    photos.npz   starts int64 (N + 1,), chance float32 (N,), squashed bool (N,), held_out bool (N,), names str (N,)
"""

import argparse
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

LONGEST_SHORT_SIDE = 320  # a view is at most 224 px: more is decoded in vain
COPIES = "near_copies.txt"  # names of photos that are copies of photos to measure on
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")
SQUASHED_ASPECTS = (0.8, 1.45)  # width over height that squashed photos are stretched back to, at random


@dataclass(frozen=True)
class Source:
    """A folder of photos.

    Attributes:
        name: Goes before each photo's path.
        folder: Under the folder of all raw data.
        chance: That one of its photos is drawn in a pass over all photos, in (0, 1].
        squashed: Its photos were made square by squashing: they are stretched by a random amount when drawn.
        held_out: Every so many-th photo (by checksum of its path) is never drawn; 0: none, 1: all.
        leave_out: File with paths, one a line, of photos that are not packed; relative to the folder of all raw data.
        only: Folder with lists ``*_train.txt`` of the file names that are packed alone.
    """

    name: str
    folder: str
    chance: float = 1.0
    squashed: bool = False
    held_out: int = 0
    leave_out: str | None = None
    only: str | None = None

    def files(self, raw: Path) -> list[Path]:
        """Its photos in order of path."""
        found = sorted(p for p in (raw / self.folder).rglob("*") if p.suffix.lower() in ENDINGS)
        if self.only:
            lists = sorted((raw / self.only).glob("*_train.txt"))
            kept = {line.strip() for file in lists for line in file.read_text().splitlines()}
            found = [p for p in found if p.name in kept]
        if self.leave_out:
            left = {line.strip() for line in (raw / self.leave_out).read_text().splitlines() if line.strip()}
            found = [p for p in found if not any(p.as_posix().endswith(end) for end in left)]
        return found

    def holds_out(self, path: str) -> bool:
        """Whether a photo is kept out of training."""
        return self.held_out > 0 and zlib.crc32(path.encode()) % self.held_out == 0


@dataclass(frozen=True, eq=False)
class Photos:
    """Packed photos.

    Attributes:
        data: uint8 (bytes,), mapped from the file.
        starts: int64 (N + 1,), where each photo's JPEG file begins.
        chance: float32 (N,), to be drawn in a pass.
        squashed: bool (N,).
        held_out: bool (N,), to measure on, never drawn.
        copied: bool (N,), copies of photos to measure on, never drawn either.
        names: str (N,), source and path.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    chance: NDArray[np.float32]
    squashed: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    copied: NDArray[np.bool_]
    names: NDArray[np.str_]

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.names)

    def photo(self, index: int) -> Image.Image:
        """Decode a photo, RGB."""
        with Image.open(io.BytesIO(self.data[self.starts[index] : self.starts[index + 1]].tobytes())) as opened:
            return opened.convert("RGB")


def load_photos(folder: Path) -> Photos:
    """Read what this module packed, and which photos `training.near_copies` leaves out, if it was asked."""
    with np.load(folder / "photos.npz") as fields:
        rest = {name: fields[name] for name in ("starts", "chance", "squashed", "held_out", "names")}
    listed = (folder / COPIES).read_text().splitlines() if (folder / COPIES).exists() else []
    copied = np.isin(rest["names"], np.array(listed, dtype=str))
    return Photos(data=np.memmap(folder / "photos.bin", np.uint8, "r"), copied=copied, **rest)


def as_rgb(path: Path) -> Image.Image:
    """Read a photo, RGB."""
    with Image.open(path) as opened:
        return opened.convert("RGB")


def as_jpeg(path: Path) -> bytes | None:
    """Read a photo's JPEG file as it is, if it is one and small; another is made one. None: it cannot be read."""
    try:
        with Image.open(path) as opened:
            short = min(opened.size)
            if opened.format == "JPEG" and opened.mode == "RGB" and short <= LONGEST_SHORT_SIDE:
                opened.load()
                return path.read_bytes()
            image = opened.convert("RGB")
    except OSError:
        return None
    scale = min(1.0, LONGEST_SHORT_SIDE / short)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=94)
    return stream.getvalue()


def pack(sources: Sequence[Source], raw: Path, out: Path) -> None:
    """Write ``photos.bin`` and ``photos.npz``."""
    out.mkdir(parents=True, exist_ok=True)
    starts, names = [0], []
    chance, squashed, held_out = [], [], []
    with (out / "photos.bin").open("wb") as stream, ThreadPoolExecutor(2) as pool:
        for source in sources:
            files = source.files(raw)
            for path, data in zip(tqdm(files, desc=source.name), pool.map(as_jpeg, files), strict=True):
                if data is None:
                    continue
                name = f"{source.name}/{path.relative_to(raw / source.folder).as_posix()}"
                stream.write(data)
                starts.append(starts[-1] + len(data))
                names.append(name)
                chance.append(source.chance)
                squashed.append(source.squashed)
                held_out.append(source.holds_out(name))
    np.savez(
        out / "photos.npz",
        starts=np.array(starts),
        names=np.array(names),
        chance=np.array(chance, np.float32),
        squashed=np.array(squashed),
        held_out=np.array(held_out),
    )


@dataclass(frozen=True)
class View:
    """A part of a photo.

    Attributes:
        photo: Its number.
        box: Left, top, right, bottom as shares of width and height.
        flip: Whether left and right are exchanged.
    """

    photo: int
    box: tuple[float, float, float, float]
    flip: bool


def views(photos: Photos, number: int, smallest: float) -> Iterator[View]:
    """Views of one pass over the photos, in random order: a function of the photos and the pass's number.

    Args:
        photos: Those held out and their copies are left out; each other one is drawn at most once, with its own chance.
        number: Of the pass.
        smallest: Share of the photo's area that a view keeps at least. Its aspect ratio is 3/4 to 4/3.
    """
    random = np.random.default_rng([number, 1])
    order = random.permutation(len(photos))
    drawn = random.random(len(photos)) < photos.chance
    ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3), len(photos)))
    area, squash = random.uniform(smallest, 1, len(photos)), random.uniform(*SQUASHED_ASPECTS, len(photos))
    x, y, flip = random.random(len(photos)), random.random(len(photos)), random.random(len(photos)) < 0.5
    for i in order:
        if not drawn[i] or photos.held_out[i] or photos.copied[i]:
            continue
        aspect = squash[i] if photos.squashed[i] else 1.0
        width, height = min(1.0, (area[i] * ratio[i] / aspect) ** 0.5), min(1.0, (area[i] * aspect / ratio[i]) ** 0.5)
        left, top = x[i] * (1 - width), y[i] * (1 - height)
        yield View(int(i), (left, top, left + width, top + height), bool(flip[i]))


def cut(image: Image.Image, view: View, size: int) -> NDArray[np.uint8]:
    """Cut a view out of its photo, antialiased: RGB uint8 (size, size, 3)."""
    left, top, right, bottom = view.box
    box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))
    return pixels[:, ::-1] if view.flip else pixels


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Pack folders of photos.")
    parser.add_argument("--sources", type=Path, required=True, help="JSON list of sources")
    parser.add_argument("--raw", type=Path, required=True, help="folder that holds their folders")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    pack([Source(**fields) for fields in json.loads(options.sources.read_text())], options.raw, options.out)


if __name__ == "__main__":
    main()
