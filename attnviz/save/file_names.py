"""Names of files and folders made from the names of photos, which can be anything."""

import re
import unicodedata
from pathlib import PurePosixPath

_LONGEST = 80  # bytes of UTF-8; file systems allow 255, and names get endings
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\ud800-\udfff]')
# Windows opens devices by these names, whatever their ending.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)


def safe_stem(name: str) -> str:
    """A name for files about a photo that is legal on every common system and cannot lead out of a folder.

    Args:
        name: Of the photo: a file name or a path, any characters.

    Returns:
        1 to 80 bytes in UTF-8, without the photo's ending; letters of all scripts stay.
    """
    last = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name
    stem = PurePosixPath(last).stem
    visible = "".join(c for c in stem if unicodedata.category(c) != "Cf")
    clean = "_".join(_FORBIDDEN.sub("_", visible).split())
    clean = clean.encode("utf-8")[:_LONGEST].decode("utf-8", errors="ignore").lstrip("._-~").rstrip("._")
    if not clean:
        return "photo"
    return f"{clean}_" if clean.split(".")[0].rstrip(" ").lower() in _DEVICES else clean


class UniqueNames:
    """Hands out names, each once, also on file systems that do not tell upper from lower case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """A safe stem for a photo that nobody was given yet: ``"cat"``, then ``"cat-2"``."""
        stem, number = safe_stem(name), 1
        candidate = stem
        while _folded(candidate) in self._taken:
            number += 1
            candidate = f"{stem}-{number}"
        self._taken.add(_folded(candidate))
        return candidate


def _folded(name: str) -> str:
    return unicodedata.normalize("NFD", name).casefold()
