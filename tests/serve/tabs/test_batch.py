"""What a batch tells the page, step by step, without a browser."""

import json
import threading
from pathlib import Path

import pytest
from PIL import Image

from attnviz.pipeline import explain
from attnviz.serve import requests
from attnviz.serve.tabs import batch as tab

COUNT = 4


@pytest.fixture
def steps(photo_path, tmp_path, monkeypatch):
    """The values of the sheet, one after the other: some photos, and one file that is none."""
    explanation = explain(photo_path)
    monkeypatch.setattr(requests, "run", lambda ready: explanation)
    (tmp_path / "notes.png").write_text("not a picture")
    photos = [photo_path] * COUNT + [tmp_path / "notes.png"]
    return [sheet for _, sheet, _, _ in tab._batch(photos, requests.Choice(), threading.Event(), session="anna")]


def test_the_sheet_fills_in(steps):
    assert [sheet["done"] for sheet in steps] == [0, 1, 2, 3, 4, 5, 5]
    assert [[tile["index"] for tile in sheet["tiles"]] for sheet in steps] == [[], [0], [1], [2], [3], [4], [*range(5)]]
    assert [tile["failed"] for tile in steps[-1]["tiles"]] == [False] * COUNT + [True]
    assert len({sheet["run"] for sheet in steps}) == 1


def test_a_step_is_as_small_as_one_photos_words(steps):
    for sheet in steps[:-1]:
        assert len(json.dumps(sheet)) < 1500
    assert len(json.dumps(steps[-1])) < 1500 * len(steps[-1]["tiles"])


def test_the_pictures_are_files_that_the_page_may_show(steps):
    for tile in steps[-1]["tiles"]:
        assert len(tile["pictures"]) == (0 if tile["failed"] else 2)
        for picture in tile["pictures"]:
            with Image.open(Path(picture["path"])) as shown:
                assert shown.format == "JPEG"
                assert max(shown.size) < 1000
