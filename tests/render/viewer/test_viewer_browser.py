"""The viewer in a real browser, opened from a file: what is drawn, what can be reached, and that nothing leaves."""

import dataclasses
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from attnviz.render.class_colors import class_colors
from attnviz.render.colormaps import table
from attnviz.render.figure_options import MAX_PINS
from attnviz.render.overlay import colorize
from attnviz.render.panels import Panel
from attnviz.render.scales import find_scales
from attnviz.render.viewer.bundle import viewer_script
from attnviz.render.viewer.page import notebook_html, standalone_html
from attnviz.render.viewer.payload import payload
from tests.render.viewer import made

WIDE, PHONE, LARGE = ({"width": w, "height": h} for w, h in ((1440, 900), (390, 844), (3840, 2160)))


@pytest.fixture(scope="module")
def danet():
    return made.danet(96, 128, seed=1)


@pytest.fixture(scope="module")
def bam():
    return made.bam(96, 128, seed=1)


@pytest.fixture
def opened(new_context, tmp_path):
    """Opens the self-contained page of one or two explanations, ready."""

    def open_(explanation, other=None, viewport=WIDE, **options):
        file = tmp_path / f"viewer{len(list(tmp_path.iterdir()))}.html"
        file.write_text(standalone_html(explanation, other), encoding="utf-8")
        page = new_context(viewport=viewport, **options).new_page()
        page.goto(file.as_uri())
        page.wait_for_selector('#viewer[data-ready="1"]')
        return page

    return open_


def live(page):
    return page.locator(".av-picture--live")


def point(page, row, column, grid, click=False):
    """Moves the pointer to the middle of a location, or clicks there."""
    box = live(page).bounding_box()
    place = {"x": (column + 0.5) * box["width"] / grid[1], "y": (row + 0.5) * box["height"] / grid[0]}
    (live(page).click if click else live(page).hover)(position=place)


def drawn_frame(page):
    """Waits until what was asked for before has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixels(page, selector):
    """RGB (rows, columns, 3) of a canvas."""
    drawn_frame(page)
    found = page.locator(selector).first.evaluate(
        "c => [c.height, c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(found[2:], dtype=np.uint8).reshape(found[0], found[1], 4)[..., :3]


def colored(values, low, high, name="viridis"):
    """What the server's own rule makes of a map."""
    scaled = (values.astype(np.float64) - low) / (high - low)
    return table(name)[np.clip(np.floor(256 * scaled), 0, 255).astype(int)]


def differing(drawn, wanted):
    """Share of locations whose colour is off by more than a neighbouring colour of the table would be."""
    return float((np.abs(drawn.astype(int) - wanted.astype(int)).max(axis=-1) > 8).mean())


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
        for mode, weights in (("Where it looks", danet.position.row), ("Who looks at it", danet.position.column)):
            page.get_by_label(mode).check()
            for place in ((2, 3), (9, 12)):
                point(page, *place, grid)
                expect(page.locator(".av-readout")).to_contain_text(f"row {place[0]}, column {place[1]} of")
                wanted = weights(*place)
                assert differing(pixels(page, ".av-picture--live canvas"), colored(wanted, 0, wanted.max())) == 0

    def test_received_is_the_servers_map(self, opened, danet):
        page = opened(danet)
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
        page, grid = opened(danet), danet.position.grid
        places = [(2, 3), (9, 12)]
        for place in places:
            point(page, *place, grid, click=True)
        page.get_by_label("Shared").check()
        rows = [danet.position.row(*place) for place in places]
        high = max(row.max() for row in rows)
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


