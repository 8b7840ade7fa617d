"""The inside of modules in a real browser: real networks, a location that is followed, keys and a phone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import attnviz
from tests.observe.own_networks import Vit, seeded
from tests.render.viewer.viewer_steps import PHONE, colored, differing, pixels

PHOTO = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def explained(net):
    return attnviz.explain(PHOTO, net, device="cpu", size=64, inside=True)


@pytest.fixture
def bam(tiny_bam):
    return explained(tiny_bam)


@pytest.fixture
def danet(tiny_danet):
    return explained(tiny_danet)


def shown(opened, explanation, **how):
    page = opened(explanation, **how)
    page.get_by_role("tab", name="Inside the module").click()
    return page


def card(page, symbol):
    return page.locator(".av-step").filter(has=page.locator(".av-step__symbol", has_text=symbol)).first


def point(page, row, column, grid, click=False):
    node = page.locator(".av-view--inside .av-picture--large")
    box = node.bounding_box()
    place = {"x": (column + 0.5) * box["width"] / grid[1], "y": (row + 0.5) * box["height"] / grid[0]}
    (node.click if click else node.hover)(position=place)


def style(page, selector):
    return page.locator(selector).first.evaluate("n => [n.style.left, n.style.top, n.style.width, n.style.height]")


def test_every_tensor_of_a_bam_is_drawn_with_its_formula(opened, bam):
    page = shown(opened, bam)
    steps = bam.inside("stage3")
    assert page.locator(".av-step__symbol").all_inner_texts() == [step.symbol for step in steps]
    for step in steps:
        if step.formula:
            expect(page.locator(".av-inside")).to_contain_text(step.formula)
    expect(page.locator(".av-branches > section")).to_have_count(2)
    logits = steps["s"].values[0].astype(np.float16).astype(np.float32)
    drawn = pixels(page, ".av-steps--branch[aria-label='Which places'] .av-step:last-child canvas")
    assert differing(drawn, colored(logits, logits.min(), logits.max())) < 0.01


def test_a_location_is_followed_and_another_kept(opened, bam):
    page = shown(opened, bam)
    steps = bam.inside("stage3")
    point(page, 1, 2, (4, 6), click=True)
    point(page, 3, 4, (4, 6))
    here, kept = (float(steps["M"].values[0][at]) for at in ((3, 4), (1, 2)))
    said = card(page, "M").locator(".av-step__here")
    expect(said).to_contain_text(f"here {here:.3g}")
    expect(said).to_contain_text(f"kept {kept:.3g}")
    expect(page.locator(".av-readout")).to_contain_text("row 3, column 4")
    marks = card(page, "M").locator(".av-cursor")
    places = marks.evaluate_all("all => all.map(n => [n.hidden, n.style.left, n.style.top])")
    assert places == [[False, "33.3333%", "25%"], [False, "66.6667%", "75%"]]


def test_what_a_cell_sees_is_drawn_on_the_photo(opened, bam):
    page = shown(opened, bam)
    page.locator(".av-view--inside").get_by_label("Module", exact=True).select_option("stage1")
    point(page, 8, 12, (16, 24))
    card(page, "F").locator("button").click()
    expect(page.locator(".av-readout")).to_contain_text(
        "Features that come in (F), row 8, column 12: sees 43 × 43 pixels"
    )
    left, top, right, bottom = bam.inside("stage1")["F"].field.box_of(8, 12)
    wanted = [100 * left / 96, 100 * top / 64, 100 * (right - left) / 96, 100 * (bottom - top) / 64]
    assert [float(text.rstrip("%")) for text in style(page, ".av-field")] == pytest.approx(wanted, abs=1e-3)


def test_keys_follow_keep_and_forget(opened, bam):
    page = shown(opened, bam)
    photo = page.locator(".av-view--inside .av-picture--large")
    photo.press("ArrowLeft")
    expect(page.locator(".av-readout")).to_contain_text("row 2, column 2")
    photo.press("Shift+ArrowUp")
    expect(page.locator(".av-readout")).to_contain_text("row 0, column 2")
    photo.press("Enter")
    photo.press("ArrowDown")
    expect(card(page, "F'").locator(".av-step__here")).to_contain_text("kept")
    photo.press("Delete")
    expect(card(page, "F'").locator(".av-step__here")).not_to_contain_text("kept")


def test_one_channel_is_followed_through_features_and_gate(opened, bam):
    page = shown(opened, bam)
    steps = bam.inside("stage3")
    channel = steps["F"].channels[2]
    page.get_by_label("Features and gates of").select_option(str(channel))
    value = float(steps["M"].values[3][2, 3])
    expect(card(page, "M").locator(".av-step__here")).to_have_text(f"Channel {channel} · here {value:.3g}")


def test_query_and_key_of_two_locations(opened, danet):
    page = shown(opened, danet)
    expect(page.locator(".av-vectors")).to_contain_text("to keep a location")
    point(page, 6, 9, (8, 12), click=True)
    point(page, 2, 3, (8, 12))
    position = danet.positions["position"]
    energy = float(position.query[:, 2, 3] @ position.key[:, 6, 9])
    expect(page.locator(".av-vectors__one")).to_have_count(3)
    said = page.locator(".av-vectors .av-readout__line").inner_text()
    number = said.partition("= ")[2].split(",")[0].replace("\N{MINUS SIGN}", "-")
    assert float(number) == pytest.approx(energy, rel=0.01)
    here = card(page, "S").locator(".av-step__here")
    expect(here).to_contain_text(f"here {float(position.row(2, 3)[2, 3]):.3g}")
    assert card(page, "S").locator(".av-panel__note").inner_text().startswith("96 × 96")


def test_channel_attention_shows_its_matrices(opened, danet):
    page = shown(opened, danet)
    page.locator(".av-view--inside").get_by_label("Module", exact=True).select_option("channel")
    expect(page.locator(".av-step__matrix")).to_have_count(3)
    matrix = danet.inside("channel")["S"].values
    assert (
        differing(
            pixels(page, ".av-step__matrix[aria-label='Attention between channels']"),
            colored(matrix, matrix.min(), matrix.max()),
        )
        < 0.01
    )


@pytest.mark.parametrize("kind", ["cbam", "se", "sge"])
def test_gates_inside_blocks(opened, kind):
    torch.manual_seed(0)
    trunk = {"depth": 18, "width": 8, "attention": {"kind": kind, "groups": 4}}
    net = attnviz.build_model({"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 3})
    page = shown(opened, explained(net))
    page.locator(".av-view--inside").get_by_label("Module", exact=True).select_option("stage2.block1")
    expect(page.locator(".av-step__symbol").first).to_have_text("F")
    expect(page.locator(".av-step__symbol").last).to_have_text("F'")


def test_of_somebody_elses_network_what_is_known_is_shown(opened):
    found = explained(seeded(Vit, "by hand"))
    label = next(iter(found.positions))
    page = shown(opened, found)
    assert page.locator(".av-step__symbol").all_inner_texts() == ["B", "C", "S"]
    grid = found.positions[label].grid
    point(page, 1, 2, grid)
    share = float(found.positions[label].row(1, 2)[1, 2])
    expect(card(page, "S").locator(".av-step__here")).to_contain_text(f"here {share:.3g}")


def test_it_fits_on_a_phone_and_follows_a_finger(opened, bam):
    page = shown(opened, bam, viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    box = page.locator(".av-view--inside .av-picture--large").bounding_box()
    page.touchscreen.tap(box["x"] + 1.5 * box["width"] / 6, box["y"] + 2.5 * box["height"] / 4)
    expect(page.locator(".av-readout")).to_contain_text("row 2, column 1")


def test_without_what_happened_inside_there_is_no_tab(opened, tiny_bam):
    page = opened(attnviz.explain(PHOTO, tiny_bam, device="cpu", size=64))
    expect(page.get_by_role("tab", name="Inside the module")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, bam, danet, scheme):
    for explanation, grid in ((bam, (4, 6)), (danet, (8, 12))):
        page = shown(opened, explanation, color_scheme=scheme)
        point(page, 1, 2, grid, click=True)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:160]) for v in found] == []


def test_cells_are_drawn_and_found_where_they_look_inside_too(opened, bam):
    page = shown(opened, bam)
    steps, view = bam.inside("stage3"), page.locator(".av-view--inside")
    view.get_by_label("Where they look").check()
    step = steps["s"]
    stride, center = float(step.field.rows.stride), step.field.rows.center
    first = center - stride / 2  # pixels from the top of the network image: half a stride above it
    assert first < 0
    drawn = pixels(page, "section[aria-label='Which places'] .av-step:last-child canvas")
    wanted = np.pad(step.values[0], ((0, 1), (0, 1)), mode="edge")
    assert differing(drawn, colored(wanted, wanted.min(), wanted.max())) < 0.01
    box = view.locator(".av-picture--large").bounding_box()
    y, x = first + 1.5 * stride, first + 2.5 * stride  # the middle of row 1, column 2, in pixels of 64 x 96
    for row, column, dy, dx in ((1, 2, 0, 0), (2, 2, stride / 2 + 1, 0), (1, 3, 0, stride / 2 + 1)):
        at = {"x": (x + dx) * box["width"] / 96, "y": (y + dy) * box["height"] / 64}
        view.locator(".av-picture--large").hover(position=at)
        expect(page.locator(".av-readout")).to_contain_text(f"row {row}, column {column}")
    left, top = (float(text.rstrip("%")) for text in style(page, ".av-cursor:not(.av-cursor--kept)")[:2])
    assert [left, top] == pytest.approx([100 * (first + 3 * stride) / 96, 100 * (first + stride) / 64], abs=1e-3)
    view.get_by_label("As tiles").check()
    assert pixels(page, "section[aria-label='Which places'] .av-step:last-child canvas").shape[:2] == (4, 6)


def test_rows_of_position_attention_lie_where_its_keys_look(opened, danet):
    page = shown(opened, danet)
    page.locator(".av-view--inside").get_by_label("Where they look").check()
    row = danet.positions["position"].row(4, 6)
    wanted = np.pad(row, ((0, 1), (0, 1)), mode="edge")
    selector = ".av-step:nth-child(6) canvas"  # A, B, C, D, X, S
    assert differing(pixels(page, selector), colored(wanted, row.min(), row.max())) < 0.02
    expect(page.locator(".av-view--inside")).not_to_contain_text("drawn as tiles")


def test_what_has_no_place_stays_on_tiles_and_says_so(opened, bam):
    module = bam.inside("stage3")
    steps = tuple(replace(step, field=None) if step.symbol == "s" else step for step in module)
    page = shown(opened, replace(bam, modules={"stage3": replace(module, steps=steps)}))
    page.locator(".av-view--inside").get_by_label("Where they look").check()
    said = "drawn as tiles: what its cells see is not known"
    expect(card(page, "s")).to_contain_text(said)
    expect(card(page, "M")).not_to_contain_text(said)
    assert pixels(page, "section[aria-label='Which places'] .av-step:last-child canvas").shape[:2] == (4, 6)
