"""Every picture in assets/ is small, sound and has its licence written down."""

import re
from pathlib import Path

import pytest
from PIL import Image

ASSETS = Path(__file__).resolve().parent.parent / "assets"
PICTURES = sorted(path for path in ASSETS.iterdir() if path.suffix != ".md")
ROW = re.compile(r"^\| `(?P<file>[^`]+)` \| [^|]+ \| (?P<source>[^|]+) \| (?P<licence>[^|]+) \|$", re.MULTILINE)
LISTED = {row["file"]: row for row in ROW.finditer((ASSETS / "LICENSES.md").read_text(encoding="utf-8"))}


def test_the_list_of_licences_and_the_folder_name_the_same_files():
    assert sorted(LISTED) == [path.name for path in PICTURES]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_free_small_and_carries_no_metadata(picture):
    assert LISTED[picture.name]["licence"].strip() in ("CC0 1.0", "Public domain")
    if picture.suffix == ".jpg":
        assert picture.stat().st_size <= 150_000
    with Image.open(picture) as image:
        image.load()
        assert len(image.getexif()) == 0