class TestStages:
    def test_every_panel_shows_its_own_numbers(self, opened, bam):
        page = opened(bam)
        for i, stage in enumerate(bam.stages):
            section = page.locator(f'section.av-stage[aria-label="Stage {i + 1}"]')
            maps = section.locator("canvas")
            channel = int(np.argmax(stage.channel_logit))
            expect(section).to_contain_text(f"Gate of channel {channel}")
            for nth, values in enumerate((stage.spatial_logit.values, stage.gate(channel), stage.gain.values)):
                selector = f'section.av-stage[aria-label="Stage {i + 1}"] canvas >> nth={nth}'
                assert differing(pixels(page, selector), colored(values, values.min(), values.max())) < 0.01
            assert maps.count() == 3
            assert section.get_by_text(re.compile(r"^raw ")).count() == 4

    def test_a_bar_chooses_the_channel_of_the_gate(self, opened, bam):
        page = opened(bam)
        bars = page.get_by_role("slider", name="Stage 1: channel whose gate is shown")
        order = np.argsort(-bam.stages[0].channel_logit, kind="stable")
        box = bars.bounding_box()
        bars.click(position={"x": (4 + 0.5) * box["width"] / len(order), "y": 5})
        section = page.locator('section.av-stage[aria-label="Stage 1"]')
        expect(section).to_contain_text(f"Gate of channel {order[4]}")
        bars.press("ArrowRight")
        expect(section).to_contain_text(f"Gate of channel {order[5]}")
        bars.press("End")
        expect(section).to_contain_text(f"Gate of channel {order[-1]}")
        wanted = bam.stages[0].gate(int(order[-1]))
        selector = 'section.av-stage[aria-label="Stage 1"] canvas >> nth=1'
        assert differing(pixels(page, selector), colored(wanted, wanted.min(), wanted.max())) < 0.01

    def test_scaling_is_per_picture_shared_or_full(self, opened, bam):
        page = opened(bam)
        gains = [stage.gain.values for stage in bam.stages]
        ranges = {
            "Each": [(g.min(), g.max()) for g in gains],
            "Shared": [(min(g.min() for g in gains), max(g.max() for g in gains))] * 3,
            "Full": [(1.0, 2.0)] * 3,
        }
        for name, expected in ranges.items():
            page.get_by_label(name, exact=True).check()
            for i, (low, high) in enumerate(expected):
                selector = f'section.av-stage[aria-label="Stage {i + 1}"] canvas >> nth=2'
                assert differing(pixels(page, selector), colored(gains[i], low, high)) < 0.01, name

    def test_the_scrubber_goes_through_the_stages_and_plays(self, opened, bam):
        page = opened(bam)
        scrubber = page.get_by_role("slider", name="Stage", exact=True)
        layers = page.locator(".av-stage-player canvas")
        off = re.compile("av-layer--off")

        def shows(number):
            expect(layers.nth(number - 1)).not_to_have_class(off)
            expect(page.locator(".av-stage-player canvas.av-layer--off")).to_have_count(2)

        shows(3)
        scrubber.press("ArrowLeft")
        shows(2)
        expect(page.locator(".av-stage-player")).to_contain_text("Stage 2 · 12 × 16")
        page.get_by_role("button", name="Play through the stages").click()
        shows(3)
        shows(1)
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Play through the stages")).to_be_visible()

    def test_the_pointer_reads_its_place_in_every_picture(self, opened, bam):
        page = opened(bam)
        picture = page.locator('section.av-stage[aria-label="Stage 1"] .av-picture').first
        box = picture.bounding_box()
        picture.hover(position={"x": 0.3 * box["width"], "y": 0.6 * box["height"]})
        for i, stage in enumerate(bam.stages):
            section = page.locator(f'section.av-stage[aria-label="Stage {i + 1}"]')
            rows, columns = stage.gain.values.shape
            value = stage.gain.values[int(0.6 * rows), int(0.3 * columns)]
            expect(section.locator(".av-panel__value").last).to_have_text(f"×{value:.3f}")
        drawn_frame(page)
        assert page.locator(".av-stage .av-cross").evaluate_all("all => all.every((c) => !c.hidden)")
        page.mouse.move(2, 2)
        expect(page.locator(".av-panel__value").last).to_have_text("")
        player = page.locator(".av-stage-player .av-picture")
        player.press("Shift+ArrowRight")
        expect(page.locator(".av-stage-player")).to_contain_text("Here ×")
        expect(page.locator('.av-view--stages [aria-live="polite"]').first).to_contain_text("stage 3: gain")

    def test_reduced_motion_has_no_cross_fade(self, opened, bam):
        fade = "c => getComputedStyle(c).transitionDuration"
        assert opened(bam).locator(".av-layer").first.evaluate(fade) == "0.35s"
        assert opened(bam, reduced_motion="reduce").locator(".av-layer").first.evaluate(fade) == "0s"

    def test_looks_change_at_once(self, opened, bam):
        page = opened(bam)
        layer = page.locator('section.av-stage[aria-label="Stage 1"] canvas').first
        assert layer.evaluate("c => getComputedStyle(c).imageRendering") == "pixelated"
        page.get_by_label("Smooth").check()
        assert layer.evaluate("c => getComputedStyle(c).imageRendering") == "auto"
        page.get_by_label("Map opacity").fill("0.2")
        expect(layer).to_have_css("opacity", "0.2")
        page.get_by_label("Colour map").select_option("magma")
        values = bam.stages[0].spatial_logit.values
        drawn = pixels(page, 'section.av-stage[aria-label="Stage 1"] canvas')
        assert differing(drawn, colored(values, values.min(), values.max(), "magma")) < 0.01
        warning = page.locator(".av-warning")
        expect(warning).to_be_hidden()
        page.get_by_label("Colour map").select_option("jet")
        expect(warning).to_have_text("jet is not perceptually uniform: it shows edges that are not in the data.")

    def test_a_network_with_other_gates_shows_each_of_them(self, opened):
        explanation = made.sge()
        page = opened(explanation)
        scrubber = page.get_by_role("slider", name="Stage", exact=True)
        expect(scrubber).to_have_attribute("aria-valuetext", "layer4.1.sge (mean of groups) · 3 × 4")
        scrubber.press("Home")
        expect(scrubber).to_have_attribute("aria-valuetext", "layer1.0.sge (mean of groups) · 24 × 32")
        figures = page.locator('section[aria-label="Every map"] figure')
        expect(figures).to_have_count(8)
        for nth, gate in enumerate(explanation.other_maps):
            expect(figures.nth(nth)).to_contain_text(gate.title)
            drawn = pixels(page, f'section[aria-label="Every map"] canvas >> nth={nth}')
            assert differing(drawn, colored(gate.values, gate.values.min(), gate.values.max())) < 0.01

    def test_a_flat_map_has_the_middle_color_as_in_figures_and_so_has_its_bar(self, opened, bam):
        first = bam.stages[0]
        flat = dataclasses.replace(first.gain, values=np.full_like(first.gain.values, 1.5))
        page = opened(dataclasses.replace(bam, stages=(dataclasses.replace(first, gain=flat),)))
        selector = 'section.av-stage[aria-label="Stage 1"] canvas >> nth=2'
        middle = colorize(
            find_scales([Panel("flat", "flat", values=flat.values)], "each")[0].apply(flat.values), table("viridis")
        )
        assert (pixels(page, selector) == middle).all()
        background = page.locator('section.av-stage[aria-label="Stage 1"] .av-bar__strip').last.evaluate(
            "n => getComputedStyle(n).backgroundImage"
        )
        assert set(re.findall(r"rgb\([^)]*\)", background)) == {f"rgb({', '.join(map(str, middle[0, 0].tolist()))})"}

    def test_random_weights_say_so(self, opened):
        expect(opened(made.bam(trained=False)).get_by_role("note")).to_contain_text("Random weights")
        expect(opened(made.bam()).get_by_role("note")).to_have_count(0)


