"""All groups of SGE in a real browser: the very gates that the network computed."""

import dataclasses

import numpy as np
import pytest
from playwright.sync_api import expect

from attnviz.pipeline import explain
from attnviz.render.figure_options import MAX_PANELS, FigureOptions
from attnviz.render.panels import resolve
from attnviz.render.plan import plan_figure
from attnviz.render.viewer import group_parts
from attnviz.render.viewer.payload import payload
from attnviz.save.manifest import explanation_arrays
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import colored, differing, pixels

SECTION = 'section[aria-label="Every group"]'
LAST = "stage4.block2.group_gate"


@pytest.fixture(scope="module")
def explained(sge_net):
    """What a ResNet with SGE of 64 groups and random weights does with a photo."""
    return explain(made.photo(96, 128), sge_net, size=96)


def test_all_64_groups_are_kept_and_their_mean_is_the_map_of_that_name(explained):
    assert list(explained.group_gates)[-1] == LAST
    for label, gates in explained.group_gates.items():
        assert gates.values.shape == (64, *explained.maps[label].values.shape)
        np.testing.assert_allclose(gates.values.mean(axis=0), explained.maps[label].values, rtol=1e-5)
        assert 0 < gates.values.min() < gates.values.max() < 1
    assert explanation_arrays(explained)[f"{LAST}.groups"].shape == (64, 3, 4)


def test_a_figure_can_show_one_group_or_all(explained):
    (one,) = resolve(explained, (f"{LAST}:63",), ())
    assert (one.values == explained.group_gates[LAST].values[63]).all()
    assert one.kind == "group_gate"
    every = plan_figure(explained, FigureOptions(panels=("groups",), columns=8), drawn=False)
    assert [panel.name for panel in every.panels] == [f"{LAST}:{group}" for group in range(MAX_PANELS)]


@pytest.mark.parametrize("name", [f"{LAST}:64", f"{LAST}:-1", "stage9.block1.group_gate:0", ":0"])
def test_groups_that_there_are_not_are_refused(explained, name):
    with pytest.raises(ValueError, match="expected a panel out of"):
        resolve(explained, (name,), ())


def test_networks_without_groups_have_none(bam):
    assert payload(bam)["group_gates"] == []
    with pytest.raises(ValueError, match="expected panels that made has, got 'groups'"):
        resolve(bam, ("groups",), ())


def test_what_is_too_large_is_left_out_and_said(explained, monkeypatch):
    whole = payload(explained)
    assert [gate["label"] for gate in whole["group_gates"]] == list(explained.group_gates)
    assert whole["group_note"] == ""
    room = 2 * sum(gates.values.size for gates in list(explained.group_gates.values())[-2:])
    monkeypatch.setattr(group_parts, "GROUP_BYTES", room)
    less = payload(explained)
    assert [gate["label"] for gate in less["group_gates"]] == list(explained.group_gates)[-2:]
    assert less["group_note"] == "The groups of 2 of 8 modules were sent; the NPZ file has all."


def test_every_group_is_drawn_and_one_is_shown_large(opened, explained):
    page = opened(explained)
    section = page.locator(SECTION)
    thumbs = section.locator(".av-thumb")
    expect(thumbs).to_have_count(64)
    gates = explained.group_gates[LAST].values
    for group in (0, 17, 63):
        thumbs.nth(group).click()
        values = gates[group]
        for canvas in (f"{SECTION} .av-output canvas", f"{SECTION} .av-thumb:nth-child({group + 1}) canvas"):
            assert differing(pixels(page, canvas), colored(values, values.min(), values.max())) < 0.05, group
        expect(section.locator("h3")).to_have_text(f"Group {group} of 64")
    page.get_by_label("Shared").check()
    assert differing(pixels(page, f"{SECTION} .av-output canvas"), colored(values, gates.min(), gates.max())) < 0.05
    section.get_by_label("Module").select_option("stage3.block1.group_gate")
    expect(section.locator(".av-thumb")).to_have_count(64)
    values = explained.group_gates["stage3.block1.group_gate"].values
    shown = pixels(page, f"{SECTION} .av-output canvas")
    assert differing(shown, colored(values[0], values.min(), values.max())) < 0.05


def test_groups_are_chosen_by_keyboard(opened, explained):
    page = opened(explained)
    page.locator(f"{SECTION} .av-thumb").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"{SECTION} .av-thumb").nth(2)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f"{SECTION} h3")).to_have_text("Group 2 of 64")


def test_a_network_without_groups_has_no_such_section(opened, bam):
    expect(opened(dataclasses.replace(bam)).locator(SECTION)).to_have_count(0)
