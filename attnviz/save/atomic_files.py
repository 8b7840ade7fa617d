"""Writing files so that nobody ever sees half of one."""

import os
import secrets
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attnviz.errors import ExportError, one_line, quoted, reason

_OLDEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same files make the same archive


def make_folder(folder: Path, *, within: Path | None = None) -> Path:
    """Create a folder that can be written to.

    Args:
        folder: Its path; missing parents are created too.
        within: Where it has to be, links followed; None: anywhere.

    Returns:
        Its real path.

    Raises:
        ExportError: It cannot be had, or a link leads out of `within`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        real = folder.resolve(strict=True)
        inside = within is None or real.is_relative_to(within.resolve(strict=True))
    except (OSError, ValueError, RuntimeError) as error:
        raise ExportError(f"expected a folder to write to at {one_line(folder)}, got: {reason(error)}") from error
    if not inside:
        raise ExportError(
            f"expected a folder within {one_line(within)}, got {one_line(folder)}, a link that leads out of it"
        )
    return real


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write several files into a folder: all of them, or none.

    Every file is written whole under a temporary name first; only when all are there do they get their names.

    Args:
        folder: An existing folder.
        files: Plain file name -> content. Files of these names that exist are replaced.

    Returns:
        The paths, in the same order.

    Raises:
        ExportError: A name is not a plain file name, or the disk or its permissions refuse.
    """
    for name in files:
        if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise ExportError(f"expected a plain file name, got {quoted(name)}")
    targets = [folder / name for name in files]
    waiting: list[Path] = []
    try:
        for target, content in zip(targets, files.values(), strict=True):
            if target.is_dir():
                raise IsADirectoryError(f"{target.name} is a folder")
            waiting.append(folder / f".{secrets.token_hex(8)}.tmp")
            with open(waiting[-1], "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for target, temporary in zip(targets, waiting, strict=True):
            os.replace(temporary, target)
    except OSError as error:
        raise ExportError(f"expected to be able to write to {one_line(folder)}, got: {reason(error)}") from error
    finally:
        for temporary in waiting:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return targets


def add_to_zip(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file to an archive without the time of day; pictures are not compressed a second time."""
    info = zipfile.ZipInfo(name, _OLDEST_ZIP_TIME)
    packed = name.endswith((".png", ".gif", ".webp", ".npz", ".jpg"))
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


def shown(path: Path) -> str:
    """A path as text that any JSON can take."""
    return str(path).encode("utf-8", errors="backslashreplace").decode("utf-8")
