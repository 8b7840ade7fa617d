"""The page about colours and cells: of the current weights, whole, and true to the options there are."""

import re
from typing import get_args

from PIL import Image

from attnviz.inputs.cell_places import CellPlaces
from attnviz.models.weights.registry import list_models
from attnviz.reduce.spread import Spread
from attnviz.render.overlay import OpacityBy
from docs import make_colors
from docs.make_questions.bench import first_danet

TEXT = make_colors.PAGE.read_text(encoding="utf-8")


def test_the_picture_is_of_the_current_weights():
    with Image.open(make_colors.PICTURE) as picture:
        sha256 = list_models()[first_danet().name].sha256
        assert sha256 is not None
        assert sha256.startswith(picture.info["Weights"]), "run `make docs`"
        assert picture.width == len(make_colors.LOOKS) * (make_colors.WIDTH + make_colors.GAP) - make_colors.GAP


def test_every_choice_is_explained():
    by_hand = TEXT.partition(make_colors.MARK)[0]
    for choice in (*get_args(Spread), *get_args(OpacityBy)):
        assert f"| `{choice}` |" in by_hand
    for choice in get_args(CellPlaces):
        assert f'cells="{choice}"' in by_hand


def test_the_numbers_are_those_of_every_photo_and_site():
    written = TEXT.partition(make_colors.MARK)[2]
    for photo in make_colors.PHOTOS:
        assert re.search(rf"^\| {photo} \| \d+ \| \d+ % \| \d+ % \|$", written, re.MULTILINE), "run `make docs`"
    for label in ("stage1.spatial_logit", "stage2.spatial_logit", "stage3.spatial_logit", "position.query"):
        number = r"-?\d\.\d\d"
        middles = rf"{number} \| {number} \({number} to {number}\)"
        row = rf"^\| \w+ \| {re.escape(label)} \| \d+ \| {middles} \| \d+ % of \d+ \|$"
        assert re.search(row, written, re.MULTILINE), "run `make docs`"
