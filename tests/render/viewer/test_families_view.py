"""The families of attention side by side, in a real browser."""

import dataclasses
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from attnviz.render.viewer.page import families_html
from attnviz.render.viewer.payload import families_payload
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import PHONE, WIDE, colored, differing, drawn_frame, pixels


@pytest.fixture(scope="module")
def families(bam):
    cbam = dataclasses.replace(made.sge(seed=1, blocks=(1, 2), name="my_cbam"), channel_gates=made.se().channel_gates)
    spatial = tuple(dataclasses.replace(m, kind="spatial_gate") for m in cbam.other_maps)
    return {
        "BAM": bam,
        "CBAM": dataclasses.replace(cbam, other_maps=spatial),
        "SGE": made.sge(seed=1, blocks=(2, 2, 2, 2), name="my_sge"),
        "SE": made.se(seed=1, name="my_se", trained=False, sha256=None),
    }


@pytest.fixture
def beside(new_page, tmp_path, families):
    def open_(viewport=WIDE, chosen=None, **media):
        file = tmp_path / "families.html"
        file.write_text(families_html(chosen or families), encoding="utf-8")
        page = new_page(viewport, **media)
        page.goto(file.as_uri())
        page.wait_for_selector('#viewer[data-ready="1"]')
        return page

    return open_


def stage(page, number):
    return page.locator(f'section.av-stage[aria-label="Stage {number}"]')


def test_each_family_has_a_column_with_what_it_says(beside, families):
    heads = beside().locator(".av-families").first.locator("section")
    assert heads.evaluate_all("all => all.map(n => n.getAttribute('aria-label'))") == list(families)
    for head, explanation in zip(heads.all(), families.values(), strict=True):
        expect(head).to_contain_text(explanation.model.name)
        expect(head.locator("li")).to_have_count(3)
        expect(head).to_contain_text("61 %")
    expect(heads.nth(3)).to_contain_text("Random weights")
    expect(heads.nth(0)).not_to_contain_text("Random weights")


def test_every_stage_shows_the_last_module_of_each_family(beside, families):
    page = beside()
    columns = stage(page, 2).locator(".av-family")
    expect(columns).to_have_count(4)
    bam, cbam, sge, _ = families.values()
    wanted = [bam.stages[1].gain, cbam.maps["layer2.1.sge"], sge.maps["layer2.1.sge"]]
    for number, shown in enumerate(wanted, start=1):
        selector = f'section.av-stage[aria-label="Stage 2"] .av-family:nth-child({number}) canvas'
        values = shown.values
        assert differing(pixels(page, selector), colored(values, values.min(), values.max())) < 0.01, shown.label
        expect(columns.nth(number - 1)).to_contain_text(shown.title)
    for number, charts in enumerate((0, 1, 0, 1)):  # gates of channels: CBAM and SE
        expect(columns.nth(number).get_by_role("slider")).to_have_count(charts)
    expect(columns.nth(3)).to_contain_text("Stage 2, block 2")


def test_a_stage_without_a_module_says_so(beside):
    columns = stage(beside(), 4).locator(".av-family")
    texts = [column.inner_text() for column in columns.all()]
    assert [text for text in texts if "nothing here" in text] == [
        f"{family} has nothing here." for family in ("BAM", "CBAM", "SE")
    ]


def test_one_pointer_reads_every_family(beside):
    page = beside()
    stage(page, 1).locator(".av-picture").first.hover()
    drawn_frame(page)
    values = stage(page, 1).locator(".av-panel__value")
    found = [text for text in values.all_inner_texts() if text]
    assert len(found) == 3
    assert all(re.fullmatch(r"×?\d\.\d+", text) for text in found)


def test_looks_change_all_columns(beside, families):
    page = beside()
    page.get_by_label("Shared").check()
    maps = [m.values for m in families["SGE"].other_maps]
    low, high = min(v.min() for v in maps), max(v.max() for v in maps)
    shown = pixels(page, 'section.av-stage[aria-label="Stage 3"] .av-family:nth-child(3) canvas')
    assert differing(shown, colored(families["SGE"].maps["layer3.1.sge"].values, low, high)) < 0.01


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(beside, scheme):
    found = Axe().run(beside(color_scheme=scheme)).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:160]) for v in found] == []


def test_a_phone_has_it_all_below_each_other(beside):
    page = beside(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = [column.bounding_box() for column in stage(page, 1).locator(".av-family").all()]
    assert [box["x"] for box in boxes] == [boxes[0]["x"]] * 4


def test_one_family_alone_is_shown_and_none_is_said(beside, families, host):
    page = beside(chosen={"SGE": families["SGE"]})
    expect(stage(page, 1).locator(".av-family")).to_have_count(1)
    host.evaluate("data => attnviz.mount(document.getElementById('host'), data)", families_payload({}))
    expect(host.locator("#host")).to_contain_text("Nothing to compare yet.")
