"""Where weights that did not come with the program are kept on this machine, and who may write there."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import platformdirs


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


@contextmanager
def locked(target: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Within it no other process of this program writes `target`.

    Args:
        target: A file in a folder that is there.
        waiting: Called once where another process has to finish first.
    """
    lock = filelock.FileLock(target.with_name(target.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if waiting is not None:
            waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
