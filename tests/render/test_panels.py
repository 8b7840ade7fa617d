import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.reduce.rollout import rollout_of
from attnviz.render.head_panels import head_names
from attnviz.render.panels import GROUPS, all_panels, default_pins, panel_names, pin_cell, resolve
from tests.explanations import SECOND, attention, bam, danet, gated, two_attentions, vit


def names_of(explanation, *names, pins=()):
    return [panel.name for panel in resolve(explanation, names, pins)]


def test_the_usual_panels_of_each_network():
    assert names_of(bam()) == ["photo", "stage1.gain", "stage2.gain", "stage3.gain"]
    pins = ((10.0, 10.0), (20.0, 80.0))
    assert names_of(danet(), pins=pins) == ["photo", "row:1", "row:2", "position.received", "segmentation"]


def test_a_network_with_other_modules_shows_the_last_map_of_each_stage():
    maps = tuple(attention(f"stage{s}.block{b}", np.ones((2, 2)), kind="spatial_gate") for s in (1, 2) for b in (0, 1))
    assert names_of(bam(stages=(), other_maps=maps)) == ["photo", "stage1.block1", "stage2.block1"]


def test_every_listed_panel_can_be_had():
    for explanation in (bam(), danet(), two_attentions(), gated()):
        pins = ((10.0, 10.0), (20.0, 80.0))
        assert names_of(explanation, *panel_names(explanation), pins=pins) == list(panel_names(explanation))


def test_a_row_panel_is_the_row_of_its_pin():
    explanation = danet()
    panel = resolve(explanation, ("row:1",), ((70.0, 20.0),))[0]
    # the grid is 8 x 10 over 96 x 128 pixels: cells of 12 x 12.8 pixels
    assert (panel.values == explanation.position.row(1, 5)).all()
    assert panel.title == "Pin 1 (sky) · where it looks"
    assert panel.values.sum() == pytest.approx(1, abs=1e-5)
    column = resolve(explanation, ("column:1",), ((70.0, 20.0),))[0]
    assert (column.values == explanation.position.column(1, 5)).all()


def test_gates_and_channels_by_number():
    explanation = bam()
    assert (resolve(explanation, ("gate:2:7",), ())[0].values == explanation.stages[1].gate(7)).all()
    both = danet()
    assert (resolve(both, ("channel:11",), ())[0].values == both.channel.output[11]).all()


def test_the_channel_group_shows_the_two_strongest():
    explanation = danet()
    first, second = np.argsort(-explanation.channel.effect)[:2]
    assert names_of(explanation, "channel") == ["photo", "channel_matrix", f"channel:{first}", f"channel:{second}"]


def test_a_name_given_twice_comes_once():
    assert names_of(bam(), "stages", "photo", "stage1.gain") == ["photo", "stage1.gain", "stage2.gain", "stage3.gain"]


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "row:1", "row:0", "stage4.gain", "gate:1:8", "gate:4:0", "gate:-1:0", "channel:0", "position",
     "segmentation", "photo ", "gate:1:٣", "channel", "gate:1:" + "9" * 30],
)  # fmt: skip
def test_panels_that_are_not_there_are_refused(name):
    with pytest.raises(OptionError, match="expected"):
        resolve(bam(), (name,), ())


@pytest.mark.parametrize("name", ["row:3", "column:99", "channel:12", "segmentation:nose", "stages"])
def test_panels_that_a_danet_lacks_are_refused(name):
    with pytest.raises(OptionError, match="expected"):
        resolve(danet(), (name,), ((1.0, 1.0), (2.0, 2.0)))


def test_default_pins_sit_inside_the_two_largest_classes():
    explanation = danet()
    cells = [pin_cell(explanation, explanation.position.grid, pin) for pin in default_pins(explanation)]
    assert [int(explanation.segmentation.cells[cell]) for cell in cells] == [0, 2]
    assert all(0 < row < 7 and 0 < column < 9 for row, column in cells)  # away from the borders


def test_one_class_everywhere_makes_one_pin_in_the_middle():
    explanation = danet()
    whole = explanation.segmentation.__class__(
        ("sky",), {"fused": np.zeros((64, 80), np.uint8)}, np.zeros((8, 10), np.uint8)
    )
    pins = default_pins(danet(segmentation=whole))
    assert len(pins) == 1
    assert pin_cell(explanation, explanation.position.grid, pins[0]) in {(3, 4), (3, 5), (4, 4), (4, 5)}


