"""Position attention in a real browser: numbers as on the server, pins, keys, several attentions."""

import dataclasses
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attnviz.render.colormaps import table
from attnviz.render.figure_options import MAX_PINS
from attnviz.render.scales import Scale
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import colored, differing, live, pixels, plain, point


class TestPosition:
    def test_the_numbers_equal_the_servers(self, opened, danet):
        page = opened(danet)
        rows, columns = danet.position.grid
        for y, x in ((0, 0), (5, 9), (rows - 1, columns - 1)):
            row, column = page.evaluate(
                """cell => {
                  const [position] = attnviz.read(JSON.parse(document.getElementById("data").textContent)).positions;
                  const of = (mode) => {
                    const out = new Float32Array(position.count);
                    position[mode](cell, out);
                    return [...out];
                  };
                  return [of("row"), of("column")];
                }""",
                y * columns + x,
            )
            np.testing.assert_allclose(row, danet.position.row(y, x).ravel(), atol=1e-6, rtol=1e-3)
            np.testing.assert_allclose(column, danet.position.column(y, x).ravel(), atol=1e-6, rtol=1e-3)

    def test_the_pointer_draws_its_row_and_the_switch_its_column(self, opened, danet):
        page, grid = opened(danet), danet.position.grid
        plain(page)
        for mode, weights in (("Where it looks", danet.position.row), ("Who looks at it", danet.position.column)):
            page.get_by_label(mode).check()
            for place in ((2, 3), (9, 12)):
                point(page, *place, grid)
                expect(page.locator(".av-readout")).to_contain_text(f"row {place[0]}, column {place[1]} of")
                wanted = weights(*place)
                assert differing(pixels(page, ".av-picture--live canvas"), colored(wanted, 0, wanted.max())) == 0

    def test_received_is_the_servers_map(self, opened, danet):
        page = opened(danet)
        plain(page)
        page.get_by_label("Received").check()
        expect(page.locator(".av-readout")).to_contain_text("Most any location receives")
        wanted = danet.position.received
        assert differing(pixels(page, ".av-picture--live canvas"), colored(wanted, 0, wanted.max())) == 0

    def test_the_readout_names_pixel_class_and_share(self, opened, danet):
        page, grid = opened(danet), danet.position.grid
        point(page, 4, 6, grid)
        readout = page.locator(".av-readout")
        left, top, right, bottom = danet.geometry.cell_to_photo_box(4, 6, grid)
        expect(readout).to_contain_text(f"Pixel x {int((left + right) / 2)}, y {int((top + bottom) / 2)} ")
        cells = danet.segmentation.cells
        name = danet.segmentation.categories[cells[4, 6]]
        inside = 100 * danet.position.row(4, 6)[cells == cells[4, 6]].sum()
        share = float(re.search(r"([\d.]+) % of its attention falls on (\w+)", readout.inner_text())[1])
        expect(readout).to_contain_text(f"falls on {name}")
        assert share == pytest.approx(inside, abs=0.6)
        spoken = page.locator('.av-view--position [aria-live="polite"]').first
        expect(spoken).to_contain_text("row 4, column 6")

    def test_clicks_pin_and_each_pin_keeps_its_picture(self, opened, danet):
        page, grid = opened(danet), danet.position.grid
        plain(page)
        places = [(2, 3), (9, 12), (6, 1)]
        for place in places:
            point(page, *place, grid, click=True)
        panels = page.locator(".av-pin")
        expect(panels).to_have_count(3)
        point(page, 0, 0, grid)
        for i, place in enumerate(places):
            wanted = danet.position.row(*place)
            selector = f".av-pin:nth-child({i + 1}) canvas"
            assert differing(pixels(page, selector), colored(wanted, 0, wanted.max())) == 0
        badges = page.locator(".av-pin__header .av-badge")
        expect(badges).to_have_text(["#1", "#2", "#3"])
        assert len({b.evaluate("b => getComputedStyle(b).backgroundColor") for b in badges.all()}) == 3
        page.get_by_role("button", name="Remove pin 2").click()
        expect(badges).to_have_text(["#1", "#3"])
        page.get_by_role("button", name="Remove all pins").click()
        expect(panels).to_have_count(0)

    def test_shared_scaling_uses_the_highest_of_all_pins(self, opened, danet):
        page = opened(danet)
        plain(page)
        rows, high = two_pins_that_share_colours(page, danet.position)
        expect(page.locator(".av-pin").first).to_contain_text(re.compile(r"Colours 0 to"))
        for i, row in enumerate(rows):
            assert differing(pixels(page, f".av-pin:nth-child({i + 1}) canvas"), colored(row, 0, high)) == 0

    def test_everything_by_keyboard(self, opened, danet):
        page = opened(danet)
        live(page).focus()
        outline = live(page).evaluate("n => getComputedStyle(n).outlineStyle + getComputedStyle(n).outlineWidth")
        assert outline == "solid3px"
        page.keyboard.press("Home")
        readout, (rows, columns) = page.locator(".av-readout"), danet.position.grid
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        expect(readout).to_contain_text(f"row {rows // 2 + 1}, column {columns // 2 + 1} of")
        page.keyboard.press("Shift+ArrowLeft")
        expect(readout).to_contain_text(f"column {columns // 2 + 1 - 8} of")
        page.keyboard.press("Enter")
        expect(page.locator(".av-pin")).to_have_count(1)
        page.keyboard.press("Delete")
        expect(page.locator(".av-pin")).to_have_count(0)
        for _ in range(40):
            page.keyboard.press("ArrowUp")
        expect(readout).to_contain_text("row 0,")

    def test_classes_lie_over_the_photo_with_their_legend(self, opened, danet):
        page = opened(danet)
        overlay, legend = page.locator(".av-classes"), page.locator(".av-classlist")
        expect(overlay).to_be_hidden()
        page.get_by_label("Predicted classes", exact=True).select_option("fused")
        expect(overlay).to_be_visible()
        wait = "n => n.decode().then(() => [n.naturalHeight, n.naturalWidth])"
        assert overlay.evaluate(wait) == list(danet.segmentation.labels["fused"].shape)
        assert legend.locator("li").count() == len(danet.segmentation.shares())
        page.get_by_label("Predicted classes", exact=True).select_option("")
        expect(overlay).to_be_hidden()

    def test_gamma_is_printed_with_what_it_means(self, opened, danet):
        gamma = opened(danet).locator(".av-gamma").first
        expect(gamma).to_contain_text("γ = \u22120.07: the network hardly uses position attention")

    def test_pins_are_told_to_the_page(self, opened, danet):
        page = opened(danet)
        page.evaluate("addEventListener('attnviz-pins', (e) => { window.told = e.detail; })")
        point(page, 3, 5, danet.position.grid, click=True)
        assert page.evaluate("told") == {"mode": "row", "pins": [{"number": 1, "row": 3, "column": 5}]}

    def test_one_of_several_attentions_is_chosen_and_pins_keep_their_places(self, opened, danet):
        second = made.danet(96, 128, grid=(6, 8), seed=5).position
        page = opened(dataclasses.replace(danet, positions={"position": danet.position, "deep": second}))
        plain(page)
        page.evaluate("addEventListener('attnviz-pins', (e) => { window.told = e.detail; })")
        point(page, 9, 12, danet.position.grid, click=True)
        page.get_by_label("Who looks at it").check()
        page.get_by_label("Predicted classes", exact=True).select_option("fused")
        page.get_by_label("Attention", exact=True).select_option("deep")
        expect(page.locator(".av-readout")).to_contain_text("row 4, column 6 of 6 × 8")
        expect(page.locator(".av-gamma").first).to_contain_text("γ = \u22120.07")
        expect(page.locator(".av-classes")).to_be_visible()
        wanted = second.column(4, 6)
        assert differing(pixels(page, ".av-picture--live canvas"), colored(wanted, 0, wanted.max())) == 0
        assert differing(pixels(page, ".av-pin canvas"), colored(wanted, 0, wanted.max())) == 0
        point(page, 0, 1, second.grid, click=True)
        expect(page.locator(".av-pin")).to_have_count(2)
        pins = [{"number": 1, "row": 9, "column": 13}, {"number": 2, "row": 1, "column": 3}]  # on the first one's grid
        assert page.evaluate("told") == {"mode": "column", "pins": pins}
        page.get_by_label("Attention", exact=True).select_option("position")
        expect(page.locator(".av-pin")).to_have_count(2)
        expect(page.locator(".av-readout")).to_contain_text("of 12 × 16")
        point(page, 2, 3, danet.position.grid)
        wanted = danet.position.column(2, 3)
        assert differing(pixels(page, ".av-picture--live canvas"), colored(wanted, 0, wanted.max())) == 0

    def test_one_attention_alone_needs_no_choice(self, opened, danet):
        expect(opened(danet).get_by_label("Attention", exact=True)).to_have_count(0)

    def test_there_are_as_many_pins_as_a_figure_may_have(self, opened, danet):
        page, grid = opened(danet), danet.position.grid
        for column in range(MAX_PINS + 1):
            point(page, 3, column, grid, click=True)
        expect(page.locator(".av-pin")).to_have_count(MAX_PINS)
        expect(page.locator(".av-pinbox")).to_contain_text(f"{MAX_PINS} pins at most")