class TestChannel:
    @pytest.fixture
    def page(self, opened, danet):
        page = opened(danet)
        page.get_by_role("tab", name="Channel attention").click()
        return page

    def test_the_matrix_is_drawn_and_read(self, page, danet):
        matrix = danet.channel.matrix
        assert differing(pixels(page, ".av-matrix__canvas"), colored(matrix, 0, matrix.max())) < 0.01
        content = page.locator(".av-matrix__content")
        box = content.bounding_box()
        count = len(matrix)
        content.hover(position={"x": 4.5 * box["width"] / count, "y": 11.5 * box["height"] / count})
        expect(page.locator(".av-matrix")).to_contain_text("Channel 11 draws")
        expect(page.locator(".av-matrix")).to_contain_text("from channel 4.")
        content.press("ArrowRight")
        expect(page.locator(".av-matrix")).to_contain_text("from channel 5.")
        content.press("+")
        expect(page.locator(".av-zoom__level")).to_have_text("1.5×")
        assert content.bounding_box()["width"] == pytest.approx(1.5 * box["width"], rel=0.01)
        content.press("0")
        expect(page.locator(".av-zoom__level")).to_have_text("1×")

    def test_dragging_an_enlarged_matrix_moves_it_and_chooses_nothing(self, page):
        before = page.locator(".av-output h2").inner_text()
        content = page.locator(".av-matrix__content")
        content.press("+")
        content.press("+")
        frame = page.locator(".av-matrix .av-zoom").bounding_box()
        start = content.bounding_box()
        page.mouse.move(frame["x"] + 200, frame["y"] + 200)
        page.mouse.down()
        page.mouse.move(frame["x"] + 150, frame["y"] + 170, steps=5)
        page.mouse.up()
        end = content.bounding_box()
        assert (end["x"] - start["x"], end["y"] - start["y"]) == (pytest.approx(-50, abs=2), pytest.approx(-30, abs=2))
        expect(page.locator(".av-output h2")).to_have_text(before)

    def test_a_channel_shows_its_output(self, page, danet):
        order = np.argsort(-danet.channel.effect, kind="stable")
        expect(page.locator(".av-output")).to_contain_text(f"Output of channel #{order[0]}")
        page.locator(".av-thumb").nth(3).click()
        expect(page.locator(".av-output")).to_contain_text(f"Output of channel #{order[3]}")
        wanted = danet.channel.output[order[3]]
        assert differing(pixels(page, ".av-output canvas"), colored(wanted, wanted.min(), wanted.max())) < 0.01

    def test_a_row_without_its_output_says_why(self, page, danet):
        last = int(np.argsort(-danet.channel.effect, kind="stable")[-1])
        content = page.locator(".av-matrix__content")
        box = content.bounding_box()
        content.click(position={"x": 5, "y": (last + 0.5) * box["height"] / len(danet.channel.matrix)})
        output = page.locator(".av-output")
        expect(output).to_contain_text(f"Output of channel #{last}")
        expect(output).to_contain_text("only the 16 channels with most effect were sent")
        expect(output.locator("canvas")).to_be_hidden()


