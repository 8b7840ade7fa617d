"""Photos with what is known about them: boxes, masks, labels, and where people looked."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import InputError, quoted, reason
from attnviz.extras import needs
from attnviz.reduce.focus import Box

Points = NDArray[np.float64]  # (N, 2): x and y in photo pixels
_PHOTOS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".avif"}
_LONGEST_HEAD = 100_000  # characters of a CSV file's first line
_MASKS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class Item:
    """One photo and what is known about it.

    Attributes:
        name: Path within the folder, with forward slashes.
        path: Of the file.
        boxes: (left, top, right, bottom) in photo pixels of each object; together they are what is inside.
        mask: File of its mask or label picture.
        label: Name or number of its category.
        viewers: Where each viewer looked, in photo pixels.
    """

    name: str
    path: Path
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None
    label: str | None = None
    viewers: tuple[Points, ...] = ()


def read_items(
    folder: Path,
    *,
    boxes: Path | None = None,
    masks: Path | None = None,
    labels: Path | None = None,
    fixations: Path | None = None,
    limit: int | None = None,
) -> list[Item]:
    """The photos of a folder, in the order of their names; of those, all about which everything asked for is known.

    Args:
        folder: With photos, also in folders inside of it.
        boxes: CSV with the columns image, left, top, right, bottom (photo pixels; a line for each object).
        masks: Folder with a picture for each photo, of the same name but for its ending.
        labels: CSV with the columns image, label: a category's name, or its number from 0.
        fixations: CSV with the columns image, x, y, viewer (photo pixels), or OSIE's ``fixations.mat``.
        limit: About so many, evenly spaced; None: all.

    Raises:
        InputError: A file cannot be read, lacks a column, or nothing is left.
    """
    found = {name: Item(name, folder / name) for name in _photos(folder)}
    if boxes is not None:
        found = _joined(found, {n: {"boxes": tuple(b)} for n, b in _boxes(boxes).items()}, boxes)
    if masks is not None:
        found = _joined(found, {n: {"mask": path} for n, path in _masks(masks, found).items()}, masks)
    if labels is not None:
        found = _joined(found, {row["image"]: {"label": row["label"]} for row in _rows(labels, "label")}, labels)
    if fixations is not None:
        looked = _osie(fixations) if fixations.suffix == ".mat" else _fixations(fixations)
        found = _joined(found, {n: {"viewers": tuple(v)} for n, v in looked.items()}, fixations)
    items = list(found.values())
    if limit is not None and limit < len(items):
        items = [items[i * len(items) // limit] for i in range(max(1, limit))]
    return items


def _photos(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"expected a folder of photos, got {quoted(folder.name)}, which is none")
    files = (path for path in folder.rglob("*") if path.suffix.lower() in _PHOTOS and path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    if not names:
        raise InputError(f"expected photos in the folder {quoted(folder.name)}, got none")
    return names


def _joined(found: dict[str, Item], known: dict[str, dict[str, object]], source: Path) -> dict[str, Item]:
    joined = {n: replace(item, **known[n]) for n, item in found.items() if n in known}  # type: ignore[arg-type]
    if not joined:
        raise InputError(f"expected {quoted(source.name)} to name photos of the folder, got none of them")
    return joined


def _rows(file: Path, *columns: str) -> Iterator[dict[str, str]]:
    """The lines of a CSV file with a header, as far as the named columns go; commas, semicolons or tabs."""
    wanted = ("image", *columns)
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            head = opened.readline(_LONGEST_HEAD)
            delimiter = max(",;\t", key=head.count)
            names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
            missing = [name for name in wanted if name not in names]
            if missing:
                raise InputError(
                    f"expected the columns {', '.join(wanted)} in the first line of {quoted(file.name)}, "
                    f"got no {missing[0]}"
                )
            reader = csv.DictReader(opened, names, delimiter=delimiter)
            for row in reader:
                if any(row[name] is None for name in wanted):
                    number = reader.line_num + 1  # after the first
                    raise InputError(f"expected whole lines in {quoted(file.name)}, got line {number} cut short")
                found = {name: row[name].strip() for name in wanted}
                yield {**found, "image": PurePosixPath(found["image"]).as_posix()}  # ./a.jpg is a.jpg
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"expected a CSV file at {quoted(file.name)}, got: {reason(error)}") from error


def _numbers(row: dict[str, str], columns: Iterable[str], file: Path) -> tuple[float, ...]:
    try:
        numbers = tuple(float(row[name]) for name in columns)
    except ValueError as error:
        raise InputError(f"expected numbers in {quoted(file.name)}, got: {reason(error)}") from error
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"expected finite numbers in {quoted(file.name)}, got {numbers}")
    return numbers


def _boxes(file: Path) -> dict[str, list[Box]]:
    found: dict[str, list[Box]] = defaultdict(list)
    sides = ("left", "top", "right", "bottom")
    for row in _rows(file, *sides):
        left, top, right, bottom = _numbers(row, sides, file)
        found[row["image"]].append((left, top, right, bottom))
    return found


def _masks(folder: Path, photos: Iterable[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"expected a folder of masks, got {quoted(folder.name)}, which is none")
    found = {}
    for name in photos:
        stem = folder / PurePosixPath(name).with_suffix("")
        there = next((path for path in (stem.with_name(stem.name + end) for end in _MASKS) if path.is_file()), None)
        if there is not None:
            found[name] = there
    return found


def _fixations(file: Path) -> dict[str, list[Points]]:
    found: dict[str, dict[str, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(file, "x", "y", "viewer"):
        found[row["image"]][row["viewer"]].append(_numbers(row, ("x", "y"), file))
    return {name: [np.array(points) for points in viewers.values()] for name, viewers in found.items()}


def _osie(file: Path) -> dict[str, list[Points]]:
    """OSIE's fixations (Xu et al. 2014): 700 photos of 800 x 600 pixels, 15 viewers."""
    with needs("scipy", extra="fixations"):
        from scipy.io.matlab import loadmat
    try:
        read = loadmat(file, squeeze_me=True, struct_as_record=False)
        return {entry.img: [_points(viewer) for viewer in entry.subjects] for entry in read["fixations"]}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"expected OSIE's fixations in {quoted(file.name)}, got: {reason(error)}") from error


def _points(viewer: object) -> Points:
    sides: Sequence[object] = [getattr(viewer, name) for name in ("fix_x", "fix_y")]
    return np.stack([np.atleast_1d(np.asarray(side, dtype=np.float64)) for side in sides], axis=1)
