"""Files that the page may show or hand out, and whose they are: what a visitor brought or was given goes with them.

Everything lies in the folder that `attnviz.serve.environment` names, which Gradio serves: what a visitor is given in a
folder of their own, what they upload where Gradio puts it, under the hash of its content, so that two visitors with one
photo share a file.
"""

import hashlib
import secrets
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cachetools import LRUCache
from gradio.data_classes import FileData
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

_FOR_ALL = "samples"
_MOST_VISITORS = 4096  # whose uploads are known; those of others go when they are old
_secret = secrets.token_bytes(16)


def shown(path: Path, session: str | None = None) -> str:
    """A copy of a file that the page may show, under its content's hash.

    Args:
        path: The file.
        session: Of the visitor it is for; None: it is the same for all, and stays.
    """
    return str(save_file_to_cache(path, str(_folder(session))))


def linked(path: Path, session: str) -> dict[str, object]:
    """The same as a value for the page's scripts, where Gradio fills in the ``url``."""
    return FileData(path=shown(path, session), orig_name=path.name).model_dump()


def _folder(session: str | None) -> Path:
    """Of one visitor; its name cannot be guessed from the session's."""
    own = _FOR_ALL if session is None else hashlib.blake2b(session.encode(), key=_secret, digest_size=16).hexdigest()
    return Path(get_upload_folder(), own)


class VisitorFiles:
    """Who uploaded what, so that it can be removed with whoever was the last to have it; safe to use from threads."""

    def __init__(self) -> None:
        self._uploads: LRUCache[str, dict[Path, int]] = LRUCache(_MOST_VISITORS)
        self._lock = threading.Lock()

    def uploaded(self, session: str, paths: Iterable[str]) -> None:
        """Note what a visitor handed in, by paths that a client sent; what is no upload, or gone, is nobody's."""
        folder = Path(get_upload_folder())
        with self._lock:
            for path in map(Path, paths):
                if path.parent.parent == folder:
                    with suppress(OSError, ValueError):  # a null byte in the name
                        self._uploads.setdefault(session, {})[path] = path.stat().st_ctime_ns

    def forget(self, session: str) -> None:
        """Remove all that a visitor was given, and uploaded unless another visitor uploaded the same."""
        with self._lock:
            shutil.rmtree(_folder(session), ignore_errors=True)
            own = self._uploads.pop(session, {})
            for path, since in own.items():
                with suppress(OSError):
                    # Another time: somebody else uploaded it since, and has not asked yet
                    if path.stat().st_ctime_ns == since and not any(path in of for of in self._uploads.values()):
                        path.unlink()
                        path.parent.rmdir()
