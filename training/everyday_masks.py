"""Pack photos with masks of everyday things for DANet: MSRC-v2, with streets, pets and people mapped into its classes.

    python -m training.everyday_masks --msrc msrc --camvid camvid --pets pets --people humans --out PACKED

Nothing is downloaded; any but MSRC may be left out. Reading MSRC needs ``scipy``. What is written under ``--out``:

    everyday_{train,val}.npy           uint8 (N, 320, 320, 3), RGB, the photo fitted in, its edges repeated beyond it
    everyday_{train,val}_labels.npy    uint8 (N, 320, 320), a class of `CLASSES`, 255 unlabelled or beyond the photo

Every fifth photo of MSRC (by checksum of its name) is ``val``, and nothing else is.
"""

import argparse
import zlib
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from training.pack import IGNORED
from training.photos import as_rgb

SIDE = 320
HELD_OUT = 5
MSRC = (
    "building", "grass", "tree", "cow", "horse", "sheep", "sky", "mountain", "aeroplane", "water", "face", "car",
    "bicycle", "flower", "sign", "bird", "book", "chair", "road", "cat", "dog", "body", "boat",
)  # fmt: skip
CLASSES = (*(name for name in MSRC if name not in ("face", "body")), "person")  # a face is part of a person
CAMVID = ("sky", "building", "", "road", "road", "tree", "sign", "", "car", "person", "bicycle", "")  # of the files
Labelled = tuple[Image.Image, NDArray[np.uint8]]


def class_of(name: str) -> int:
    """Number of a class; 255 where it is none of ours."""
    name = "person" if name in ("face", "body") else name
    return CLASSES.index(name) if name in CLASSES else IGNORED


def msrc_labels(segments: NDArray[np.uint8], of_segment: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Classes from MSRC's segments.

    Args:
        segments: uint8 (H, W), from 1.
        of_segment: Label of segment 1, 2, ...: from 1, in the order of `MSRC`. Segments beyond them are unlabelled.
    """
    table = np.full(256, IGNORED, np.uint8)
    for segment, label in enumerate(of_segment.ravel(), start=1):
        table[segment] = class_of(MSRC[label - 1]) if 1 <= label <= len(MSRC) else IGNORED
    return table[segments]


def is_held_out(name: str) -> bool:
    """Whether a photo of MSRC is measured on, and never trained on."""
    return zlib.crc32(name.encode()) % HELD_OUT == 0


def msrc(folder: Path) -> Iterator[tuple[str, Labelled]]:
    """MSRC-v2's photos by name."""
    read = import_module("scipy.io").loadmat
    for file in sorted((folder / "newsegmentations_mats").glob("*_GT.mat")):
        name, found = file.stem.removesuffix("_GT"), read(file)
        yield name, (as_rgb(folder / "Images" / f"{name}.bmp"), msrc_labels(found["newseg"], found["newlabels"]))


def camvid(folder: Path) -> Iterator[Labelled]:
    """CamVid's training photos; a pavement is a road here, poles and fences are unlabelled."""
    table = np.full(256, IGNORED, np.uint8)
    table[: len(CAMVID)] = [class_of(name) for name in CAMVID]
    for file in sorted((folder / "train").glob("*.png")):
        with Image.open(folder / "trainannot" / file.name) as opened:
            yield as_rgb(file), table[np.asarray(opened)]


def pets(folder: Path) -> Iterator[Labelled]:
    """Pets with trimaps; the background is unlabelled. Cats' breeds are written with a capital, dogs' without."""
    for file in sorted((folder / "images").glob("*.jpg")):
        trimap = folder / "annotations" / "trimaps" / f"{file.stem}.png"
        if not trimap.exists():
            continue
        own = class_of("cat" if file.name[0].isupper() else "dog")
        with Image.open(trimap) as opened:
            yield as_rgb(file), np.where(np.asarray(opened) == 1, own, IGNORED).astype(np.uint8)


def people(folder: Path) -> Iterator[Labelled]:
    """People with silhouettes; the background is unlabelled."""
    masks = {file.stem: file for file in sorted((folder / "Ground_Truth").iterdir())}
    for file in sorted((folder / "Training_Images").iterdir()):
        if file.stem in masks:
            with Image.open(masks[file.stem]) as opened:
                inside = np.asarray(opened.convert("L")) > 127
            yield as_rgb(file), np.where(inside, class_of("person"), IGNORED).astype(np.uint8)


def fitted(image: Image.Image, labels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Fit a photo and its labels into a square of 320 pixels, in their proportions."""
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    classes = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
    beyond = ((0, SIDE - size[1]), (0, SIDE - size[0]))
    return np.pad(pixels, (*beyond, (0, 0)), mode="edge"), np.pad(classes, beyond, constant_values=IGNORED)


def write(out: Path, split: str, parts: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> None:
    """Write one split."""
    np.save(out / f"everyday_{split}.npy", np.stack([image for image, _ in parts]))
    np.save(out / f"everyday_{split}_labels.npy", np.stack([labels for _, labels in parts]))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Pack photos with masks of everyday things.")
    parser.add_argument("--msrc", type=Path, required=True)
    for name in ("camvid", "pets", "people"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    train: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    val: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    for name, labelled in tqdm(msrc(options.msrc), desc="msrc"):
        (val if is_held_out(name) else train).append(fitted(*labelled))
    for read, folder in ((camvid, options.camvid), (pets, options.pets), (people, options.people)):
        if folder:
            train += [fitted(*labelled) for labelled in tqdm(read(folder), desc=read.__name__)]
    write(options.out, "train", train)
    write(options.out, "val", val)


if __name__ == "__main__":
    main()
