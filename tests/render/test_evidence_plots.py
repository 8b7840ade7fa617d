"""Evidence drawn: what is on the figures is what was measured."""

import io

import numpy as np
import pytest
from PIL import Image

from attnviz.measure.bootstrap import Interval
from attnviz.measure.effects import Effect, TopCategory
from attnviz.measure.faithfulness import Faithfulness, MapFaithfulness
from attnviz.measure.tables import PEOPLE, Row
from attnviz.render.evidence_plots import curves_figure, effects_figure, means_figure
from attnviz.render.figure_file import figure_file


def rows():
    return [
        Row(PEOPLE, "stage3.gain", "AUC", Interval(0.8, 0.7, 0.9, 12)),
        Row(PEOPLE, "uniform", "AUC", Interval(0.5, 0.5, 0.5, 12)),
        Row(PEOPLE, "uniform", "NSS", Interval(0.0, 0.0, 0.0, 12)),
    ]


def test_means_with_their_intervals():
    axes = means_figure(rows(), "AUC").axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["uniform", "stage3.gain"]
    drawn = [line.get_xdata() for line in axes.lines]
    assert any(np.array_equal(x, [0.7, 0.9]) for x in drawn)
    assert any(np.array_equal(x, [0.8]) for x in drawn)
    assert "12 photos" in axes.get_title()


def test_curves_with_their_baselines():
    entry = MapFaithfulness(
        *("stage3", "Stage 3", "attention", (0.9, 0.2), (0.1, 0.9), (0.3,), (0.8,)),
        *(0.5, 0.5, 0.25, 0.0, None, {}),
    )
    other = MapFaithfulness(
        *("random", "Random map", "baseline", (0.9, 0.5), (0.1, 0.9), (0.5,), (0.5,)), *(0.5, 0.5, 0.0, 0.0, None, {})
    )
    figure = curves_figure(Faithfulness(3, 0.9, (0.0, 1.0), (0.5,), (entry, other), 9, {}))
    deletion, _, road = figure.axes
    assert [line.get_label() for line in deletion.lines] == ["Stage 3", "Random map"]
    assert list(deletion.lines[0].get_ydata()) == [0.9, 0.2]
    assert list(road.lines[0].get_ydata()) == pytest.approx([0.5])


def test_interventions_as_paired_bars():
    effects = [
        Effect("a", "One", 0.4, (TopCategory("cat", 0.9, 0.5),), "cat", -0.6, None, ""),
        Effect("b", "Two", 0.1, (TopCategory("cat", 0.9, 0.8),), "cat", -0.1, None, ""),
    ]
    axes = effects_figure(effects).axes[0]
    assert [round(bar.get_width(), 3) for bar in axes.patches] == [0.9, 0.8, 0.9, 0.5]
    assert axes.get_xlabel() == "probability of cat"
    pixels = effects_figure([Effect("a", "One", 0.25, (), None, None, 0.5, "")]).axes[0]
    assert [bar.get_width() for bar in pixels.patches] == [1.0, 0.75]
    assert "pixels" in pixels.get_xlabel()
    assert effects_figure([]).axes


def test_the_same_figure_is_the_same_file():
    first, second = (figure_file(means_figure(rows(), "AUC"), "png") for _ in range(2))
    assert first == second
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.format == "PNG"


HOSTILE = ("_hidden", "$\\frac{1}{0}$", "\u732b\u202ename", "line\nbreak", "x" * 400)


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_titles_of_any_kind_are_printed_as_text(file_format):
    maps = tuple(
        MapFaithfulness(*("m", title, "attention", (0.9, 0.2), (0.1, 0.9), (0.3,), (0.8,)), *(0.5, 0.5, 0, 0, None, {}))
        for title in HOSTILE
    )
    curves = curves_figure(Faithfulness(3, 0.9, (0.0, 1.0), (0.5,), maps, 9, {}), HOSTILE[1])
    assert len(curves.legends[0].get_texts()) == len(HOSTILE)
    bars = effects_figure([Effect("a", t, 0.4, (TopCategory(t, 0.9, 0.5),), t, -0.6, None, "") for t in HOSTILE])
    for figure in (curves, bars):
        content = figure_file(figure, file_format)
        assert content == figure_file(figure, file_format)
        if file_format == "svg":
            assert "frac" in content.decode()
