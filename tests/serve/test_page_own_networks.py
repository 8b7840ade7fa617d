"""Networks of one's own on the page, in a real browser: a vision transformer, a CBAM-ResNet, 120 SE modules."""

import json
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import Tensor, nn

from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.weights.registry import LoadedModel, from_network
from attnviz.pipeline import explain
from attnviz.reduce.rollout import rollout_of
from attnviz.serve import requests
from attnviz.serve.app import build_ui, launch_options
from attnviz.serve.page.samples import samples
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs.explain import sent
from attnviz.serve.tabs.layers import _handler
from tests.conftest import free_port
from tests.observe.own_networks import Se, VitAttention, resnet_with_cbam, seeded
from tests.render.viewer.viewer_steps import colored, differing, drawn_frame, pixels, plain
from tests.serve.page_steps import SLOW, done, drawn, state

VIEW = "#page-view-position"
LIVE = f"{VIEW} .av-picture--live canvas"


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(width), VitAttention(width, heads, "sdpa")
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + 4 * self.attn(self.norm(x))
        return x + self.mlp(x)


class DeepVit(nn.Module):
    """As timm's: a class token, blocks of attention and MLP; wide enough that not every layer is sent at once."""

    def __init__(self, layers: int = 12, width: int = 192, heads: int = 6) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.5 * torch.randn(1, 17 * 17 + 1, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.head = nn.Linear(width, 9)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1)
        x = x + self.pos_embed[:, : x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0])


