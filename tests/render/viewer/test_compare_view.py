"""Two explanations beside each other in a real browser."""

import numpy as np
from playwright.sync_api import expect

from tests.render.viewer import made
from tests.render.viewer.viewer_steps import colored, differing, drawn_frame, pixels


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
