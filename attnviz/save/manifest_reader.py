"""Reads a ``manifest.json`` that anybody may have written: every value is checked before it is used."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from attnviz.errors import InputError, one_line, quoted, reason
from attnviz.inputs.preprocess import Preprocessing
from attnviz.render.figure_options import FigureOptions
from attnviz.save.manifest import SCHEMA

_LARGEST_FILE = 5_000_000  # bytes
_MOST_MAPS = 4096


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL in it")
    return text


Text = Annotated[str, Field(max_length=4096), AfterValidator(_without_nul)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_]+$")]
Side = Annotated[int, Field(gt=0, lt=1 << 31)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class PhotoRecord(_Part):
    """The photo.

    Attributes:
        name: Of its file; None: it had none.
        path: Of its file, as seen from the manifest's folder; None: not told.
        sha256: Of its file; None: it was no file.
        pixels_sha256: Of the decoded photo.
    """

    name: Text | None
    path: Text | None
    sha256: Sha256 | None
    pixels_sha256: Sha256


class ModelRecord(_Part):
    """The weights.

    Attributes:
        name: Of the weights.
        sha256: Of their file; None: random weights or a network made in a program.
        device: Where the network ran.
    """

    name: Text
    sha256: Sha256 | None
    device: Text


class MapRecord(_Part):
    """One array: shape, type and hash."""

    shape: Annotated[tuple[Side, ...], Field(max_length=4)]
    dtype: Literal["float32", "uint8", "uint16"]
    sha256: Sha256


class Recipe(_Part):
    """What it takes to make a figure again.

    Attributes:
        photo: The photo.
        model: The weights.
        preprocessing: How the photo became the network's input, all of it.
        predictions: What was predicted; only their number matters.
        figure: The figure's options.
        maps: Label -> what the map was.
        files: Names of the files that were written beside the manifest.
        versions: Of the program and its libraries.
    """

    photo: PhotoRecord
    model: ModelRecord
    preprocessing: Preprocessing
    predictions: list[Any]
    figure: FigureOptions
    maps: Annotated[dict[str, MapRecord], Field(max_length=_MOST_MAPS)]
    files: tuple[FileName, ...]
    versions: dict[str, Annotated[str, Field(max_length=200)]]


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
        raise InputError(f"expected a manifest that can be read, got {one_line(path)}: {reason(error)}") from error
    if len(content) > _LARGEST_FILE:
        raise InputError(f"expected a manifest of at most {_LARGEST_FILE:,} bytes, got a larger file: {one_line(path)}")
    try:
        document = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON in {one_line(path)}, got text that is none: {one_line(error, 120)}") from error
    return parse_manifest(document)


def parse_manifest(document: object) -> Recipe:
    """Check a decoded manifest.

    Raises:
        InputError: It is no manifest of a version this program knows, or a value in it is wrong.
    """
    if not isinstance(document, dict):
        raise InputError(f"expected the manifest as an object, got {quoted(document)}")
    if document.get("schema") != SCHEMA:
        raise InputError(f"expected schema {SCHEMA!r} of the manifest, got {quoted(document.get('schema'))}")
    try:
        # Strictly: no text passes for a number. By way of JSON, whose lists are tuples then.
        return Recipe.model_validate_json(json.dumps(_as_then(document)), strict=True)
    except ValidationError as error:
        raise InputError(_sentence(error)) from error


def _as_then(document: dict[str, Any]) -> dict[str, Any]:
    """The manifest, saying how a figure was drawn before there were choices: linearly, equally opaque, as tiles."""
    figure = document.get("figure")
    if not isinstance(figure, dict):
        return document
    return {**document, "figure": {"spread": "linear", "opacity_by": "even", "cells": "tiles", **figure}}


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, in one sentence."""
    first = error.errors(include_url=False)[0]
    where = ".".join(one_line(part, 80) for part in first["loc"]) or "the manifest"
    if first["type"] == "missing":
        return f"expected {where} in the manifest, got none"
    return f"expected {where} of the manifest to be right, got {quoted(first['input'])}: {one_line(first['msg'], 120)}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
