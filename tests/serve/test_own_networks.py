"""The page offers networks that whoever started it gave it, and no visitor can bring one."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from torch import nn

from attnviz.errors import OptionError, UnknownModelError
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.weights.registry import DEFAULT_MODEL, LoadedModel, from_network
from attnviz.serve import requests
from attnviz.serve.app import SINGLE_VIEWS, build_ui, launch_options
from attnviz.serve.page import components
from attnviz.serve.requests import Choice
from tests.conftest import free_port
from tests.observe.own_networks import Se, Trunk, Vit, seeded
from tests.observe.real_networks import Detr


def own(net: nn.Module, name: str, **card) -> LoadedModel:
    loaded = from_network(net, name=name, device="cpu")
    return replace(loaded, card=replace(loaded.card, **card))


@pytest.fixture
def networks():
    """Two networks that the page offers, and afterwards no longer."""
    given = [
        own(seeded(Trunk, Se(16)), "my_net.py:build", title="Mine"),
        own(
            seeded(Vit, "sdpa"),
            "my_vit.py:build",
            title="My ViT",
            one_size=True,
            preprocessing=Preprocessing(size=64, resize_mode="stretch"),
        ),
    ]
    yield given
    requests.offer(())


def test_they_come_first_in_the_menu_and_are_chosen_first(networks):
    requests.offer(networks)
    group = requests.model_groups()[0]
    assert group["label"] == "Your own"
    assert [(m["name"], m["title"], m["note"]) for m in group["models"]] == [
        ("my_net.py:build", "Mine", None),
        ("my_vit.py:build", "My ViT", None),
    ]
    assert requests.first_model() == "my_net.py:build"
    assert requests.short_title("my_net.py:build") == "Mine"
    requests.offer(())
    assert requests.first_model() == DEFAULT_MODEL
    assert "my_net.py:build" not in requests.known_models()


def test_their_cards_say_which_views_there_will_be(networks):
    detector = own(seeded(Detr), "my_detr.py:build", preprocessing=Preprocessing(size=64, resize_mode="stretch"))
    detector.net.place.data = detector.net.place.data[:16]
    picky = own(seeded(Vit, "sdpa"), "picky.py:build", preprocessing=Preprocessing(size=8))
    requests.offer([*networks, detector, picky])
    shows = {m["name"]: m["shows"] for m in requests.model_groups()[0]["models"]}
    assert shows == {
        "my_net.py:build": ["channel"],
        "my_vit.py:build": ["position"],
        "my_detr.py:build": ["position", "cross"],
        "picky.py:build": [],  # it takes no picture of 8 x 8 pixels
    }


def test_a_tab_for_cross_attention_is_there_where_a_network_has_some(networks):
    def panels(demo):
        return {block.elem_id for block in demo.blocks.values() if str(block.elem_id).startswith("page-panel-")}

    detector = own(seeded(Detr), "my_detr.py:build", preprocessing=Preprocessing(size=64, resize_mode="stretch"))
    detector.net.place.data = detector.net.place.data[:16]
    without, some = panels(build_ui(networks)), panels(build_ui([*networks, detector]))
    assert some - without == {"page-panel-cross"}
    assert "page-panel-position" in without


def test_the_page_says_of_every_view_why_a_network_has_nothing_to_show_in_it():
    script = (Path(components.__file__).parent / "js" / "bridge.js").read_text(encoding="utf-8")
    reasons = script.partition("const WHY_NOT = {")[2].partition("\n};")[0]
    assert set(re.findall(r"^  (\w+):", reasons, re.MULTILINE)) == {*SINGLE_VIEWS, "compare"}


def test_a_name_that_is_taken_is_refused_and_the_offer_stays(networks):
    requests.offer(networks)
    with pytest.raises(OptionError, match=r"names of their own, got 'my_net\.py:build'"):
        requests.offer([networks[0], networks[0]])
    with pytest.raises(OptionError, match=DEFAULT_MODEL):
        requests.offer([own(nn.Conv2d(3, 1, 1), DEFAULT_MODEL)])
    assert requests.first_model() == "my_net.py:build"


def test_they_are_explained_and_squares_are_made_for_those_that_need_them(networks, photo):
    requests.offer(networks)
    seen = requests.run(requests.forecast(photo, Choice("my_net.py:build", size=128)))
    assert list(seen.channel_gates) == ["attend.channel_gate"]
    assert seen.geometry.network_size[0] != seen.geometry.network_size[1]
    squared = requests.run(requests.forecast(photo, Choice("my_vit.py:build")))
    assert squared.geometry.network_size == (64, 64)
    with pytest.raises(OptionError, match=r"size 64 for my_vit\.py:build, which takes squares of that size only"):
        requests.forecast(photo, Choice("my_vit.py:build", size=128))


@pytest.mark.parametrize("name", ["evil.py:build", "timm:resnet18", "hf:x/y", "torchvision:resnet18"])
def test_what_a_visitor_names_is_never_run(name, tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\ndef build(): ...\n", encoding="utf-8")
    with pytest.raises(UnknownModelError):
        requests.forecast(photo, requests.choice_from(name, "keep", "0"))
    assert not (tmp_path / "ran").exists()


def test_the_page_explains_one_over_http(networks, assets, tmp_path):
    demo = build_ui(networks)
    settings = {**launch_options(), "server_name": "127.0.0.1", "server_port": free_port()}
    _, url, _ = demo.launch(**settings, prevent_thread_lock=True, quiet=True, inbrowser=False)
    try:
        client = Client(url, verbose=False, download_files=str(tmp_path))
        status, payload, _ = client.predict(
            handle_file(assets / "cat.jpg"), "my_net.py:build", "keep", "128", api_name="/explain"
        )
        client.close()
    finally:
        demo.close()
    assert status["state"] == "done"
    assert re.match(r"Mine saw 192 × 128 pixels", status["text"])
    assert status["text"].endswith("Its weights are random.")
    assert [gate["label"] for gate in payload["channel_gates"]] == ["attend.channel_gate"]
