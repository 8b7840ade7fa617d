"""Where weights that did not come with the program are kept on this machine, and hashes of files."""

import hashlib
import os
from pathlib import Path
from typing import IO

import platformdirs

_CHUNK = 1 << 20


def home() -> Path:
    """The program's own folder: ``ATTNVIZ_HOME``, else the place for caches on this system."""
    named = os.environ.get("ATTNVIZ_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("attnviz", appauthor=False))


def cached_folder() -> Path:
    """Converted weights and their cards."""
    return home() / "weights"


def downloads_folder() -> Path:
    """Files as their publishers wrote them, whole or under way."""
    return home() / "downloads"


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file's content, hexadecimal.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        return hash_of_stream(stream, algorithm)


def hash_of_stream(stream: IO[bytes], algorithm: str = "sha256") -> str:
    """Hash of all that is left in a stream, hexadecimal."""
    digest = hashlib.new(algorithm)
    while block := stream.read(_CHUNK):
        digest.update(block)
    return digest.hexdigest()
