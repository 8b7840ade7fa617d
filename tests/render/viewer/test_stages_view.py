"""Coarse to fine in a real browser: every panel its own numbers, channels, scaling, the player, the pointer."""

import dataclasses
import re

import numpy as np
from playwright.sync_api import expect

from attnviz.render.colormaps import table
from attnviz.render.overlay import colorize
from attnviz.render.panels import Panel
from attnviz.render.scales import find_scales
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import colored, differing, drawn_frame, pixels


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