def test_a_pin_outside_of_what_the_network_saw_is_refused():
    explanation = danet(geometry=Geometry((96, 128), (16, 0, 112, 96), (64, 80)))
    with pytest.raises(OptionError, match=r"within x 16 to 112 and y 0 to 96.*got \(5, 5\)"):
        resolve(explanation, ("row:1",), ((5.0, 5.0),))


def test_groups_have_names_of_their_own():
    assert not set(GROUPS) & {*panel_names(bam()), *panel_names(danet())}


def test_of_several_position_attentions_the_first_has_the_short_names():
    explanation, pins = two_attentions(), ((70.0, 20.0),)
    assert names_of(explanation, pins=pins) == [
        *("photo", "row:1", "position.received"),
        *(f"{SECOND}.row:1", f"{SECOND}.received", "segmentation"),
    ]
    assert set(panel_names(danet())) < set(panel_names(explanation))


def test_each_position_attention_has_rows_of_its_own_on_its_own_grid():
    explanation, pins = two_attentions(), ((70.0, 20.0),)
    first, second, column = resolve(explanation, ("row:1", f"{SECOND}.row:1", f"{SECOND}.column:1"), pins)
    # the first grid is 8 x 10 over 96 x 128 pixels, the second 4 x 5: cells of 24 x 25.6 pixels
    assert (first.values == explanation.position.row(1, 5)).all()
    assert (second.values == explanation.positions[SECOND].row(0, 2)).all()
    assert (column.values == explanation.positions[SECOND].column(0, 2)).all()
    assert (first.kind, second.kind) == ("position_row", "position_row")


def test_the_titles_of_several_position_attentions_tell_which():
    panels = resolve(two_attentions(), ("row:1", f"{SECOND}.row:1", f"{SECOND}.received"), ((70.0, 20.0),))
    assert [panel.title for panel in panels] == [
        "Pin 1 (sky) · where it looks · position",
        "Pin 1 (sky) · where it looks · stage2.position",
        "Stage2.position attention · received",
    ]


@pytest.mark.parametrize("name", ["position.row:1", "nose.row:1", f"{SECOND}.row:2", f".{SECOND}.row:1", ".row:1"])
def test_rows_of_no_attention_are_refused(name):
    with pytest.raises(OptionError, match="expected a panel out of photo"):
        resolve(two_attentions(), (name,), ((70.0, 20.0),))


@pytest.mark.parametrize("pins", [1, 2, 12])
def test_very_many_position_attentions_still_make_a_figure_of_the_deepest(pins):
    attention = danet().position
    explanation = danet(positions={f"layer{n}": attention for n in range(40)})
    found = names_of(explanation, pins=tuple((10.0 + n, 10.0) for n in range(pins)))
    assert len(found) <= 64
    assert found[-2:] == ["layer39.received", "segmentation"]
    assert "layer0.received" not in found


def test_all_panels_of_a_large_network_can_be_chosen_from():
    maps = tuple(attention(f"block{n}", np.ones((2, 2)), title=f"{n}", stage=None) for n in range(80))
    explanation = danet(other_maps=maps)
    found = all_panels(explanation, ((10.0, 10.0),))
    assert [panel.name for panel in found] == list(panel_names(explanation, 1))
    assert len(found) > 64
    with pytest.raises(OptionError, match="at most 64 panels"):
        resolve(explanation, panel_names(explanation, 1), ((10.0, 10.0),))


def test_channel_gates_are_stripes_that_lie_on_no_photo():
    explanation = gated()
    assert names_of(explanation) == ["photo", "stage1.block2.channel_gate", "stage2.block1.channel_gate"]
    (panel,) = resolve(explanation, ("stage1.block1.channel_gate",), ())
    assert (panel.bare, panel.values.shape, panel.title) == (True, (1, 6), "stage1.block1.channel_gate · 6 channels")


def test_a_network_without_attention_shows_the_photo():
    assert names_of(bam(stages=())) == ["photo"]


LAST = "blocks.2.attn.attention"


def test_of_a_vision_transformer_the_last_layer_and_the_rollout_tell_most():
    assert names_of(vit(), pins=((70.0, 20.0),)) == [
        *("photo", f"{LAST}.token:1", f"{LAST}.row:1", f"{LAST}.received"),
        *("rollout.token:1", "rollout.row:1", "rollout.received"),
    ]


