"""The sample pictures that come with attnviz, with the words a screen reader says for them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from attnviz.render.viewer.data_url import data_url, encoded

_PACKAGE = Path(__file__).parents[2]
_FOLDERS = (_PACKAGE / "_assets", _PACKAGE.parent / "assets")  # installed; in a checkout
_THUMBNAIL = (144, 144)  # pixels: twice the size on the page
_DESCRIPTIONS = {
    "cat": "A tabby cat",
    "astronaut": "An astronaut before a flag",
    "coffee": "A cup of espresso on a table",
    "bakery": "Loaves and pastries in the window of a bakery",
    "beagle": "A young beagle on a bench",
    "embrace": "A woman with a Great Dane in her arms, on a field",
    "street": "Yellow taxis in a street of tall houses",
}
_FIRST = ("street", "bakery", "coffee", "cat", "beagle", "embrace", "astronaut")


@dataclass(frozen=True)
class Sample:
    """One picture that can be tried.

    Attributes:
        name: The file's stem.
        description: What it shows, in a few words.
        path: Where it lies.
    """

    name: str
    description: str
    path: Path


@cache
def samples() -> tuple[Sample, ...]:
    """Every sample picture found, best known first; empty where they were not installed."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if folder is None:
        return ()
    found = sorted(folder.glob("*.jpg"), key=lambda path: (_rank(path.stem), path.stem))
    return tuple(Sample(path.stem, _describe(path.stem), path) for path in found)


@cache
def thumbnail_url(sample: Sample) -> str:
    """The middle of a sample as a square JPEG of 144 pixels, in a data URL."""
    width, height = _THUMBNAIL
    with Image.open(sample.path) as picture:
        square = picture.convert("RGB")
    side = min(square.size)
    left, top = (square.width - side) // 2, (square.height - side) // 2
    square = square.resize((width, height), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
    return data_url(encoded(square, "jpeg", quality=85), "jpeg")


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _describe(name: str) -> str:
    return _DESCRIPTIONS.get(name, name.replace("_", " ").replace("-", " ").capitalize())