class SeChain(nn.Module):
    """120 SE modules, the features halved in size three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, 4)
        self.layers = nn.ModuleList(self._layer(index) for index in range(4))
        self.head = nn.Linear(16, 5)

    @staticmethod
    def _layer(index: int) -> nn.Module:
        down = [nn.MaxPool2d(2)] if index else []
        return nn.Sequential(*down, *(Se(16) for _ in range(30)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean((2, 3)))


def own(net: nn.Module, name: str, title: str, size: int) -> LoadedModel:
    loaded = from_network(net, name=name, device="cpu")
    prepared = Preprocessing(size=size, resize_mode="stretch", multiple=16)
    return replace(loaded, card=replace(loaded.card, title=title, one_size=True, preprocessing=prepared))


@pytest.fixture(scope="module")
def networks() -> dict[str, LoadedModel]:
    given = [
        own(seeded(DeepVit), "vit.py:build", "My ViT", 272),
        own(seeded(resnet_with_cbam), "cbam.py:build", "My CBAM", 96),
        own(seeded(SeChain), "se.py:build", "My SE", 128),
    ]
    return {network.card.name: network for network in given}


@pytest.fixture(scope="module")
def own_url(networks) -> Iterator[str]:
    """Address of a page that was started with the networks."""
    demo = build_ui(list(networks.values()))
    settings = {**launch_options(), "server_name": "127.0.0.1", "server_port": free_port()}
    settings.update(prevent_thread_lock=True, quiet=True, inbrowser=False)
    _, url, _ = demo.launch(**settings)
    yield url
    demo.close()
    requests.offer(())


def opened(page: Page, url: str, model: str = "vit.py:build") -> Page:
    page.goto(url)
    done(page)
    if model != "vit.py:build":
        page.locator("#page-model select").select_option(model)
        expect(page.locator("#page-status")).to_contain_text(requests.short_title(model), timeout=SLOW)
        done(page)
    return page


def first_photo(networks, model: str):
    """What the page computed of its first sample."""
    return explain(samples()[0].path, networks[model])


def layer(page: Page, label: str) -> None:
    page.locator(VIEW).get_by_label("Layer", exact=True).select_option(label)
    expect(page.locator(f"{VIEW} .av-busy")).to_have_text("", timeout=SLOW)


def test_a_vit_shows_any_layer_and_head_and_the_rollout(page, own_url, networks):
    opened(page, own_url)
    drawn(page, "position")
    explanation = first_photo(networks, "vit.py:build")
    view = page.locator(VIEW)
    expect(view).to_contain_text("Random weights")
    labels = list(explanation.positions)
    assert len(labels) == 12
    expect(view.get_by_label("Layer", exact=True)).to_have_value(labels[-1])  # the last one is shown first
    plain(page)
    place = (8, 8)  # the middle, where the query starts
    last = explanation.positions[labels[-1]]
    for wanted, head in ((last.row(*place), "mean"), (last.head(3).row(*place), "3")):
        view.get_by_label("Head", exact=True).select_option(head)
        assert differing(pixels(page, LIVE), colored(wanted, 0, wanted.max())) < 0.01
    layer(page, labels[2])  # is fetched, and keeps the head
    wanted = explanation.positions[labels[2]].head(3).row(*place)
    assert differing(pixels(page, LIVE), colored(wanted, 0, wanted.max())) < 0.01
    expect(view).to_contain_text("Head 3 of 6 alone")
    view.get_by_label("Class token looks").check()
    wanted = explanation.positions[labels[2]].head(3).token_row()
    assert differing(pixels(page, LIVE), colored(wanted, 0, wanted.max())) < 0.01
    expect(view.locator(".av-readout__class")).to_have_text("Class token")
    layer(page, "rollout")
    rolled = rollout_of(explanation.positions)
    expect(view).to_contain_text("the product over 12 layers")
    expect(view.get_by_label("Head", exact=True)).to_be_hidden()
    for mode, wanted in (
        ("Class token looks", rolled.token_row()),
        ("Where it looks", rolled.row(*place)),
        ("Who looks at it", rolled.column(*place)),
        ("Received", rolled.received),
    ):
        view.get_by_label(mode).check()
        assert differing(pixels(page, LIVE), colored(wanted, 0, wanted.max())) < 0.01, mode


def test_not_every_layer_is_sent_before_it_is_asked_for(networks):
    explanation = first_photo(networks, "vit.py:build")
    parts = sent(explanation)["positions"]
    carried = [part["label"] for part in parts if part.get("query") or part.get("matrix")]
    assert len(parts) == 13
    assert 0 < len(carried) < 12
    assert list(explanation.positions)[-1] in carried


def test_cbam_goes_through_its_stages_and_has_its_gates_as_bars(page, own_url, networks):
    opened(page, own_url, "cbam.py:build")
    drawn(page, "stages")  # the tab that applies opened by itself
    explanation = first_photo(networks, "cbam.py:build")
    (gate,) = explanation.other_maps
    view = page.locator("#page-view-stages")
    expect(view.get_by_role("heading", name=f"Stride {gate.stride}")).to_be_visible()
    shown = pixels(page, "#page-view-stages section.av-stage canvas")
    assert differing(shown, colored(gate.values, gate.values.min(), gate.values.max())) < 0.01
    page.locator("#page-tab-channel").click()
    (channels,) = explanation.channel_gates.values()
    bars = page.locator("#page-view-channel").get_by_role("slider")
    expect(bars).to_have_attribute("aria-valuemax", str(len(channels.values)))
    best = int(np.argmax(channels.values))
    expect(bars).to_have_attribute("aria-valuetext", f"channel {best}, {channels.values[best]:.3g} gate, rank 1")


def test_a_hundred_sites_are_searched_and_opened(page, own_url):
    opened(page, own_url, "se.py:build")
    page.locator("#page-tab-sites").click()
    drawn(page, "sites")
    view = page.locator("#page-view-sites")
    expect(view).to_contain_text("120 of 120 sites.")
    page.keyboard.press("Tab")
    search = view.get_by_label("Search")
    search.fill("layers.2 stride 16")
    expect(view).to_contain_text("30 of 120 sites.")
    search.fill("layers.3.7.")
    expect(view).to_contain_text("1 of 120 sites.")
    view.get_by_role("button", name="layers.3.7.channel_gate").press("Enter")
    expect(page.locator("#page-tab-channel")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#page-view-channel").get_by_label("Module")).to_have_value("layers.3.7.channel_gate")


def test_two_networks_of_ones_own_are_compared(page, own_url, networks):
    opened(page, own_url)
    page.locator("#page-tab-compare").click()
    drawn(page, "compare")
    page.get_by_label("Two models").check()
    page.locator("#page-compare-model select").select_option("cbam.py:build")
    page.locator("#page-compare-run").click()
    state(page, "page-compare-status", "done")
    drawn(page, "compare")
    plain(page)
    sides = page.locator("#page-view-compare .av-side[data-side]")
    explanation = first_photo(networks, "vit.py:build")
    label = list(explanation.positions)[4]
    sides.nth(0).locator("select").first.select_option(f"{label}.row")  # is fetched of the left side
    sides.nth(0).get_by_label("A: head").select_option("2")
    expect(sides.nth(0).locator(".av-panel__note")).to_contain_text("17 × 17 locations", timeout=SLOW)
    wanted = explanation.positions[label].head(2).row(8, 8)
    shown = pixels(page, '#page-view-compare .av-side[data-side="A"] canvas')
    assert differing(shown, colored(wanted, 0, wanted.max())) < 0.01
    expect(sides.nth(1).locator("select")).to_have_value("layer2.1.spatial_gate")


def test_a_figure_of_a_vit_is_built_with_head_and_rollout(page, own_url):
    opened(page, own_url)
    page.locator("#page-tab-export").click()
    page.locator("#page-export-build").click()
    state(page, "page-export-status", "done")
    alt = page.locator("#page-figure img").get_attribute("alt")
    assert "Class token · where it looks · rollout of 12 layers" in alt
    assert "mean of 6 heads" in alt


def ticked(page: Page) -> list[str]:
    """Titles of the panels that are ticked in the figure builder."""
    boxes = page.locator("#page-export-panels label")
    return [box.inner_text().strip() for box in boxes.all() if box.locator("input").is_checked()]


def test_the_figure_follows_the_layer_and_head_on_the_screen(page, own_url, networks):
    opened(page, own_url)
    drawn(page, "position")
    label = list(first_photo(networks, "vit.py:build").positions)[2]
    page.locator("#page-tab-export").click()
    at_first = ticked(page)
    page.locator("#page-tab-position").click()
    layer(page, label)
    page.locator(VIEW).get_by_label("Head", exact=True).select_option("3")
    page.locator("#page-tab-export").click()
    own = f"{label.removesuffix('.attention')} attention, head 3"
    received = page.get_by_label(f"Received · {own}", exact=True)
    expect(received).to_be_checked(timeout=SLOW)
    assert ticked(page) == [
        "Photo",
        f"Class token · where it looks · {own}",
        f"Pin 1 · where it looks · {own}",
        f"Received · {own}",
    ]
    page.locator("#page-tab-position").click()
    layer(page, "rollout")
    page.locator("#page-tab-export").click()
    expect(page.get_by_label("Received · rollout of 12 layers", exact=True)).to_be_checked(timeout=SLOW)
    expect(received).to_be_hidden()  # heads of the other layers are not listed
    page.locator("#page-tab-position").click()
    layer(page, list(first_photo(networks, "vit.py:build").positions)[-1])
    page.locator(VIEW).get_by_label("Head", exact=True).select_option("mean")
    page.locator("#page-tab-export").click()
    expect(page.get_by_label(at_first[1], exact=True)).to_be_checked(timeout=SLOW)
    assert ticked(page) == at_first


@pytest.mark.parametrize("model", ["vit.py:build", "cbam.py:build", "se.py:build"])
def test_a_phone_needs_no_scrolling_sideways(new_page, own_url, model):
    page = opened(new_page({"width": 390, "height": 844}), own_url, model)
    for tab in ("stages", "position", "channel", "sites", "compare", "export"):
        page.locator(f"#page-tab-{tab}").click()
        drawn_frame(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_the_choice_of_layer_and_head_needs_no_mouse(page, own_url):
    opened(page, own_url)
    drawn(page, "position")
    choice = page.locator(VIEW).get_by_label("Layer", exact=True)
    before = choice.input_value()
    choice.focus()
    page.keyboard.press("ArrowUp")
    expect(choice).not_to_have_value(before)
    page.keyboard.press("Tab")
    expect(page.locator(VIEW).get_by_label("Head", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(VIEW)).to_contain_text("Head 0 of 6 alone", timeout=SLOW)


@pytest.mark.parametrize(
    "asked", [None, [], {}, {"turn": 1}, {"turn": "1", "id": "x", "label": "y"}, {"turn": 1, "id": 2, "label": 3}]
)
def test_a_request_for_a_layer_that_is_none_is_refused(asked):
    request = type("Request", (), {"session_hash": "anna"})()
    with pytest.raises(gr.Error, match="expected a turn, an id and a label"):
        _handler(SessionStore())(asked, request)


def test_only_ones_own_layers_can_be_asked_for(networks):
    store = SessionStore()
    explanation = first_photo(networks, "vit.py:build")
    store.keep("anna", explanation, sent_as="1")
    ask = _handler(store)
    anna, ben = (type("Request", (), {"session_hash": name, "headers": {}})() for name in ("anna", "ben"))
    label = next(iter(explanation.positions))
    given = ask({"turn": 3, "id": "1", "label": label}, anna)
    assert (given["turn"], given["part"]["label"]) == (3, label)
    json.dumps(given)
    assert "forgotten" in ask({"turn": 3, "id": "1", "label": label}, ben)["error"]
    assert "forgotten" in ask({"turn": 3, "id": "2", "label": label}, anna)["error"]
    assert (
        "Expected one of the network's position attentions" in ask({"turn": 3, "id": "1", "label": "x"}, anna)["error"]
    )
