"""Networks of timm, with random weights: their input and classes are timm's own, and what cannot be had says so."""

import sys

import pytest

import attnviz
import attnviz.models
from attnviz.errors import DownloadError, MissingExtraError, UnknownModelError
from attnviz.models.own.load import load_network


def random_net(name: str, **choices):
    return load_network(name, random_weights=True, device="cpu", **choices)


def test_a_vit_sees_squares_normalised_as_timm_says(photo):
    loaded = random_net("timm:vit_tiny_patch16_224", size=None)
    assert (loaded.card.name, loaded.trained, loaded.card.one_size) == ("timm:vit_tiny_patch16_224", False, True)
    assert loaded.card.preprocessing.mean == (0.5, 0.5, 0.5)
    assert len(loaded.card.categories) == 1000
    assert loaded.card.categories[0].startswith("tench")
    explanation = attnviz.explain(photo, loaded)
    assert explanation.geometry.network_size == (224, 224)
    assert explanation.positions["blocks.0.attn.attention"].query.shape[0] == 3
    assert not explanation.model.trained


def test_a_convolutional_network_keeps_the_proportions(photo):
    loaded = random_net("timm:seresnet50", size=64)
    assert not loaded.card.one_size
    explanation = attnviz.explain(photo, loaded)
    assert explanation.geometry.network_size == (64, 96)
    assert "layer1.0.se.channel_gate" in explanation.channel_gates


def test_a_name_that_is_nearly_one_is_put_right():
    with pytest.raises(UnknownModelError, match=r"got 'resnet1x8'; there is .*resnet18"):
        random_net("timm:resnet1x8")


def test_without_a_connection_it_says_so_in_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        DownloadError, match=r"expected timm to get the weights of resnet18.*--random-weights"
    ) as caught:
        load_network("timm:resnet18", device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("timm:resnet18", "timm", "timm"),
        ("timm:resnet18", "torchvision", "timm"),
        ("torchvision:resnet18", "torchvision", "torchvision"),
        ("hf:nobody/nothing", "transformers", "hf"),
    ],
)
def test_a_library_that_is_not_installed_says_how_to_get_it(monkeypatch, name, package, extra):
    for module in [m for m in sys.modules if m.split(".")[0] == package or m.endswith("torchvision_ops")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr(attnviz.models, "torchvision_ops", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Without(package), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=rf"package {package}, .*run `pip install 'attnviz\[{extra}\]'`"):
        load_network(name, random_weights=True, device="cpu")


class Without:
    """Finds nothing of one package, as on a machine that lacks it."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