class TestChannelGates:
    def test_gates_of_a_module_are_ranked_and_read(self, opened):
        explanation = made.se()
        page = opened(explanation)
        section = page.get_by_role("region", name="Channel gates")
        first, *_, last = explanation.channel_gates.values()
        for gate in (last, first):
            page.get_by_label("Module", exact=True).select_option(gate.label)
            order = np.argsort(-gate.values, kind="stable")
            chart = page.get_by_role("slider", name=f"{gate.title}: channels ranked by gate")
            expect(chart).to_have_attribute("aria-valuemax", str(len(order)))
            expect(section).to_contain_text(f"Channel {order[0]}: {gate.values[order[0]]:.3g}")
            box = chart.bounding_box()
            chart.click(position={"x": (2 + 0.5) * box["width"] / len(order), "y": 5})
            expect(section).to_contain_text(f"Channel {order[2]}: {gate.values[order[2]]:.3g}, rank 3 of {len(order)}")
            chart.press("End")
            expect(section).to_contain_text(f"Channel {order[-1]}: ")
            expect(section).to_contain_text(f"stage {gate.stage} · {len(order)} channels")

    def test_the_deepest_module_comes_first_and_one_alone_needs_no_choice(self, opened):
        page = opened(made.se())
        expect(page.get_by_label("Module", exact=True)).to_have_value("stage2.block2.channel_gate")
        expect(opened(made.se(blocks=(1,))).get_by_label("Module", exact=True)).to_have_count(0)

    def test_a_network_without_maps_still_says_what_it_sees(self, opened):
        page = opened(made.se())
        expect(page.locator(".av-predictions")).to_contain_text("tabby cat")
        both = opened(dataclasses.replace(made.bam(), channel_gates=made.se().channel_gates))
        both.get_by_role("tab", name="Channel attention").click()
        expect(both.locator(".av-view--channel .av-predictions")).to_have_count(0)

    def test_they_stand_below_attention_between_channels(self, opened, danet):
        page = opened(dataclasses.replace(danet, channel_gates=made.se().channel_gates))
        page.get_by_role("tab", name="Channel attention").click()
        expect(page.locator(".av-matrix")).to_be_visible()
        expect(page.get_by_role("region", name="Channel gates")).to_be_visible()


