"""Channel attention in a real browser: the matrix, the outputs, and gates per channel."""

import dataclasses

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.render.viewer import made
from tests.render.viewer.viewer_steps import colored, differing, pixels


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
