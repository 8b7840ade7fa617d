import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.language import speaker
from attnviz.render import figure_language
from attnviz.render.contact_sheet import Tile, contact_sheet, deepest_panel, thumbnails
from attnviz.render.figure_options import FigureOptions
from tests.explanations import bam, danet

RED, BLUE = np.full((160, 100, 3), (255, 0, 0), np.uint8), np.full((160, 100, 3), (0, 0, 255), np.uint8)


def test_the_deepest_map_is_the_last_stage_or_the_attention_received():
    assert deepest_panel(bam()).name == "stage3.gain"
    assert deepest_panel(danet()).name == "position.received"
    assert deepest_panel(bam(stages=())).name == "photo"


@pytest.mark.parametrize(("size", "expected"), [((400, 800), (80, 160)), ((90, 30), (90, 30)), ((3000, 3), (160, 1))])
def test_thumbnails_are_small(size, expected):
    photo, overlay = thumbnails(bam(*size), FigureOptions())
    assert photo.shape == overlay.shape == (*expected, 3)
    assert (photo != overlay).any()


def test_each_tile_shows_photo_and_map_side_by_side():
    sheet = contact_sheet([Tile("a.jpg", RED, BLUE, "cat")] * 5)
    red = np.argwhere((sheet == (255, 0, 0)).all(axis=2))
    blue = np.argwhere((sheet == (0, 0, 255)).all(axis=2))
    assert len(red) == len(blue) == 5 * 160 * 100
    assert (red[:, 0].min(), red[:, 0].max()) == (blue[:, 0].min(), blue[:, 0].max())
    assert blue[:, 1].min() - red[:, 1].min() == 164


def test_a_refused_photo_has_its_reason_in_red():
    sheet = contact_sheet([Tile("a.txt", None, None, "expected a picture, got none", refused=True)]).astype(int)
    assert (sheet[..., 0] > sheet[..., 1] + 100).sum() > 100


@pytest.mark.parametrize(("count", "across"), [(1, 1), (2, 2), (5, 3), (50, 4)])
def test_columns(count, across):
    sheet = contact_sheet([Tile("x", RED, BLUE, "")] * count, heading="model")
    assert sheet.shape[1] == 14 + across * (324 + 14)


def test_hostile_names_do_not_break_it():
    names = ("$\\frac{", "\n" * 50, "x" * 5000, "猫" * 200, "\u202e", "")
    assert contact_sheet([Tile(name, RED, BLUE, name) for name in names]).ndim == 3


@pytest.mark.parametrize("tiles", [0, 501])
def test_impossible_sheets_are_refused(tiles):
    with pytest.raises(OptionError, match="expected 1 to"):
        contact_sheet([Tile("x", RED, BLUE, "")] * tiles)


def test_a_tile_says_what_was_found_in_the_language_of_the_sheet():
    found = (("Egyptian cat", 0.87), ("tabby, tabby cat", 0.06))
    tile = Tile("a.jpg", RED, BLUE, "Egyptian cat 87 % · tabby 6.0 %", found=found)
    assert tile.words(speaker("en")) == "Egyptian cat 87\u00a0% · tabby 6.0\u00a0%"
    assert tile.words(speaker("zh")) == "埃及猫 87\u00a0% · 虎斑猫 6.0\u00a0%"
    refused = Tile("a.txt", None, None, "expected a complete TIFF picture, got a file that is cut off", refused=True)
    assert refused.words(speaker("zh")).startswith("TIFF 图片不完整")


def test_without_a_font_the_sheet_is_english(monkeypatch):
    monkeypatch.setattr(figure_language, "fallback_font", lambda: None)
    figure_language._can_be_drawn.cache_clear()
    tile = Tile("a.jpg", RED, BLUE, "", found=(("Egyptian cat", 0.87),))
    assert (contact_sheet([tile], language="zh") == contact_sheet([tile])).all()
    figure_language._can_be_drawn.cache_clear()
    with pytest.raises(OptionError, match="expected a language of"):
        contact_sheet([tile], language="de")
