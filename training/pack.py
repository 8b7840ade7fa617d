"""Pack the raw data sets into uint8 arrays that training reads in place.

    python -m training.pack --tiny DIR --imagenette DIR --camvid DIR --out DIR

Nothing is downloaded. Any of the three may be left out. What is written under ``--out``:

    tiny_{train,val}.npy                uint8 (N, 64, 64, 3), RGB
    tiny_{train,val}_labels.npy         int64 (N,), index into categories.json
    tiny_val_boxes.npy                  int64 (N, 4): left, top, right, bottom, pixels, both ends inside the box
    imagenette_{train,val}.npy          uint8 (N, 160, 160, 3), centre square, antialiased
    imagenette_{train,val}_small.npy    uint8 (N, 64, 64, 3), reduced and compressed as Tiny ImageNet's pictures are
    imagenette_train_crops.npy          uint8 (3 N, 64, 64, 3), parts of each picture, reduced and compressed alike
    imagenette_{train,val}_..._labels.npy       int64, of each of these
    categories.json                     [{"synset", "name"}]: 200 of Tiny ImageNet (wnids.txt), then Imagenette's 10
    camvid_{train,val,test}.npy         uint8 (N, 360, 480, 3)
    camvid_{train,val,test}_labels.npy  uint8 (N, 360, 480), 0-10 a class, 255 unlabelled
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from multiprocessing import Pool
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from attnviz.inputs.preprocess import through_jpeg

T = TypeVar("T")

TINY_SIZE = 64
IMAGENETTE_SIZE = 160
IMAGENETTE_CROPS = 3  # of each training picture
CAMVID_SIZE = (360, 480)  # rows, columns
CAMVID_VOID = 11  # in the files' label images
IGNORED = 255
CAMVID_CATEGORIES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip


def centre_square(path: Path) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Read a picture as RGB, and say where its centre square is: left, top, right, bottom, pixels."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image, (left, top, left + side, top + side)


def read_square(path: Path, size: int) -> NDArray[np.uint8]:
    """Read a picture's centre square.

    Args:
        path: Picture file.
        size: Side of the result in pixels.

    Returns:
        RGB uint8 (size, size, 3).
    """
    image, box = centre_square(path)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=None)
    return np.asarray(image)


def read_tiny(path: Path) -> NDArray[np.uint8]:
    """Read a Tiny ImageNet picture, RGB uint8 (64, 64, 3)."""
    return read_square(path, TINY_SIZE)


def read_imagenette(path: Path) -> NDArray[np.uint8]:
    """Read an Imagenette picture, RGB uint8 (160, 160, 3)."""
    return read_square(path, IMAGENETTE_SIZE)


def read_imagenette_small(path: Path) -> NDArray[np.uint8]:
    """Read an Imagenette picture as Tiny ImageNet would hold it, RGB uint8 (64, 64, 3).

    Tiny ImageNet's files were reduced by bicubic sampling without antialiasing, and are JPEG with Pillow's tables of
    quality 75. A picture that lacks either trait tells which data set it is from, and so nearly its category: a linear
    classifier on log power spectra (2,000 pictures of each set to learn from, 1,000 to ask) tells the two sets apart
    with an ROC-AUC of 0.996 after antialiased reduction, compressed or not, and of 0.56 after this one.
    """
    return reduced_as_tiny(*centre_square(path))


def read_imagenette_crop(source: tuple[Path, int]) -> NDArray[np.uint8]:
    """Read a part of an Imagenette picture as Tiny ImageNet would hold it, RGB uint8 (64, 64, 3).

    A crop of a reduced picture is blurred; one that is cut before it is reduced has all the detail of 64 pixels.

    Args:
        source: A file, and which of its crops: a square of 30 to 100 % of the centre square's area, anywhere. The same
            file name and number give the same crop.
    """
    path, number = source
    image, _ = centre_square(path)
    digest = hashlib.sha256(f"{path.name} {number}".encode()).digest()
    area, across, down = np.random.default_rng(list(digest)).random(3)
    side = min(image.size) * (0.3 + 0.7 * area) ** 0.5
    left, top = across * (image.width - side), down * (image.height - side)
    return reduced_as_tiny(image, (left, top, left + side, top + side))


def reduced_as_tiny(image: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """Reduce a square of a picture as Tiny ImageNet's were, RGB uint8 (64, 64, 3).

    Args:
        image: RGB.
        box: Left, top, right, bottom, pixels.
    """
    reduced = image.transform((TINY_SIZE, TINY_SIZE), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    return np.asarray(through_jpeg(reduced, quality=75))


def read_street(path: Path) -> NDArray[np.uint8]:
    """Read a CamVid picture, RGB uint8 (360, 480, 3)."""
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def read_street_labels(path: Path) -> NDArray[np.uint8]:
    """Read a CamVid label image: uint8 (360, 480), 0-10 a class, 255 unlabelled."""
    with Image.open(path) as opened:
        labels = np.array(opened)
    labels[labels >= CAMVID_VOID] = IGNORED
    return labels


def write_pictures(out: Path, sources: Sequence[T], read: Callable[[T], NDArray[np.uint8]], *, workers: int) -> None:
    """Read every picture and write one array, under its final name only once complete.

    Args:
        out: The ``.npy`` file to write.
        sources: What `read` takes, such as a path, in the order of the rows.
        read: Reads one picture; a module-level function.
        workers: Processes that decode.

    Raises:
        ValueError: No pictures, or some of unequal shape.
    """
    if not sources:
        raise ValueError(f"expected pictures for {out.name}, found none")
    shape = read(sources[0]).shape
    part = out.with_suffix(".part")
    rows = open_memmap(part, mode="w+", dtype=np.uint8, shape=(len(sources), *shape))
    with Pool(workers) as pool:
        decoded = pool.imap(read, sources, chunksize=64)
        for i, picture in enumerate(tqdm(decoded, total=len(sources), desc=out.stem)):
            if picture.shape != shape:
                raise ValueError(f"expected {shape} as in the first picture, got {picture.shape} in {sources[i]}")
            rows[i] = picture
    rows.flush()
    part.replace(out)


def tiny_categories(root: Path) -> list[dict[str, str]]:
    """Read the 200 synsets in the order of ``wnids.txt`` with their names."""
    names = word_names(root)
    return [{"synset": s, "name": names[s]} for s in (root / "wnids.txt").read_text().split()]


def word_names(root: Path) -> dict[str, str]:
    """Read synset -> name from Tiny ImageNet's ``words.txt``, which covers all of WordNet's nouns."""
    lines = (root / "words.txt").read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


def pack_tiny(root: Path, out: Path, index: dict[str, int], workers: int) -> None:
    """Pack Tiny ImageNet's train and val, with val's boxes."""
    train = [(p, index[d.name]) for d in sorted((root / "train").iterdir()) if d.is_dir()
             for p in sorted((d / "images").iterdir())]  # fmt: skip
    write_pictures(out / "tiny_train.npy", [p for p, _ in train], read_tiny, workers=workers)
    np.save(out / "tiny_train_labels.npy", np.array([label for _, label in train], dtype=np.int64))
    rows = [line.split() for line in (root / "val" / "val_annotations.txt").read_text().splitlines()]
    folder = root / "val" / "images"
    write_pictures(out / "tiny_val.npy", [folder / r[0] for r in rows], read_tiny, workers=workers)
    np.save(out / "tiny_val_labels.npy", np.array([index[r[1]] for r in rows], dtype=np.int64))
    np.save(out / "tiny_val_boxes.npy", np.array([[int(v) for v in r[2:6]] for r in rows], dtype=np.int64))


def pack_imagenette(root: Path, out: Path, index: dict[str, int], workers: int) -> None:
    """Pack Imagenette's train and val."""
    for split in ("train", "val"):
        found = [
            (p, index[d.name]) for d in sorted((root / split).iterdir()) if d.is_dir() for p in sorted(d.iterdir())
        ]
        write_pictures(out / f"imagenette_{split}.npy", [p for p, _ in found], read_imagenette, workers=workers)
        write_pictures(
            out / f"imagenette_{split}_small.npy", [p for p, _ in found], read_imagenette_small, workers=workers
        )
        for name in (split, f"{split}_small"):
            np.save(out / f"imagenette_{name}_labels.npy", np.array([label for _, label in found], dtype=np.int64))
        if split == "train":
            crops = [(p, number) for p, _ in found for number in range(IMAGENETTE_CROPS)]
            write_pictures(out / "imagenette_train_crops.npy", crops, read_imagenette_crop, workers=workers)
            labels = [label for _, label in found for _ in range(IMAGENETTE_CROPS)]
            np.save(out / "imagenette_train_crops_labels.npy", np.array(labels, dtype=np.int64))