class TestCompare:
    def test_the_pointer_is_linked_and_both_values_are_read(self, opened, bam):
        other = made.bam(96, 128, seed=2)
        page = opened(bam, other)
        picture = page.locator('[data-side="B"] .av-picture')
        box = picture.bounding_box()
        picture.hover(position={"x": 0.3 * box["width"], "y": 0.7 * box["height"]})
        one, two = (e.stages[2].gain.values for e in (bam, other))
        row, column = int(0.7 * one.shape[0]), int(0.3 * one.shape[1])
        readout = page.locator(".av-readout--low")
        expect(readout).to_contain_text(f"A: ×{one[row, column]:.3f} · B: ×{two[row, column]:.3f} · B \u2212 A: ")
        drawn_frame(page)
        crosses = page.locator(".av-cross")
        assert (
            crosses.evaluate_all("all => all.map((c) => [!c.hidden, Math.round(parseFloat(c.style.left))])")
            == [[True, 30]] * 2
        )

    def test_the_difference_is_b_minus_a_with_zero_in_the_middle(self, opened, bam):
        other = made.bam(96, 128, seed=2)
        page = opened(bam, other)
        page.get_by_label("Difference", exact=True).check()
        wanted = other.stages[2].gain.values - bam.stages[2].gain.values
        most = np.abs(wanted).max()
        drawn = pixels(page, ".av-side--difference canvas")
        assert differing(drawn, colored(wanted, -most, most, "RdBu_r")) < 0.01
        expect(page.locator(".av-side--difference")).to_contain_text("The photos differ")

    def test_without_a_common_quantity_it_says_why(self, opened, bam):
        page = opened(bam, made.bam(96, 128, seed=2))
        page.get_by_label("A: made").select_option("stage1.spatial_logit")
        page.get_by_label("Difference", exact=True).check()
        refusal = page.locator(".av-view--compare > .av-empty")
        expect(refusal).to_have_text(
            "A shows a spatial logit, B shows an effective gain: a difference needs the same quantity on both sides."
        )
        expect(page.locator(".av-side--difference")).to_be_hidden()

    def test_a_side_without_maps_cannot_be_compared(self, opened, bam):
        page = opened(bam, made.se(name="gates only"))
        expect(page.locator(".av-empty")).to_have_text("gates only has no attention maps along its trunk.")
        page.get_by_role("tab", name="B · Channel attention").click()
        expect(page.get_by_role("region", name="Channel gates")).to_be_visible()

    def test_photos_of_different_shapes_have_no_wipe(self, opened, bam):
        page = opened(bam, made.bam(128, 64))
        page.get_by_label("Wipe", exact=True).check()
        expect(page.locator(".av-view--compare > .av-empty")).to_contain_text("different shapes")

    def test_the_wipe_moves_by_slider_and_by_handle(self, opened, bam):
        page = opened(bam, made.bam(96, 128, seed=2))
        page.get_by_label("Wipe", exact=True).check()
        upper = page.locator('[data-side="B"] .av-zoom')
        wipe = page.get_by_role("slider", name="Wipe: share of A")
        expect(upper).to_have_css("clip-path", "inset(0px 0px 0px 50%)")
        wipe.press("ArrowRight")
        expect(upper).to_have_css("clip-path", "inset(0px 0px 0px 51%)")
        handle, frame = page.locator(".av-wipe__handle").bounding_box(), upper.bounding_box()
        page.mouse.move(handle["x"] + 14, handle["y"] + 200)
        page.mouse.down()
        page.mouse.move(frame["x"] + 0.2 * frame["width"], handle["y"] + 210, steps=4)
        page.mouse.up()
        expect(wipe).to_have_value("0.2")

    def test_zoom_is_linked(self, opened, bam):
        page = opened(bam, made.bam(96, 128, seed=2))
        page.get_by_role("button", name="Zoom in").click()
        page.get_by_role("button", name="Zoom in").click()
        transforms = page.locator(".av-compare .av-picture").evaluate_all("all => all.map((n) => n.style.transform)")
        assert len(set(transforms)) == 1
        assert transforms[0].startswith("scale(2.25)")
        page.locator('[data-side="A"] .av-zoom').press("0")
        assert page.locator('[data-side="B"] .av-picture').evaluate("n => n.style.transform").startswith("scale(1)")

    def test_two_networks_each_keep_their_views(self, opened, bam, danet):
        page = opened(bam, danet)
        names = page.get_by_role("tab").all_inner_texts()
        assert names == ["Compare", "A · Coarse to fine", "B · Position attention", "B · Channel attention"]
        page.get_by_role("tab", name="Compare").press("ArrowRight")
        expect(page.get_by_role("tab", name="A · Coarse to fine")).to_be_focused()
        expect(page.locator(".av-view--stages")).to_be_visible()
        page.keyboard.press("End")
        expect(page.locator(".av-view--channel")).to_be_visible()


