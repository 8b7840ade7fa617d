"""From references to what a network is given: read, decode, resize. Runs in many threads or processes at once."""

import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image

from attnviz.bulk.clip_frames import read_frames
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.errors import AttnvizError, ImageError, one_line, reason
from attnviz.inputs.decode import decode, read_file
from attnviz.inputs.files.limits import MOST_BYTES
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.preprocess import Preprocessing, resized
from attnviz.results import ByteArray

LONGEST_SHOWN = 256  # pixels of the long side of a photo that maps are drawn over
NO_ROOM = "expected a photo that fits into memory, got one that does not"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A photo that is ready for the network.

    Attributes:
        path: Its name in tables and reports.
        sha256: Of the file's bytes; of a frame of a clip: of its pixels, RGB uint8 (H, W, 3).
        network_image: What the network will see, RGB uint8 (h, w, 3).
        geometry: Between the whole photo and what the network sees.
        shown: The photo, of at most 256 pixels a side, RGB uint8; what the network sees where nothing is drawn.
    """

    path: str
    sha256: str
    network_image: ByteArray
    geometry: Geometry
    shown: ByteArray


@dataclass(frozen=True)
class Refusal:
    """A photo that cannot be used.

    Attributes:
        path: Its name.
        reason: Why, in one sentence.
    """

    path: str
    reason: str


def prepare(
    refs: Sequence[PhotoRef], preprocessing: Preprocessing, *, min_size: int, draws: bool
) -> list[Prepared | Refusal]:
    """Read, decode and resize photos.

    Args:
        refs: Where they are.
        preprocessing: Of the network.
        min_size: Shortest side that the network takes, pixels.
        draws: Whether they will be drawn.

    Returns:
        One for each reference, in order.
    """
    outcomes: list[Prepared | Refusal] = []
    for path, source in _sources(refs):
        try:
            if isinstance(source, AttnvizError):
                raise source
            sha256 = hashlib.sha256(source if isinstance(source, bytes) else source.tobytes()).hexdigest()
            photo = decode(source)
            network_image, geometry = resized(photo, preprocessing, min_size=min_size)
            shown = reduced(photo) if draws else network_image
            outcomes.append(Prepared(path, sha256, network_image, geometry, shown))
        except AttnvizError as error:
            outcomes.append(Refusal(path, one_line(error)))
        except MemoryError:
            outcomes.append(Refusal(path, NO_ROOM))
    return outcomes


def read_part(
    row: dict[str, Any],
    *,
    read: Callable[..., list[Prepared | Refusal]],
    settings: BulkSettings,
    preprocessing: Preprocessing,
    min_size: int,
) -> dict[str, Any]:
    """The photos of a part as a task of Ray reads them: here, beside nothing that needs torch, which would cost each.

    Args:
        row: ``part``: its references, pickled.
        read: `prepare`, or what stands for it.
        settings: Whether photos will be drawn.
        preprocessing: Of the network.
        min_size: Shortest side that the network takes, pixels.

    Returns:
        ``part``: references and photos, pickled.
    """
    refs = pickle.loads(row["part"])
    photos = read(refs, preprocessing, min_size=min_size, draws=settings.draws)
    return {"part": pickle.dumps((refs, photos))}


def reduced(photo: ByteArray) -> ByteArray:
    """A photo with its long side reduced to 256 pixels; a smaller one as it is."""
    height, width = photo.shape[:2]
    if max(height, width) <= LONGEST_SHOWN:
        return photo
    zoom = LONGEST_SHOWN / max(height, width)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0), dtype=np.uint8)


def read_photo(ref: PhotoRef) -> bytes | ByteArray:
    """The bytes of one photo's file, or the pixels of one frame.

    Raises:
        ImageError: It cannot be read.
    """
    ((_, source),) = _sources([ref])
    if isinstance(source, ImageError):
        raise source
    return source


def _sources(refs: Sequence[PhotoRef]) -> Iterator[tuple[str, bytes | ByteArray | ImageError]]:
    """Path and content of each photo; frames of one clip that follow one another are read in one go."""
    for (kind, file), together in groupby(refs, key=lambda ref: (ref.kind, ref.file)):
        group = list(together)
        if kind == "frame":
            yield from zip([ref.path for ref in group], read_frames(file, [ref.time for ref in group]), strict=True)
            continue
        for ref in group:
            try:
                yield ref.path, read_file(file) if kind == "file" else _member(ref)
            except ImageError as error:
                yield ref.path, error


def _member(ref: PhotoRef) -> bytes:
    if ref.size > MOST_BYTES:
        raise ImageError(f"expected a file of at most {MOST_BYTES >> 20} MiB, got {ref.size >> 20} MiB")
    try:
        with open(ref.file, "rb") as archive:
            archive.seek(ref.start)
            data = archive.read(ref.size)
    except OSError as error:
        raise ImageError(f"expected a tar file that can be read: {reason(error)}") from error
    if len(data) < ref.size:
        raise ImageError("expected a whole tar file, got one that ends within this photo")
    return data
