import json
from dataclasses import asdict

import pytest

from attnviz.errors import OptionError
from attnviz.render.figure_options import FigureOptions


def test_options_go_through_json_and_come_back_equal():
    options = FigureOptions(panels=("photo",), pins=((1, 2.5),), columns=2, width_mm=85, title=False)
    assert FigureOptions(**json.loads(json.dumps(asdict(options)))) == options


def test_numbers_become_plain_ones():
    options = FigureOptions(pins=((3, 4),), dpi=300.0, width_mm=85)
    assert options.pins == ((3.0, 4.0),)
    assert isinstance(options.dpi, int)
    assert isinstance(options.width_mm, float)


@pytest.mark.parametrize(
    "wrong",
    [
        {"colormap": "rainbow"},
        {"scaling": "log"},
        {"scaling": ["each"]},
        {"interpolation": "bicubic"},
        {"map_opacity": 2},
        {"width_mm": 29.9},
        {"width_mm": 1e9},
        {"width_mm": float("nan")},
        {"width_mm": "85"},
        {"dpi": 49},
        {"dpi": 72.5},
        {"dpi": True},
        {"font_size": 0},
        {"font_size": None},
        {"columns": 0},
        {"columns": 65},
        {"columns": 1.5},
        {"panels": "photo"},
        {"panels": [1]},
        {"panels": ["photo"] * 65},
        {"pins": "1,2"},
        {"pins": [[1]]},
        {"pins": [["1", "2"]]},
        {"pins": [[-1, 0]]},
        {"pins": [[float("inf"), 0]]},
        {"pins": [[0, 0]] * 13},
        {"title": "yes"},
        {"caption": None},
    ],
    ids=str,
)
def test_impossible_options_are_refused_in_one_sentence(wrong):
    with pytest.raises(OptionError, match=r"^expected [^\n]*got [^\n]*$"):
        FigureOptions(**wrong)
