"""Files of single photos: all arrays, or the maps side by side over the photo; drawn without matplotlib's figures."""

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from attnviz.bulk.settings import BulkFormat
from attnviz.bulk.sources import path_digest
from attnviz.bulk.strip import strip
from attnviz.results import Explanation
from attnviz.save.atomic_files import make_folder, write_files
from attnviz.save.file_names import safe_stem
from attnviz.save.manifest import explanation_arrays, geometry_arrays

if TYPE_CHECKING:
    from attnviz.bulk.forward import Explained

_WEBP_QUALITY = 85


def file_of(path: str, file_format: BulkFormat) -> Path:
    """Where the file of a photo lies within an export: ``png/3f/cat-3f2a...png``, told by the photo's path alone.

    Args:
        path: Of the photo, as in tables and reports.
        file_format: ``"npz"``, ``"png"`` or ``"webp"``.
    """
    mark = path_digest(path).hex()
    return Path(file_format, mark[:2], f"{safe_stem(path)}-{mark[:16]}.{file_format}")


def photo_files(explained: "Explained", formats: tuple[BulkFormat, ...]) -> dict[Path, bytes]:
    """The files of one photo: where each lies within the export -> its content.

    Args:
        explained: The photo.
        formats: Those of single photos are made.
    """
    return {
        file_of(explained.path, name): file_bytes(explained.explanation, name) for name in formats if name != "parquet"
    }


def write_photo_files(out: Path, files: Mapping[Path, bytes]) -> None:
    """Write files from `photo_files` into the folder of the export, each whole or not at all.

    Raises:
        ExportError: One of them cannot be written.
    """
    for path, content in files.items():
        write_files(make_folder(out / path.parent), {path.name: content})


def file_bytes(explanation: Explanation, file_format: BulkFormat) -> bytes:
    """The content of one file."""
    buffer = io.BytesIO()
    if file_format == "npz":
        np.savez(buffer, **explanation_arrays(explanation), **geometry_arrays(explanation))  # type: ignore[arg-type]
        return buffer.getvalue()
    picture = Image.fromarray(strip(explanation))
    if file_format == "png":
        picture.save(buffer, "PNG", compress_type=zlib.Z_RLE)  # a tenth faster than level 1, and smaller
    else:
        picture.save(buffer, "WEBP", quality=_WEBP_QUALITY, method=0)
    return buffer.getvalue()