def test_heads_tokens_and_the_rollout_are_panels_with_their_own_titles():
    explanation, pins = vit(), ((70.0, 20.0),)
    last, rolled = explanation.positions[LAST], rollout_of(explanation.positions)
    wanted = {
        f"{LAST}.row:1": (last.row(0, 2), "Pin 1 · where it looks · blocks.2.attn attention, mean of 2 heads"),
        f"{LAST}.head1.row:1": (last.head(1).row(0, 2), "Pin 1 · where it looks · blocks.2.attn attention, head 1"),
        f"{LAST}.head0.column:1": (
            last.head(0).column(0, 2),
            "Pin 1 · who looks at it · blocks.2.attn attention, head 0",
        ),
        f"{LAST}.head1.received": (last.head(1).received, "Received · blocks.2.attn attention, head 1"),
        f"{LAST}.token:1": (
            last.token_row(),
            "Class token · where it looks · blocks.2.attn attention, mean of 2 heads",
        ),
        "rollout.row:1": (rolled.row(0, 2), "Pin 1 · where it looks · rollout of 3 layers"),
        "rollout.column:1": (rolled.column(0, 2), "Pin 1 · who looks at it · rollout of 3 layers"),
        "rollout.token:1": (rolled.token_row(), "Class token · where it looks · rollout of 3 layers"),
        "rollout.received": (rolled.received, "Received · rollout of 3 layers"),
    }
    panels = resolve(explanation, tuple(wanted), pins)
    for panel, (values, title) in zip(panels, wanted.values(), strict=True):
        assert panel.title == title
        np.testing.assert_array_equal(panel.values, values)
    assert {panel.kind for panel in panels if "rollout" in panel.name} == {
        *("rollout_row", "rollout_column", "rollout_received")
    }


@pytest.mark.parametrize(
    "name",
    [f"{LAST}.head2.row:1", f"{LAST}.head-1.row:1", f"{LAST}.token:2", f"{LAST}.token:0", f"{LAST}.head9.received",
     "blocks.3.attn.attention.row:1", "head0.row:1", ".received", "rollout.row:2", "rollout.token:2", "rollout"],
)  # fmt: skip
def test_heads_and_tokens_that_are_not_there_are_refused(name):
    with pytest.raises(OptionError, match="expected"):
        resolve(vit(), (name,), ((70.0, 20.0),))


def test_without_a_class_token_there_is_none_to_show():
    names = panel_names(vit(layers=4, others=0))
    assert not [name for name in names if "token" in name]
    assert "rollout.row:1" in names
    assert "rollout.row:1" not in panel_names(two_attentions())


def test_every_panel_that_is_listed_can_be_drawn():
    assert len(all_panels(vit(), ((70.0, 20.0),))) == len(panel_names(vit(), 1)) + len(head_names(vit(), 1))


def test_single_heads_are_offered_of_all_layers_where_there_are_few_and_else_of_the_last():
    explanation = vit(layers=4, heads=3, others=2)
    names = head_names(explanation, 1)
    ways = ("token:1", "row:1", "column:1", "received")
    assert list(names) == [f"blocks.3.attn.attention.head{head}.{way}" for head in range(3) for way in ways]
    offered = {panel.name: panel for panel in all_panels(explanation, ((70.0, 20.0),))}
    for head in range(3):
        values = offered[f"blocks.3.attn.attention.head{head}.received"].values
        assert np.array_equal(values, explanation.positions["blocks.3.attn.attention"].head(head).received)
    few = vit(layers=2, heads=3, others=0)
    assert len(head_names(few, 2)) == 2 * 3 * 5
    assert not [name for name in head_names(few) if "token" in name]
    assert head_names(danet()) == ()


def test_networks_that_count_no_stages_have_one_for_each_size_of_features():
    maps = [
        attention(f"layer{i}.spatial_gate", np.zeros((2, 2)), kind="spatial_gate", stage=None, stride=4 << i // 2)
        for i in range(5)
    ]
    explanation = bam(stages=(), other_maps=tuple(maps))
    assert names_of(explanation) == ["photo", "layer1.spatial_gate", "layer3.spatial_gate", "layer4.spatial_gate"]
