"""Reads a ``manifest.json`` that anybody may have written: every value is checked before it is used."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from attnviz.errors import InputError, OptionError
from attnviz.render.figure_options import FigureOptions
from attnviz.save.atomic_files import reason, shown
from attnviz.save.manifest import SCHEMA

_LARGEST_FILE = 5_000_000  # bytes
_LARGEST_INPUT = 8192  # pixels
_MOST_MAPS = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}", flags=re.ASCII)
_RESIZE_MODES = ("keep", "stretch", "center_crop")


@dataclass(frozen=True)
class MapRecord:
    """What a manifest says about one map: shape, range and hash."""

    shape: tuple[int, ...]
    dtype: str
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """What it takes to make a figure again.

    Attributes:
        photo_name: Of the photo's file; None: it had none.
        photo_path: Of the photo, as seen from the manifest's folder; None: not told.
        photo_sha256: Of the photo's file; None: it was no file.
        pixels_sha256: Of the decoded photo.
        model: Name of the weights.
        model_sha256: Of the weights' file; None: random weights or a network made in a program.
        device: Where it was computed.
        size: Shorter side the network saw, pixels.
        resize_mode: ``"keep"``, ``"stretch"`` or ``"center_crop"``.
        predictions: How many predictions were kept.
        figure: The figure's options.
        maps: Label -> what the map was.
        files: Names of the files that were written beside the manifest.
        versions: Of the program and its libraries.
    """

    photo_name: str | None
    photo_path: str | None
    photo_sha256: str | None
    pixels_sha256: str
    model: str
    model_sha256: str | None
    device: str
    size: int
    resize_mode: str
    predictions: int
    figure: FigureOptions
    maps: Mapping[str, MapRecord]
    files: tuple[str, ...]
    versions: Mapping[str, str]


def read_manifest(path: Path) -> Recipe:
    """Read and check a manifest.

    Raises:
        InputError: There is no such file, it is no manifest of a version this program knows, or a value in it is wrong.
    """
    try:
        if not path.is_file():
            raise OSError(0, "no such file" if not path.exists() else "not a file")
        with open(path, "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"expected a manifest that can be read, got {shown(path)}: {reason(error)}") from error
    if len(content) > _LARGEST_FILE:
        raise InputError(f"expected a manifest of at most {_LARGEST_FILE:,} bytes, got a larger file: {shown(path)}")
    try:
        document = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON in {shown(path)}, got text that is none: {_short(error)}") from error
    return parse_manifest(document)


def parse_manifest(document: object) -> Recipe:
    """Check a decoded manifest.

    Raises:
        InputError: It is no manifest of a version this program knows, or a value in it is wrong.
    """
    root = _Fields(document, "the manifest")
    if root.get("schema", str) != SCHEMA:
        raise InputError(f"expected a manifest with schema {SCHEMA!r}, got {_short(root.get('schema', str))!r}")
    photo, model = _Fields(root.get("photo", dict), "photo"), _Fields(root.get("model", dict), "model")
    preprocessing = _Fields(root.get("preprocessing", dict), "preprocessing")
    maps = root.get("maps", dict)
    if len(maps) > _MOST_MAPS:
        raise InputError(f"expected at most {_MOST_MAPS} maps in the manifest, got {len(maps)}")
    return Recipe(
        photo_name=photo.text("name", optional=True),
        photo_path=photo.text("path", optional=True),
        photo_sha256=photo.sha256("sha256", optional=True),
        pixels_sha256=photo.sha256("pixels_sha256") or "",
        model=model.text("name") or "",
        model_sha256=model.sha256("sha256", optional=True),
        device=model.text("device") or "",
        size=preprocessing.whole("size", 1, _LARGEST_INPUT),
        resize_mode=preprocessing.choice("resize_mode", _RESIZE_MODES),
        predictions=len(root.get("predictions", list)),
        figure=_figure(root.get("figure", dict)),
        maps={str(label): _map(entry, label) for label, entry in maps.items()},
        files=tuple(_file_name(name) for name in root.get("files", list)),
        versions={str(k): str(v)[:100] for k, v in root.get("versions", dict).items()},
    )


def _figure(options: Mapping[str, Any]) -> FigureOptions:
    known = {field.name for field in fields(FigureOptions)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InputError(f"expected figure options out of {', '.join(sorted(known))}, got {_short(unknown[0])!r}")
    try:
        return FigureOptions(**options)
    except OptionError as error:
        raise InputError(f"expected a figure that can be drawn in the manifest: {_short(error)}") from error


def _map(entry: object, label: object) -> MapRecord:
    record = _Fields(entry, f"map {_short(label)}")
    shape = record.get("shape", list)
    if len(shape) > 4 or not all(type(n) is int and 0 < n < 1 << 31 for n in shape):
        raise InputError(f"expected the shape of map {_short(label)} as up to 4 sizes, got {_short(shape)}")
    return MapRecord(tuple(shape), record.choice("dtype", ("float32", "uint8")), record.sha256("sha256") or "")


def _file_name(name: object) -> str:
    if not isinstance(name, str) or len(name) > 200 or not re.fullmatch(r"[\w-]+\.[\w]+", name, flags=re.ASCII):
        raise InputError(f"expected plain file names in the manifest, got {_short(name)}")
    return name


class _Fields:
    """The fields of a JSON object, each with the type it must have."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"expected {where} as an object, got {_short(value)}")
        self._value: dict[str, Any] = value
        self._where = where

    def get(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of the kind that was asked for
        value = self._value.get(name)
        if type(value) is not kind:
            names = {str: "text", dict: "an object", list: "a list", int: "a whole number"}
            raise InputError(f"expected {name} of {self._where} as {names[kind]}, got {_short(value)}")
        return value

    def text(self, name: str, *, optional: bool = False) -> str | None:
        if optional and self._value.get(name, 0) is None:
            return None
        return self._checked(name, lambda text: len(text) <= 4096 and "\0" not in text, "text of up to 4096 letters")

    def sha256(self, name: str, *, optional: bool = False) -> str | None:
        if optional and self._value.get(name, 0) is None:
            return None
        return self._checked(name, lambda text: bool(_SHA256.fullmatch(text)), "a SHA-256 in hexadecimal")

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        return self._checked(name, lambda text: text in choices, f"one of {', '.join(choices)}")

    def whole(self, name: str, low: int, high: int) -> int:
        value: int = self.get(name, int)
        if not low <= value <= high:
            raise InputError(f"expected {name} of {self._where} from {low} to {high}, got {_short(value)}")
        return value

    def _checked(self, name: str, good: Callable[[str], bool], wanted: str) -> str:
        text: str = self.get(name, str)
        if not good(text):
            raise InputError(f"expected {name} of {self._where} as {wanted}, got {_short(text)}")
        return text


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _short(value: object) -> str:
    """A value for a message: short, on one line, whatever it is."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = str(value) if isinstance(value, Exception | str) else repr(value)
    text = " ".join(ascii(text)[1:-1].split())
    return text if len(text) <= 120 else f"{text[:117]}..."