def two_pins_that_share_colours(page, position):
    """Pins two places, has them share a range of colours, and gives their rows and the highest weight of both."""
    places = [(2, 3), (9, 12)]
    for place in places:
        point(page, *place, position.grid, click=True)
    page.get_by_label("Shared").check()
    rows = [position.row(*place) for place in places]
    return rows, max(row.max() for row in rows)


def faded(values, low, high):
    """RGBA as the server's rule makes it where the opacity follows the value, on a logarithmic scale."""
    scale = Scale("row", "share", low, high, (), log=True)
    places = scale.apply(values)
    colors = table("viridis")[np.minimum(256 * places, 255).astype(int)]
    return np.concatenate([colors, np.round(255 * places)[..., None].astype(np.uint8)], axis=-1)


def same_fading(drawn, wanted):
    """Whether opacities agree, and colours where enough of them is there: canvases keep colours times opacity."""
    sure = wanted[..., 3] > 60
    opacity = np.abs(drawn[..., 3].astype(int) - wanted[..., 3].astype(int)).max()
    return sure.any() and opacity <= 2 and differing(drawn[sure][None, :, :3], wanted[sure][None, :, :3]) < 0.01


class TestHeavyTails:
    def test_rows_begin_logarithmic_with_an_opacity_that_follows_the_value(self, opened, danet):
        page, grid = opened(danet), danet.position.grid
        point(page, 2, 3, grid)
        row = danet.position.row(2, 3)
        drawn = pixels(page, ".av-picture--live canvas", alpha=True)
        assert same_fading(drawn, faded(row, row.max() / 1000, row.max()))
        bar = page.locator(".av-split__main .av-bar").first
        expect(bar).to_contain_text("log")
        expect(bar.locator(".av-bar__end").first).to_contain_text("≤ ")
        expect(page.locator(".av-bar-sentence")).to_have_text(
            "Logarithmic: equal steps of colour are equal factors. The opacity follows the value."
        )

    def test_keys_go_through_scales_and_opacities(self, opened, danet):
        page, grid = opened(danet), danet.position.grid
        point(page, 2, 3, grid, click=True)
        scale = page.get_by_label("Colour scale").locator("visible=true")
        expect(scale).to_have_value("log")
        live(page).focus()
        page.keyboard.press("o")
        expect(page.get_by_label("Even", exact=True)).to_be_checked()
        page.keyboard.press("l")
        expect(scale).to_have_value("linear")
        row = danet.position.row(2, 3)
        for canvas in (".av-picture--live canvas", ".av-pin canvas"):
            assert differing(pixels(page, canvas), colored(row, 0, row.max())) == 0
        expect(page.locator(".av-bar-sentence")).to_have_text("")
        page.keyboard.press("L")
        expect(scale).to_have_value("percentile")
        low, high = np.percentile(row.astype(np.float64), (1, 99))
        for canvas in (".av-picture--live canvas", ".av-pin canvas"):
            assert differing(pixels(page, canvas), colored(row, low, high)) < 0.01
        scale.focus()
        page.keyboard.press("o")  # a list takes letters itself
        expect(page.get_by_label("Even", exact=True)).to_be_checked()

    def test_pins_share_a_logarithmic_scale(self, opened, danet):
        page = opened(danet)
        rows, high = two_pins_that_share_colours(page, danet.position)
        for i, row in enumerate(rows):
            drawn = pixels(page, f".av-pin:nth-child({i + 1}) canvas", alpha=True)
            assert same_fading(drawn, faded(row, high / 1000, high))
        expect(page.locator(".av-pin").first).to_contain_text(re.compile(r"Colours .* %, log"))

    def test_other_maps_keep_their_own_looks(self, opened, bam, danet):
        page = opened(bam, danet)
        page.get_by_role("tab", name="A · Coarse to fine").click()
        expect(page.get_by_label("Colour scale").locator("visible=true")).to_have_value("linear")
        page.get_by_role("tab", name="B · Position attention").click()
        expect(page.get_by_label("Colour scale").locator("visible=true")).to_have_value("log")
        page.keyboard.press("Tab")
        page.get_by_label("Colour scale").locator("visible=true").select_option("percentile")
        page.get_by_role("tab", name="A · Coarse to fine").click()
        expect(page.get_by_label("Colour scale").locator("visible=true")).to_have_value("linear")