def pack_camvid(root: Path, out: Path, workers: int) -> None:
    """Pack CamVid's three splits, as the lists beside them name the files."""
    for split in ("train", "val", "test"):
        names = [Path(line.split()[0]).name for line in (root / f"{split}.txt").read_text().splitlines() if line]
        write_pictures(out / f"camvid_{split}.npy", [root / split / n for n in names], read_street, workers=workers)
        labels = [root / f"{split}annot" / n for n in names]
        write_pictures(out / f"camvid_{split}_labels.npy", labels, read_street_labels, workers=workers)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Pack raw data sets into uint8 arrays.")
    parser.add_argument("--tiny", type=Path, help="folder tiny-imagenet-200 (train, val, wnids.txt, words.txt)")
    parser.add_argument("--imagenette", type=Path, help="folder with train/ and val/; needs --tiny for the names")
    parser.add_argument("--camvid", type=Path, help="folder CamVid (train, trainannot, ..., train.txt, ...)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the arrays to")
    parser.add_argument("--workers", type=int, default=2, help="processes that decode")
    args = parser.parse_args(argv)
    if args.imagenette and not args.tiny:
        parser.error("--imagenette needs --tiny: the joint categories start with Tiny ImageNet's")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.tiny:
        categories = tiny_categories(args.tiny)
        if args.imagenette:
            names = word_names(args.tiny)
            synsets = sorted(d.name for d in (args.imagenette / "train").iterdir() if d.is_dir())
            categories += [{"synset": s, "name": names[s]} for s in synsets]
        index = {c["synset"]: i for i, c in enumerate(categories)}
        (args.out / "categories.json").write_text(json.dumps(categories, indent=1))
        pack_tiny(args.tiny, args.out, index, args.workers)
        if args.imagenette:
            pack_imagenette(args.imagenette, args.out, index, args.workers)
    if args.camvid:
        pack_camvid(args.camvid, args.out, args.workers)


if __name__ == "__main__":
    main()
