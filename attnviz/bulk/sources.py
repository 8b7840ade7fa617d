"""Which photos a source holds: folders, patterns, lists, tar files and clips; one reference a photo, in order.

The same sources give the same references in the same order, which is what a run that goes on after an interruption and
a run on many machines both build on.
"""

import glob
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from attnviz.bulk.clip_frames import frame_times
from attnviz.errors import OptionError, quoted, reason

# Only what a folder or a tar file is searched for: a file that is named, or stands in a list, is told by its content.
PHOTO_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .webp .gif .bmp .dib .tif .tiff .ppm .pgm .pnm .avif".split()
)
CLIP_ENDINGS = frozenset(".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg".split())
LIST_ENDINGS = frozenset({".txt", ".list"})
_PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class PhotoRef:
    """Where one photo is.

    Attributes:
        file: Absolute path of the file, or of the tar file or clip that holds the photo.
        kind: What that file is.
        inside: Name within a tar file.
        start: First byte within a tar file, or number of the frame within a clip, from 0.
        size: Bytes within a tar file.
        time: When a frame is shown, in the clip's own unit.
    """

    file: str
    kind: Literal["file", "tar", "frame"] = "file"
    inside: str = ""
    start: int = 0
    size: int = 0
    time: int = 0

    @property
    def path(self) -> str:
        """Its name in tables and reports, unique: ``/a/b.jpg``, ``/a/b.tar::c.jpg``, ``/a/b.mp4::frame 000012``."""
        inner = f"frame {self.start:06d}" if self.kind == "frame" else self.inside
        return path_text(f"{self.file}::{inner}" if inner else self.file)

    @property
    def digest(self) -> bytes:
        """16 bytes that stand for `path`."""
        return path_digest(self.path)


def path_text(path: str) -> str:
    r"""A path as UTF-8, unique: bytes that are none are written as ``\udcff``, and a backslash of a name twice."""
    whole = path if os.sep == "\\" else path.replace("\\", "\\\\")
    return whole.encode("utf-8", errors="backslashreplace").decode("utf-8")


def text_path(text: str) -> str:
    """The path that `path_text` made a text of."""
    if os.sep == "\\":
        return text
    return re.sub(r"\\(?:\\|u(dc[0-9a-f]{2}))", lambda m: chr(int(m[1], 16)) if m[1] else "\\", text)


def path_digest(path: str) -> bytes:
    """16 bytes that stand for a photo's path in sets of many."""
    return blake2b(path.encode("utf-8"), digest_size=16).digest()


def find_photos(sources: Iterable[str | os.PathLike[str]], *, without: Path | None = None) -> Iterator[PhotoRef]:
    """Every photo of the sources, each once, in the order of the sources and within each by name.

    Args:
        sources: Folders (searched with all folders in them), patterns such as ``"photos/**/*.jpg"``, lists of paths
            (``.txt``, ``.list``, one a line, relative to the list's folder), tar files, clips, and picture files.
        without: A folder that is not searched: where the results go.

    Raises:
        OptionError: A source is not there, matches nothing or cannot be read.
    """
    seen: set[bytes] = set()
    for source in sources:
        for ref in _photos_of(os.fspath(source), without):
            digest = ref.digest
            if digest not in seen:
                seen.add(digest)
                yield ref


def _photos_of(source: str, without: Path | None) -> Iterator[PhotoRef]:
    if os.path.isdir(source):
        yield from _in_folder(os.path.abspath(source), None if without is None else os.path.realpath(without))
    elif os.path.exists(source):
        yield from _of_file(source)
    elif glob.has_magic(source):
        matches = [match for match in sorted(glob.glob(source, recursive=True)) if not os.path.isdir(match)]
        if not matches:
            raise OptionError(f"expected a pattern that some file matches, got {quoted(source)}")
        for match in matches:
            yield from _of_file(match)
    else:
        raise OptionError(
            f"expected a folder, pattern, list, tar file, clip or picture, got {quoted(source)}, which is not there"
        )


def _in_folder(folder: str, without: str | None) -> Iterator[PhotoRef]:
    """Files with a picture's ending, by name, folders where their names stand among them; hidden ones left out."""
    if without is not None and os.path.realpath(folder) == without:
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise OptionError(f"expected a folder that can be read, got {quoted(folder)}: {reason(error)}") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(entry.path, without)
        elif Path(entry.name).suffix.lower() in PHOTO_ENDINGS:
            yield PhotoRef(entry.path)


def _of_file(source: str) -> Iterator[PhotoRef]:
    path, ending = os.path.abspath(source), Path(source).suffix.lower()
    if source.lower().endswith(_PACKED_TARS):
        raise OptionError(f"expected a tar file that is not compressed (photos are already), got {quoted(source)}")
    if ending == ".tar":
        yield from _in_tar(path)
    elif ending in CLIP_ENDINGS:
        yield from (PhotoRef(path, "frame", start=n, time=time) for n, time in enumerate(frame_times(path)))
    elif ending in LIST_ENDINGS:
        yield from _in_list(path)
    else:
        yield PhotoRef(path)


def _in_list(path: str) -> Iterator[PhotoRef]:
    folder = os.path.dirname(path)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                name = line.rstrip("\r\n")
                if name.strip():
                    yield PhotoRef(os.path.normpath(os.path.join(folder, name)))
    except OSError as error:
        raise OptionError(f"expected a list that can be read, got {quoted(path)}: {reason(error)}") from error


def _in_tar(path: str) -> Iterator[PhotoRef]:
    """Where each picture lies in a tar file, so that any number of readers can go to it directly."""
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined] # else every header stays in memory
                if (
                    member.isfile()
                    and not member.issparse()
                    and Path(member.name).suffix.lower() in PHOTO_ENDINGS
                    and not Path(member.name).name.startswith(".")
                ):
                    yield PhotoRef(path, "tar", member.name, member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise OptionError(f"expected a whole tar file, got {quoted(path)}: {reason(error)}") from error
