"""Hashes of what is in a file, or in the one file inside a zip."""

import hashlib
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO

_CHUNK = 1 << 20


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file's content, hexadecimal.

    Args:
        path: A regular file: a pipe, for example, might never end.
        algorithm: As in `hashlib.new`.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    if path.exists() and not path.is_file():
        raise OSError(0, "not a regular file")
    with path.open("rb") as stream:
        return _stream_hash(stream, algorithm)


def member_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hash of the one file inside a zip, hexadecimal; empty where the file is no whole zip of one file.

    Raises:
        OSError: The zip cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1:
                return ""
            with archive.open(members[0]) as stream:
                return _stream_hash(stream, algorithm)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError):
        return ""


def _stream_hash(stream: IO[bytes], algorithm: str) -> str:
    digest = hashlib.new(algorithm)  # not hashlib.file_digest, which Python 3.10 lacks
    while block := stream.read(_CHUNK):
        digest.update(block)
    return digest.hexdigest()
