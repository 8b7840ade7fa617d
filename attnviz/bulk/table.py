"""The data set: a row a photo, in Parquet files that are written whole or not at all.

A part's name follows from the photos in it, so that the same part written twice, by a task that was repeated on another
machine, is one file. Which photos are done is read from the parts; there is no second book to keep.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from attnviz.bulk.focus_numbers import FOCUS, focus_numbers
from attnviz.bulk.sources import path_digest
from attnviz.errors import ExportError, OptionError, quoted, reason
from attnviz.extras import needs
from attnviz.results import AttentionMap, Explanation
from attnviz.save.atomic_files import make_folder, write_files

if TYPE_CHECKING:
    from attnviz.bulk.forward import Explained

FOLDER = "table"
_MOST = float(np.finfo(np.float16).max)

Row = dict[str, Any]


def arrow() -> ModuleType:
    """PyArrow, once it is known to be there.

    Raises:
        MissingExtraError: It is not installed.
    """
    with needs("pyarrow", extra="export"):
        import pyarrow.compute
        import pyarrow.parquet
    module: ModuleType = pyarrow
    return module


def row_of(explained: "Explained") -> Row:
    """The row of one photo.

    Returns:
        ``path``, ``sha256``, ``width`` and ``height`` of the photo (pixels), ``prediction`` (the likeliest category; of
        a segmentation the one with most of the picture), ``score`` (its probability, or its share of the picture, 0 to
        1), ``predictions`` (all that are kept, with their scores), ``map.LABEL`` (``rows``, ``columns``, ``low`` and
        ``high`` as float32, ``values`` as float16 in reading order) and ``focus.LABEL`` (see `focus_numbers`).

    Raises:
        ExportError: A map holds a number that float16 cannot.
    """
    explanation = explained.explanation
    height, width = explanation.geometry.photo_size
    scores = _scores(explanation)
    return {
        "path": explained.path,
        "sha256": explained.sha256,
        "width": width,
        "height": height,
        "prediction": scores[0]["category"] if scores else None,
        "score": scores[0]["score"] if scores else None,
        "predictions": scores,
        **{f"map.{label}": _map(entry) for label, entry in explanation.maps.items()},
        **{f"focus.{label}": numbers for label, numbers in focus_numbers(explanation).items()},
    }


def _scores(explanation: Explanation) -> list[dict[str, Any]]:
    if explanation.segmentation is not None:
        return [{"category": name, "score": share} for name, share in explanation.segmentation.shares().items()]
    return [{"category": found.category, "score": found.probability} for found in explanation.predictions]


def _map(entry: AttentionMap) -> dict[str, Any]:
    low, high = entry.raw_range
    if max(-low, high) > _MOST:
        raise ExportError(f"expected a map that float16 can hold, up to {_MOST:g}, got {low:g} to {high:g}")
    rows, columns = entry.values.shape
    return {"rows": rows, "columns": columns, "low": low, "high": high, "values": entry.values.astype(np.float16)}


def part_bytes(rows: Sequence[Row], about: Mapping[str, str]) -> bytes:
    """A Parquet file of rows, with what is said about all of them as its metadata; the same bytes for the same rows."""
    pa = arrow()
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column(pa, name, [row.get(name) for row in rows]) for name in names}
    buffer = io.BytesIO()
    table = pa.table(columns, metadata=dict(about))
    pa.parquet.write_table(table, buffer, compression="zstd", compression_level=1, use_dictionary=["prediction"])
    return buffer.getvalue()


def _column(pa: ModuleType, name: str, values: list[Any]) -> Any:  # noqa: ANN401 - an array of PyArrow
    if name.startswith("map."):
        return _map_column(pa, values)
    kinds = {
        "width": pa.int32(),
        "height": pa.int32(),
        "score": pa.float32(),
        "predictions": pa.list_(pa.struct({"category": pa.string(), "score": pa.float32()})),
    }
    focus = pa.struct({name: pa.float32() for name in FOCUS})
    return pa.array(values, focus if name.startswith("focus.") else kinds.get(name, pa.string()))


def _map_column(pa: ModuleType, maps: list[dict[str, Any] | None]) -> Any:  # noqa: ANN401
    """Made from the arrays as they are: PyArrow would look at each number by itself."""
    empty: dict[str, Any] = {"rows": 0, "columns": 0, "low": 0.0, "high": 0.0, "values": np.zeros(0, np.float16)}
    filled = [entry or empty for entry in maps]
    ends = np.cumsum([0, *(entry["values"].size for entry in filled)]).astype(np.int32)
    numbers = pa.array(np.concatenate([entry["values"].ravel() for entry in filled]))
    fields = {
        "rows": pa.array([entry["rows"] for entry in filled], pa.int32()),
        "columns": pa.array([entry["columns"] for entry in filled], pa.int32()),
        "low": pa.array([entry["low"] for entry in filled], pa.float32()),
        "high": pa.array([entry["high"] for entry in filled], pa.float32()),
        "values": pa.ListArray.from_arrays(pa.array(ends), numbers),
    }
    missing = pa.array([entry is None for entry in maps])
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields), mask=missing)


def write_part(out: Path, rows: Sequence[Row], about: Mapping[str, str]) -> Path | None:
    """Write one part under the name that follows from its photos.

    Args:
        out: The folder of the whole export.
        rows: Of its photos.
        about: What is said about all of them, by names.

    Returns:
        Its path; None where there are no rows.

    Raises:
        ExportError: It cannot be written.
    """
    if not rows:
        return None
    name = sha256("\0".join(row["path"] for row in rows).encode("utf-8")).hexdigest()[:24]
    return write_files(make_folder(out / FOLDER), {f"part-{name}.parquet": part_bytes(rows, about)})[0]


def parts(out: Path) -> list[Path]:
    """The files of the table, by name."""
    return sorted((out / FOLDER).glob("part-*.parquet"))


def paths_done(out: Path) -> Iterator[str]:
    """The photos that are in the table already.

    Raises:
        OptionError: A part is damaged.
    """
    files = parts(out)
    pa = arrow() if files else None
    for part in files:
        try:
            column = pa.parquet.read_table(part, columns=["path"])["path"]  # type: ignore[union-attr]
        except (OSError, ValueError) as error:
            raise OptionError(f"expected a whole Parquet file, got {quoted(part.name)}: {reason(error)}") from error
        yield from column.to_pylist()


def digests_done(out: Path) -> set[bytes]:
    """Of the photos that are in the table already, 16 bytes each."""
    return set(map(path_digest, paths_done(out)))
