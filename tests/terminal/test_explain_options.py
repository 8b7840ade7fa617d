"""What ``--help`` promises is what the stages behind it do: they are too heavy to import for a help text."""

import inspect
from dataclasses import fields
from typing import get_args

import pytest

import attnviz
from attnviz.errors import OptionError
from attnviz.inputs.cell_places import CellPlaces
from attnviz.inputs.preprocess import ResizeMode
from attnviz.reduce.normalise import Scope
from attnviz.reduce.spread import Spread
from attnviz.render.colormaps import names
from attnviz.render.figure_options import FigureOptions
from attnviz.render.overlay import OpacityBy
from attnviz.save.export import DEFAULT_FORMATS, FORMATS
from attnviz.terminal import explain_options as options
from attnviz.terminal.app import explain_photos

DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(explain_photos).parameters.items()}
OF_FIGURE = {  # option -> field
    **{name: name for name in ("columns", "colormap", "scaling", "dpi", "font_size", "title", "caption", "language")},
    **{"opacity": "map_opacity", "width": "width_mm", "spread": "spread", "opacity_by": "opacity_by", "cells": "cells"},
}


def choices(annotated):
    kind = get_args(annotated)[0]
    return get_args(get_args(kind)[0]) if type(None) in get_args(kind) else get_args(kind)


def test_choices_are_those_there_are():
    assert choices(options.ResizeMode) == get_args(ResizeMode)
    assert choices(options.Colormap) == names()
    assert choices(options.Scaling) == get_args(Scope)
    assert choices(options.Spread) == ("auto", *get_args(Spread))
    assert choices(options.Cells) == get_args(CellPlaces)
    assert choices(options.OpacityBy) == ("auto", *get_args(OpacityBy))
    _, formats = get_args(options.Formats)
    assert formats.help == f"Any of {', '.join(FORMATS)}, with commas."


def test_defaults_of_the_figure_are_those_of_every_figure():
    looks = FigureOptions()
    assert {name: DEFAULTS[name] for name in OF_FIGURE} == {name: getattr(looks, of) for name, of in OF_FIGURE.items()}
    assert (DEFAULTS["panels"], DEFAULTS["at"], DEFAULTS["smooth"]) == ("", [], looks.interpolation == "bilinear")
    assert {*OF_FIGURE.values(), "panels", "pins", "interpolation"} == {field.name for field in fields(FigureOptions)}


def test_other_defaults_are_those_of_explain_and_export():
    of_explain = inspect.signature(attnviz.explain).parameters
    for name in ("device", "size", "resize_mode", "top"):
        assert DEFAULTS[name] == of_explain[name].default
    assert DEFAULTS["formats"] == [",".join(DEFAULT_FORMATS)]


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("columns", options.Columns),
        ("map_opacity", options.Opacity),
        ("width_mm", options.Width),
        ("dpi", options.Dpi),
        ("font_size", options.FontSize),
    ],
)
def test_ranges_are_those_of_every_figure(field, option):
    _, offered = get_args(option)
    for bound, beyond in ((offered.min, -1), (offered.max, 1)):
        if bound is not None:
            FigureOptions(**{field: bound})
            with pytest.raises(OptionError):
                FigureOptions(**{field: bound + beyond})