def every_tab(page):
    """Shows one view after the other, with what only shows on demand."""
    for tab in page.get_by_role("tab").all():
        tab.click()
        if live(page).is_visible():
            page.get_by_label("Predicted classes", exact=True).locator("visible=true").select_option("fused")
            live(page).click()
        yield tab.inner_text()


@pytest.fixture(scope="module")
def everything(danet):
    """A DANet with what other networks have besides: a second position attention, and gates per channel."""
    positions = {"position": danet.position, "second": made.danet(grid=(6, 8), seed=5).position}
    return dataclasses.replace(danet, positions=positions, channel_gates=made.se().channel_gates)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(opened, everything, scheme):
    page = opened(made.bam(trained=False), everything, color_scheme=scheme)
    page.get_by_label("Colour map").select_option("jet")
    for view in every_tab(page):
        found = Axe().run(page).response["violations"]
        assert [(view, v["id"], v["nodes"][0]["html"][:160]) for v in found] == []


def test_nothing_is_wider_than_the_window(opened, bam, everything):
    page = opened(bam, everything)
    for viewport in (PHONE, WIDE, LARGE):
        page.set_viewport_size(viewport)
        for view in every_tab(page):
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (view, viewport)


def test_a_finger_pins_too(opened, danet):
    page = opened(danet, viewport=PHONE, has_touch=True)
    box = live(page).bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.3)
    expect(page.locator(".av-pin")).to_have_count(1)


def test_a_finger_reads_values_that_stay_when_it_is_lifted(opened, bam):
    page = opened(bam, made.bam(96, 128, seed=2), viewport=PHONE, has_touch=True)

    def tap(picture):
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.6)

    tap(page.locator('[data-side="B"] .av-picture'))
    expect(page.locator(".av-readout--low")).to_contain_text(re.compile("A: ×.* · B: ×"))
    page.get_by_role("tab", name="A · Coarse to fine").click()
    tap(page.locator(".av-stage-player .av-picture"))
    drawn_frame(page)
    expect(page.locator(".av-stage-player")).to_contain_text("Here ×")


def test_hostile_names_are_only_ever_text(opened):
    names = (made.HOSTILE, "1", "__proto__")
    page = opened(made.danet(names=names, name=made.HOSTILE, architecture=made.HOSTILE))
    page.get_by_label("Predicted classes", exact=True).select_option("fused")
    live(page).click()
    expect(page.locator("h1")).to_have_text(made.HOSTILE)
    expect(page.locator(".av-classlist")).to_contain_text(made.HOSTILE)
    assert page.evaluate("window.pwned") is None
    assert page.locator("#viewer [onerror]").count() == 0


def test_grids_of_a_single_location_are_drawn(opened):
    for page in (opened(made.bam(16, 16)), opened(made.danet(8, 8))):
        assert "NaN" not in page.locator("body").inner_text()
        assert "undefined" not in page.locator("body").inner_text()
    live(page).press("ArrowRight")
    live(page).press("Enter")
    expect(page.locator(".av-readout")).to_contain_text("row 0, column 0 of 1 × 1")
    expect(page.locator(".av-readout")).to_contain_text("100 % of its attention falls on")


