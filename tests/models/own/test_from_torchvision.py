"""Networks of torchvision: the input and the classes are those of its weights, which it fetches itself."""

import pytest

import attnviz
from attnviz.errors import DownloadError, UnknownModelError
from attnviz.models.own.load import load_network, shared_network


def test_a_classifier(photo):
    loaded = load_network("torchvision:resnet18", random_weights=True, size=64, device="cpu")
    assert loaded.card.categories[:2] == ("tench", "goldfish")
    assert loaded.card.preprocessing.mean == (0.485, 0.456, 0.406)
    assert (loaded.trained, loaded.card.one_size, loaded.card.parameters) == (False, False, 11689512)
    explanation = attnviz.explain(photo, loaded)
    assert explanation.geometry.network_size == (64, 96)
    assert not explanation.maps
    assert explanation.predictions[0].category in loaded.card.categories


def test_a_vit_sees_squares_of_its_size():
    loaded = load_network("torchvision:vit_b_32", random_weights=True, device="cpu")
    assert (loaded.card.one_size, loaded.card.preprocessing.size) == (True, 224)


def test_a_segmenter_needs_no_weights_of_its_trunk():
    loaded = load_network("torchvision:lraspp_mobilenet_v3_large", random_weights=True, size=64, device="cpu")
    assert "aeroplane" in loaded.card.categories


def test_a_name_that_is_nearly_one_is_put_right():
    with pytest.raises(UnknownModelError, match=r"got 'resnet1x8'; there is .*resnet18"):
        load_network("torchvision:resnet1x8", device="cpu")


@pytest.mark.asks_outside
def test_without_a_connection_it_says_so_in_one_sentence(monkeypatch, tmp_path, photo):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(DownloadError, match=r"expected torchvision to get the weights of resnet18.*--random-weights"):
        attnviz.explain(photo, "torchvision:resnet18", device="cpu")


def test_explain_takes_a_name_and_loads_it_once(monkeypatch, photo):
    monkeypatch.setattr("attnviz.models.own.load.load_network", counted := Counted())
    shared_network.cache_clear()
    try:
        for _ in range(2):
            found = attnviz.explain(photo, "torchvision:resnet18", device="cpu", size=64)
            assert found.model.name == "torchvision:resnet18"
    finally:
        shared_network.cache_clear()
    assert counted.names == ["torchvision:resnet18"]


class Counted:
    """Loads with random weights, and remembers what was asked for."""

    def __init__(self) -> None:
        self.names = []

    def __call__(self, name, **choices):
        self.names.append(name)
        return load_network(name, random_weights=True, **choices)
