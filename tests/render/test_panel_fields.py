from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.inputs.cell_places import cell_box
from attnviz.inputs.receptive_field import Reach, ReceptiveField
from attnviz.reduce.upsample import upsample
from attnviz.render.figure_options import FigureOptions
from attnviz.render.overlay import overlay
from attnviz.render.panels import default_pins, resolve
from attnviz.render.pictures import map_over_photo
from attnviz.render.plan import plan_figure
from tests.explanations import SECOND, bam, danet, two_attentions


def field(stride):
    """As of a ResNet's stage: the first cell has its middle on pixel 0."""
    return ReceptiveField(*(Reach(Fraction(1 - stride), Fraction(2 * stride - 1), Fraction(stride)) for _ in range(2)))


ONE, OTHER = field(8), field(16)


def known(explanation, **fields):
    return replace(explanation, receptive_fields={name.replace("__", "."): found for name, found in fields.items()})


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("row:1", ONE),
        ("column:1", ONE),
        ("position.received", ONE),
        ("position.head0.received", ONE),
        (f"{SECOND}.row:1", OTHER),
        (f"{SECOND}.head0.column:1", OTHER),
        ("channel:0", None),
        ("channel_matrix", None),
        ("photo", None),
        ("segmentation", None),
    ],
)
def test_rows_columns_and_heads_have_the_cells_of_their_attention(name, wanted):
    explanation = known(two_attentions(), position__received=ONE, stage2__position__received=OTHER)
    (panel,) = resolve(explanation, (name,), default_pins(explanation))
    assert panel.field == wanted


def test_a_gate_has_the_cells_of_its_logit():
    explanation = known(bam(), stage2__spatial_logit=OTHER)
    assert [p.field for p in resolve(explanation, ("gate:2:0", "gate:1:0", "stage2.spatial_logit"), ())] == [
        OTHER,
        None,
        OTHER,
    ]


def test_cells_are_drawn_where_they_look_when_that_is_wanted_and_known():
    explanation = known(bam(), stage1__gain=field(4))
    plain = explanation.overlay("stage1.gain")
    moved = map_over_photo(explanation, "stage1.gain", FigureOptions(cells="centers"))
    values = explanation.stages[0].gain.values
    spread = ((values - values.min()) / (values.max() - values.min())).astype(np.float32)
    placed = upsample(spread, explanation.geometry, field=field(4)).clip(0, 1)
    assert (moved == overlay(explanation.photo, placed)).all()
    assert (moved != plain).any()
    unknown = map_over_photo(bam(), "stage1.gain", FigureOptions(cells="centers"))
    assert (unknown == plain).all()


def test_the_frame_of_a_pin_lies_where_its_cell_is_drawn(monkeypatch):
    from attnviz.render import figure

    drawn = []
    monkeypatch.setattr(figure, "cell_box", lambda *given: drawn.append(given[-1]) or cell_box(*given))
    explanation = known(danet(), position__received=ONE)
    for cells in ("tiles", "centers"):
        options = FigureOptions(panels=("row:1",), cells=cells, dpi=60)
        figure.render_figure(plan_figure(explanation, options), "png")
    assert drawn == [None, ONE]


def test_the_caption_says_where_cells_are_drawn():
    explanation = known(bam(), stage1__gain=field(4))
    texts = [
        plan_figure(explanation, FigureOptions(cells=cells), drawn=False).caption for cells in ("tiles", "centers")
    ]
    assert ["around the middle of what it sees" in text for text in texts] == [False, True]


def test_unknown_places_are_refused():
    with pytest.raises(OptionError, match="expected cells out of tiles, centers, got 'middles'"):
        FigureOptions(cells="middles")