def test_more_classes_than_a_byte_can_tell_apart_are_named_and_drawn(opened, danet):
    old = danet.segmentation
    names = tuple(f"class {i}" for i in range(300))
    cells = np.where(old.cells > 0, 299, 43).astype(np.uint16)  # 299 is 43 in a byte
    labels = {"fused": np.where(old.labels["fused"] > 0, 299, 43).astype(np.uint16)}
    segmentation = dataclasses.replace(old, categories=names, cells=cells, labels=labels)
    page = opened(dataclasses.replace(danet, segmentation=segmentation))
    page.get_by_label("Predicted classes", exact=True).select_option("fused")
    expect(page.locator(".av-classlist li")).to_have_count(2)
    for number in (43, 299):
        row, column = np.argwhere(cells == number)[0]
        point(page, row, column, danet.position.grid)
        expect(page.locator(".av-readout__class")).to_have_text(f"class {number}")
    overlay = page.locator(".av-classes")
    drawn = overlay.evaluate(
        """async (image) => {
          await image.decode();
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
    )
    found = np.array(drawn, np.uint8).reshape(*labels["fused"].shape, 4)[..., :3]
    assert (found == class_colors(300)[labels["fused"]]).all()


def test_a_photo_of_extreme_shape_is_drawn(opened):
    page = opened(made.danet(16, 800))
    box = live(page).bounding_box()
    assert box["width"] / box["height"] == pytest.approx(50, rel=0.02)
    point(page, 1, 99, (2, 100))
    expect(page.locator(".av-readout")).to_contain_text("row 1, column 99 of 2 × 100")


@pytest.fixture
def host(new_context):
    """A bare page with the viewer's script, as the program's own page has it."""
    page = new_context().new_page()
    page.set_content('<!doctype html><html lang="en"><title>host</title><div id="host"></div></html>')
    page.add_script_tag(content=viewer_script())
    return page


MOUNT = "([p, o]) => { window.v = attnviz.mount(document.getElementById('host'), p, o); }"


class TestMount:
    def test_update_keeps_looks_and_shows_the_new_data(self, host, bam):
        host.evaluate(MOUNT, [payload(bam), {"view": "stages"}])
        host.wait_for_selector('#host[data-ready="1"]')
        host.get_by_label("Colour map").select_option("cividis")
        host.get_by_label("Smooth").check()
        other = made.bam(96, 128, seed=7)
        host.evaluate("p => v.update(p)", payload(other))
        host.wait_for_selector('#host[data-ready="1"]')
        expect(host.get_by_label("Colour map")).to_have_value("cividis")
        expect(host.get_by_label("Smooth")).to_be_checked()
        values = other.stages[0].spatial_logit.values
        drawn = pixels(host, 'section.av-stage[aria-label="Stage 1"] canvas')
        assert differing(drawn, colored(values, values.min(), values.max(), "cividis")) < 0.01

    def test_destroy_leaves_nothing_behind(self, host, danet):
        host.evaluate(
            """() => {
              window.open_ = 0;
              const add = EventTarget.prototype.addEventListener;
              EventTarget.prototype.addEventListener = function (type, f, options) {
                const signal = options && options.signal;
                const lasting = this === window || this === document || this instanceof MediaQueryList;
                if (lasting && type !== 'attnviz-pins') {
                  window.open_ += 1;
                  if (signal) add.call(signal, 'abort', () => { window.open_ -= 1; });
                }
                return add.call(this, type, f, options);
              };
            }"""
        )
        host.evaluate(MOUNT, [payload(danet), {}])
        host.wait_for_selector('#host[data-ready="1"]')
        assert host.evaluate("open_") > 0
        host.evaluate("p => v.update(p)", payload(danet))
        host.evaluate("v.destroy()")
        assert host.evaluate("open_") == 0
        assert host.evaluate("document.getElementById('host').outerHTML").replace(' class=""', "") == (
            '<div id="host" style=""></div>'
        )

    def test_a_second_mount_takes_the_place_of_the_first(self, host, bam, danet):
        host.evaluate(MOUNT, [payload(danet), {"view": "position"}])
        host.evaluate("window.first = v")
        host.evaluate(MOUNT, [payload(bam), {"view": "stages"}])
        host.evaluate("first.destroy()")
        host.wait_for_selector('#host[data-ready="1"]')
        expect(host.locator("#host > .av-view")).to_have_count(1)
        expect(host.locator(".av-view--stages")).to_be_visible()

    def test_views_of_one_payload_share_what_was_read(self, host, danet):
        same = """p => {
          const once = attnviz.read(p);
          return once === attnviz.read(p) && once !== attnviz.read({ ...p });
        }"""
        assert host.evaluate(same, payload(danet))

    def test_a_removed_picture_does_not_answer_any_more(self, host, danet):
        host.evaluate(MOUNT, [payload(danet), {"view": "position"}])
        host.evaluate(
            """() => {
              const old = document.querySelector('.av-picture--live');
              v.destroy();
              old.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
              window.pins = old.querySelectorAll('.av-mark').length;
            }"""
        )
        assert host.evaluate("pins") == 0

    def test_no_data_is_said_in_words(self, host):
        host.evaluate(MOUNT, [None, {"view": "stages"}])
        host.wait_for_selector('#host[data-ready="1"]')
        expect(host.locator("#host")).to_have_text("Nothing to show yet.")

    def test_a_view_that_the_network_lacks_is_said_in_words(self, host, bam):
        host.evaluate(MOUNT, [payload(bam), {"view": "position"}])
        expect(host.locator("#host")).to_have_text("made has no position attention.")

    def test_two_stages_of_one_photo_can_be_compared(self, host, bam):
        host.evaluate(MOUNT, [payload(bam), {"view": "compare"}])
        host.wait_for_selector('#host[data-ready="1"]')
        host.get_by_label("Difference", exact=True).check()
        one, two = bam.stages[0].gain.values, bam.stages[2].gain.values
        wanted = np.repeat(np.repeat(two, 4, 0), 4, 1) - one
        most = np.abs(wanted).max()
        drawn = pixels(host, ".av-side--difference canvas")
        assert differing(drawn, colored(wanted, -most, most, "RdBu_r")) < 0.01
        expect(host.locator(".av-side--difference")).to_contain_text("The grids differ")

    def test_two_viewers_on_one_page_do_not_meet(self, host, bam, danet):
        host.evaluate(
            """([a, b]) => {
              const other = document.body.appendChild(document.createElement('div'));
              other.id = 'other';
              attnviz.mount(document.getElementById('host'), a, {});
              attnviz.mount(other, b, { view: 'position' });
            }""",
            [payload(bam), payload(danet)],
        )
        host.locator("#host").get_by_label("Smooth").check()
        assert host.evaluate("['host', 'other'].map((id) => document.getElementById(id).dataset.smooth)") == ["1", "0"]
        ids = host.evaluate("[...document.querySelectorAll('[id]')].map((n) => n.id)")
        assert len(ids) == len(set(ids))

    def test_linked_viewers_share_their_looks_and_their_controls_keep_up(self, host, bam, danet):
        host.evaluate(
            """([a, b]) => {
              const other = document.body.appendChild(document.createElement('div'));
              other.id = 'other';
              attnviz.mount(document.getElementById('host'), a, { view: 'stages', link: 'page' });
              attnviz.mount(other, b, { link: 'page' });
            }""",
            [payload(bam), payload(danet)],
        )
        one, two = host.locator("#host"), host.locator("#other")
        one.get_by_label("Smooth").check()
        one.get_by_label("Map opacity").fill("0.3")
        one.get_by_label("Colour map").select_option("jet")
        one.get_by_label("Full", exact=True).check()
        expect(two.get_by_label("Smooth")).to_be_checked()
        expect(two.get_by_label("Map opacity")).to_have_value("0.3")
        expect(two.get_by_label("Colour map")).to_have_value("jet")
        expect(two.locator(".av-warning")).to_be_visible()
        two.get_by_role("tab", name="Channel attention").click()
        two.get_by_label("Cells").locator("visible=true").check()
        two.get_by_role("tab", name="Position attention").click()
        expect(two.get_by_label("Cells").locator("visible=true")).to_be_checked()
        expect(one.get_by_label("Cells")).to_be_checked()

    def test_it_takes_the_pages_colors_and_its_dark_mode(self, host, bam):
        host.add_style_tag(
            content=":root { --body-text-color: rgb(1, 2, 3); } .dark { --body-text-color: rgb(250, 251, 252); }"
        )
        host.evaluate(MOUNT, [payload(bam), {}])
        color = """() => {
          const { dataset } = document.getElementById("host");
          return [dataset.theme, getComputedStyle(document.querySelector(".av-heading")).color];
        }"""
        assert host.evaluate(color) == ["light", "rgb(1, 2, 3)"]
        host.evaluate("document.body.classList.add('dark')")
        host.wait_for_function("document.getElementById('host').dataset.theme === 'dark'")
        assert host.evaluate(color) == ["dark", "rgb(250, 251, 252)"]


def test_a_notebook_cell_shows_the_viewer_without_reaching_the_notebook(new_context, danet):
    page = new_context(viewport=WIDE).new_page()
    page.set_content(f"<!doctype html><html lang='en'><title>nb</title>{notebook_html(danet)}</html>")
    frame = page.frame_locator("iframe")
    expect(frame.locator('#viewer[data-ready="1"]')).to_be_visible()
    frame.locator(".av-picture--live").click()
    expect(frame.locator(".av-pin")).to_have_count(1)
    inner = page.frames[1]
    assert inner.evaluate("() => { try { return parent.document.title; } catch { return 'refused'; } }") == "refused"
