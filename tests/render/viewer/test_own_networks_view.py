"""One HTML file of a vision transformer and of networks with many gates, opened in Chromium: no server to ask."""

import dataclasses
import json

import numpy as np
import pytest
from playwright.sync_api import expect

from attnviz.reduce.rollout import rollout_of
from attnviz.render.viewer import attention_parts
from attnviz.render.viewer.payload import payload
from attnviz.results import ChannelGate
from tests.explanations import attention, bam, vit
from tests.render.viewer.viewer_steps import PHONE, colored, differing, drawn_frame, live, pixels, plain, point

LIVE = ".av-picture--live canvas"


@pytest.fixture(scope="module")
def transformer():
    return vit(layers=4, heads=3, others=2)


def many_gates(count=60):
    """Spatial gates at three strides and as many channel gates, as found in somebody's network."""
    rng = np.random.default_rng(0)
    maps, gates = [], {}
    for number in range(count):
        stride = 4 << (3 * number // count)
        values = rng.uniform(0.2, 0.8, (96 // stride, 128 // stride)).astype(np.float32)
        label = f"layer{number}.spatial_gate"
        kind = {"kind": "spatial_gate", "unit": "gate", "bounds": (0.0, 1.0), "stage": None, "stride": stride}
        maps.append(attention(label, values, title=label, **kind))
        name = f"layer{number}.channel_gate"
        gates[name] = ChannelGate(name, name, rng.uniform(0, 1, 8).astype(np.float32), None, stride)
    return bam(stages=(), other_maps=tuple(maps), channel_gates=gates)


def shows(page, wanted):
    return differing(pixels(page, LIVE), colored(wanted, 0, wanted.max())) < 0.01


class TestLayersAndHeads:
    def test_what_was_chosen_by_hand_stays_with_another_photo_of_the_same_network(self, host, transformer):
        next_photo, fewer = vit(layers=4, heads=3, others=2), vit(layers=4, heads=2, others=2)
        payloads = [json.loads(json.dumps(payload(each))) for each in (transformer, next_photo, fewer)]
        host.evaluate(
            """([first, ...more]) => {
              window.viewer = attnviz.mount(document.getElementById("host"), first, {
                view: "position", attention_spread: "linear", attention_opacity_by: "even",
              });
              window.more = more;
            }""",
            payloads,
        )
        layer, head = host.get_by_label("Layer", exact=True), host.get_by_label("Head", exact=True)
        layer.select_option("blocks.1.attn.attention")
        head.select_option("2")
        host.evaluate("viewer.update(more[0])")
        expect(layer).to_have_value("blocks.1.attn.attention")
        expect(head).to_have_value("2")
        point(host, 1, 2, (4, 5))
        assert shows(host, next_photo.positions["blocks.1.attn.attention"].head(2).row(1, 2))
        host.evaluate("viewer.update(more[1])")  # has no head 2
        expect(head).to_have_value("mean")
        point(host, 1, 2, (4, 5))
        assert shows(host, fewer.positions["blocks.1.attn.attention"].row(1, 2))
        host.evaluate("viewer.update(more[0])")
        expect(head).to_have_value("2")

    def test_the_mean_of_the_heads_and_each_head(self, opened, transformer):
        page, last = opened(transformer), transformer.positions["blocks.3.attn.attention"]
        plain(page)
        point(page, 1, 2, (4, 5))
        head = page.get_by_label("Head", exact=True)
        for choice, wanted in (("mean", last), *((str(n), last.head(n)) for n in range(3))):
            head.select_option(choice)
            page.get_by_label("Where it looks").check()
            point(page, 1, 2, (4, 5))
            assert shows(page, wanted.row(1, 2)), choice
            page.get_by_label("Received").check()
            assert shows(page, wanted.received), choice
        beside = [1 - last.head(2).row(*place).sum() for place in np.ndindex(4, 5)]
        place = divmod(int(np.argmax(beside)), 5)
        page.get_by_label("Where it looks").check()
        point(page, *place, (4, 5))
        share = f"{100 * max(beside):.0f} % falls on the 2 tokens that are no locations."
        assert max(beside) > 0.1
        expect(page.locator(".av-readout")).to_contain_text(share)

    def test_head_and_pins_are_kept_from_layer_to_layer(self, opened, transformer):
        page = opened(transformer)
        plain(page)
        point(page, 3, 1, (4, 5), click=True)
        page.get_by_label("Head", exact=True).select_option("1")
        page.get_by_label("Layer", exact=True).select_option("blocks.0.attn.attention")
        expect(page.get_by_label("Head", exact=True)).to_have_value("1")
        expect(page.locator(".av-pin")).to_have_count(1)
        wanted = transformer.positions["blocks.0.attn.attention"].head(1).row(3, 1)
        assert differing(pixels(page, ".av-pin canvas"), colored(wanted, 0, wanted.max())) < 0.01

    def test_the_rollout_is_labelled_as_what_it_is(self, opened, transformer):
        page, rolled = opened(transformer), rollout_of(transformer.positions)
        plain(page)
        page.get_by_label("Layer", exact=True).select_option("rollout")
        expect(page.locator(".av-split__side")).to_contain_text("Abnar & Zuidema 2020, arXiv 2005.00928")
        expect(page.get_by_label("Head", exact=True)).to_be_hidden()
        page.get_by_label("Class token looks").check()
        assert shows(page, rolled.token_row())
        expect(page.locator(".av-cursor")).to_be_hidden()
        page.get_by_label("Who looks at it").check()
        point(page, 2, 2, (4, 5))
        assert shows(page, rolled.column(2, 2))

    def test_a_class_token_is_named_only_where_it_is_known(self, opened, transformer):
        unknown = {label: dataclasses.replace(p, class_token=False) for label, p in transformer.positions.items()}
        page = opened(dataclasses.replace(transformer, positions=unknown))
        plain(page)
        expect(page.get_by_label("Class token looks")).to_have_count(0)
        page.get_by_label("Other token looks").check()
        assert shows(page, transformer.positions["blocks.3.attn.attention"].token_row())
        expect(page.locator(".av-readout__class")).to_have_text("First token that is no location")

    def test_a_file_without_room_says_what_it_holds(self, opened, transformer, monkeypatch):
        monkeypatch.setattr(attention_parts, "FILE_BYTES", 1)
        page = opened(transformer)
        plain(page)
        expect(page.locator("#viewer")).to_contain_text("holds 1 of 4 layers")
        wanted = transformer.positions["blocks.3.attn.attention"].row(2, 2)
        assert differing(pixels(page, LIVE), colored(wanted, 0, wanted.max())) < 0.1  # in half precision
        expect(page.get_by_label("Head", exact=True)).to_be_visible()

    def test_two_transformers_beside_each_other(self, opened, transformer):
        page = opened(transformer, vit(layers=4, heads=2))
        page.get_by_role("tab", name="Compare").click()
        plain(page)
        side = page.locator('.av-side[data-side="B"]')
        side.locator("select").first.select_option("blocks.1.attn.attention.token")
        side.get_by_label("B: head").select_option("1")
        wanted = vit(layers=4, heads=2).positions["blocks.1.attn.attention"].head(1).token_row()
        assert differing(pixels(page, '.av-side[data-side="B"] canvas'), colored(wanted, 0, wanted.max())) < 0.01

    def test_a_phone_and_keys_alone_suffice(self, opened, transformer):
        page = opened(transformer, viewport=PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_label("Layer", exact=True).focus()
        page.keyboard.press("Home")
        expect(page.get_by_label("Layer", exact=True)).to_have_value("blocks.0.attn.attention")
        live(page).focus()
        page.keyboard.press("ArrowUp")
        expect(page.locator(".av-readout")).to_contain_text("row 1, column 2 of 4 × 5")


class TestManySites:
    def test_stages_by_stride_show_some_maps_and_the_rest_when_asked(self, opened):
        page = opened(many_gates())
        for stride, columns in ((4, 32), (8, 16), (16, 8)):
            section = page.locator(f'section[aria-label="Maps of stride {stride}"]')
            expect(section).to_contain_text(f"20 maps · {96 // stride} × {columns} locations")
            expect(section.locator("figure")).to_have_count(12)
        section = page.locator('section[aria-label="Maps of stride 8"]')
        section.get_by_role("button", name="Show the other 8").click()
        expect(section.locator("figure")).to_have_count(20)
        shown = pixels(page, 'section[aria-label="Maps of stride 8"] canvas >> nth=19')
        last = many_gates().maps["layer39.spatial_gate"].values
        assert differing(shown, colored(last, last.min(), last.max())) < 0.01

    def test_a_site_is_found_and_opens_where_it_is_shown(self, opened):
        page = opened(many_gates())
        page.get_by_role("tab", name="Sites").click()
        expect(page.locator(".av-view--sites")).to_contain_text("120 of 120 sites.")
        page.get_by_label("Search").fill("layer31. spatial")
        page.get_by_role("button", name="layer31.spatial_gate").click()
        expect(page.get_by_role("tab", name="Coarse to fine")).to_have_attribute("aria-selected", "true")
        scrubber = page.get_by_role("slider", name="Stage", exact=True)
        expect(scrubber).to_have_attribute("aria-valuetext", "layer31.spatial_gate · 12 × 16")
        page.get_by_role("tab", name="Sites").click()
        page.get_by_label("Search").fill("layer7. channel")
        page.get_by_role("button", name="layer7.channel_gate").click()
        expect(page.get_by_label("Module")).to_have_value("layer7.channel_gate")
        page.get_by_role("tab", name="Sites").click()
        page.get_by_label("Search").fill("layer3. channel")
        page.get_by_role("button", name="layer3.channel_gate").press("Enter")
        expect(page.get_by_label("Module")).to_have_value("layer3.channel_gate")

    def test_names_from_outside_are_only_text(self, opened):
        name = "<img src=x onerror=alert(1)>"
        explanation = many_gates(8)
        gates = {**explanation.channel_gates, name: ChannelGate(name, name, np.ones(4, np.float32), None, 4)}
        page = opened(dataclasses.replace(explanation, channel_gates=gates))
        page.get_by_role("tab", name="Sites").click()
        page.get_by_label("Search").fill("nothing of that name")
        expect(page.locator(".av-view--sites")).to_contain_text("0 of 17 sites.")
        page.get_by_label("Search").fill("<img")
        page.get_by_role("button", name=name).click()
        expect(page.get_by_label("Module")).to_have_value(name)

    def test_a_phone_needs_no_scrolling_sideways(self, opened):
        page = opened(many_gates(), viewport=PHONE)
        for tab in ("Coarse to fine", "Channel attention", "Sites"):
            page.get_by_role("tab", name=tab).click()
            drawn_frame(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], tab
