"""One door: names, weights that fit exactly or not at all, the input that a network takes, and who may open it."""

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import attnviz
from attnviz.errors import (
    CheckpointError,
    ModelError,
    OptionError,
    UnknownModelError,
)
from attnviz.models.own.load import load_network, names_network
from tests.models.own.files import NET, net_file, weights_of
from tests.observe.own_networks import Vit, seeded


@pytest.fixture
def net_py(tmp_path):
    """``FILE.py:build`` of a small network with a gate."""
    return f"{net_file(tmp_path)}:build"


@pytest.mark.parametrize(
    "name", ["timm:resnet18", "torchvision:resnet50", "hf:google/vit", "hf:./folder", "net.py:build"]
)
def test_names_of_networks(name):
    assert names_network(name)


@pytest.mark.parametrize(
    "name", ["bam_resnet18_w64", "timm:", "C:weights.pth", "other:resnet18", "", "weights.safetensors"]
)
def test_other_names(name):
    assert not names_network(name)
    with pytest.raises(UnknownModelError, match=r"expected FILE\.py:NAME, timm:NAME, torchvision:NAME or hf:NAME"):
        load_network(name)


def test_a_file_is_explained_with_weights_title_and_input_of_ones_own(net_py, tmp_path, photo):
    torch.save(weights_of(tmp_path), tmp_path / "my.pt")
    loaded = load_network(
        net_py,
        weights=tmp_path / "my.pt",
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        size=64,
        title="Mine",
        device="cpu",
    )
    assert (loaded.card.name, loaded.card.title, loaded.trained) == ("my_net.py:build", "Mine", True)
    assert loaded.card.status == "own"
    assert not loaded.net.training
    assert torch.equal(loaded.net.state_dict()["head.bias"], weights_of(tmp_path)["head.bias"])
    explanation = attnviz.explain(photo, loaded)
    assert list(explanation.maps) == ["spatial_gate"]
    assert explanation.geometry.network_size == (64, 96)
    assert explanation.preprocessing.mean == (0.5, 0.5, 0.5)
    assert explanation.model.sha256 == loaded.card.sha256
    assert len(loaded.card.sha256 or "") == 64
    x = torch.from_numpy(explanation.network_image.transpose(2, 0, 1).copy())[None] / 255
    with torch.no_grad():
        features = loaded.net.stem((x - 0.5) / 0.25).relu()
        gate = torch.sigmoid(loaded.net.gate(features))[0, 0]
    np.testing.assert_allclose(explanation.maps["spatial_gate"].values, gate.numpy(), atol=1e-5)


def test_without_weights_every_output_says_random(net_py, photo):
    loaded = load_network(net_py, device="cpu")
    assert not loaded.trained
    explanation = attnviz.explain(photo, loaded)
    assert not explanation.model.trained
    assert loaded.card.notes == ("Its weights are random: it was not trained.",)


# --- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "net."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
def test_what_training_scripts_wrap_weights_in_is_taken_off(net_py, tmp_path, prefix, wrapper):
    tensors = {prefix + name: tensor for name, tensor in weights_of(tmp_path).items()}
    torch.save(tensors if wrapper is None else {wrapper: tensors, "epoch": 3}, tmp_path / "my.pth")
    loaded = load_network(net_py, weights=tmp_path / "my.pth", device="cpu")
    assert torch.equal(loaded.net.state_dict()["stem.weight"], weights_of(tmp_path)["stem.weight"])


def test_safetensors(net_py, tmp_path):
    safetensors.torch.save_file(weights_of(tmp_path), tmp_path / "my.safetensors")
    assert load_network(net_py, weights=tmp_path / "my.safetensors", device="cpu").trained


def wrong(tmp_path, how: str) -> dict[str, torch.Tensor]:
    tensors = weights_of(tmp_path)
    if how == "missing":
        del tensors["gate.bias"]
    elif how == "unexpected":
        tensors["extra"] = torch.zeros(2)
    elif how == "shape":
        tensors["head.weight"] = torch.zeros(5, 8)
    elif how == "nan":
        tensors["head.bias"] = torch.full((3,), torch.nan)
    elif how == "integers":
        tensors["head.bias"] = torch.zeros(3, dtype=torch.long)
    return tensors


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", r"expected the 6 tensors of a Net, but my\.pt lacks gate\.bias$"),
        ("unexpected", r"but my\.pt has unexpected extra$"),
        ("shape", r"has wrong shapes: head\.weight \(5, 8\) instead of \(3, 8\)$"),
        ("nan", r"expected finite numbers at head\.bias of my\.pt"),
        ("integers", r"expected torch\.float32 at head\.bias of my\.pt, got torch\.int64"),
    ],
)
def test_weights_that_do_not_fit_exactly_are_refused(net_py, tmp_path, how, words):
    torch.save(wrong(tmp_path, how), tmp_path / "my.pt")
    with pytest.raises(CheckpointError, match=words):
        load_network(net_py, weights=tmp_path / "my.pt", device="cpu")


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_weights_are_never_run(net_py, tmp_path):
    torch.save({"stem.weight": Evil(str(tmp_path / "ran"))}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="which was not run"):
        load_network(net_py, weights=tmp_path / "evil.pt", device="cpu")
    assert not (tmp_path / "ran").exists()


def test_a_whole_pickled_network_is_refused(net_py, tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match="which was not run"):
        load_network(net_py, weights=tmp_path / "net.pt", device="cpu")


def test_a_file_of_weights_that_is_not_there(net_py, tmp_path):
    with pytest.raises(CheckpointError, match="which is not there"):
        load_network(net_py, weights=tmp_path / "my.pt", device="cpu")


# --- choices --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choices",
    [
        {"mean": (0.5, 0.5)},
        {"std": (0.5, 0.5, 0.0)},
        {"size": 0},
        {"size": True},
        {"weights": "my.pt", "random_weights": True},
        {"random_weights": True},
    ],
    ids=str,
)
def test_impossible_choices(net_py, choices):
    with pytest.raises(OptionError, match="expected"):
        load_network(net_py, device="cpu", **choices)


def test_a_network_that_takes_no_picture_says_what_it_said(tmp_path):
    text = NET.replace("nn.Conv2d(3, 8, 3, 4, 1)", "nn.Conv2d(1, 8, 3, 4, 1)")
    with pytest.raises(ModelError, match=r"RGB picture of 224 x 224 pixels, got from Net: .*channels"):
        load_network(f"{net_file(tmp_path, text=text)}:build", device="cpu")


class Fixed(nn.Module):
    """Takes squares of 96 pixels and nothing else."""

    def __init__(self, says: bool = False) -> None:
        super().__init__()
        if says:
            self.image_size = 96
        self.stem = nn.Conv2d(3, 4, 16, 16)
        self.head = nn.Linear(4 * 36, 2)

    def forward(self, x):
        return self.head(self.stem(x).flatten(1))


def test_a_network_of_one_size_gets_squares(photo):
    explanation = attnviz.explain(photo, Fixed(says=True))
    assert explanation.geometry.network_size == (96, 96)
    assert explanation.preprocessing.resize_mode == "stretch"
    assert attnviz.explain(photo, Fixed(), size=96).geometry.network_size == (96, 96)
    cropped = attnviz.explain(photo, Fixed(says=True), resize_mode="center_crop")
    assert not cropped.geometry.whole
    with pytest.raises(OptionError, match="which takes squares of that size only, got keep and 96"):
        attnviz.explain(photo, Fixed(says=True), resize_mode="keep")


def test_patches_of_another_size_than_32_are_whole(photo):
    class Dino(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Conv2d(3, 4, 14, 14)

        def forward(self, x):
            return self.proj(x).mean((2, 3))

    height, width = attnviz.explain(photo, Dino()).geometry.network_size
    assert (height % 14, width % 14) == (0, 0)
    assert height != width


def test_what_is_tried_leaves_a_network_as_it_was(photo):
    net = seeded(Vit, "sdpa").train()
    net.head.eval()
    flags = [module.training for module in net.modules()]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    attnviz.explain(photo, net, size=64)
    assert [module.training for module in net.modules()] == flags
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_a_network_is_tried_once(photo):
    calls = []
    net = Fixed(says=True)
    net.stem.register_forward_hook(lambda *_: calls.append(1))
    attnviz.explain(photo, net)
    first = len(calls)
    attnviz.explain(photo, net)
    assert len(calls) - first < first


# --- who may open the door ------------------------------------------------------------------------------------------


def evil(tmp_path) -> str:
    text = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{NET}"
    return f"{net_file(tmp_path, 'evil.py', text)}:build"


def test_explain_runs_no_file(tmp_path, photo):
    with pytest.raises(OptionError, match=r"attnviz\.load_network"):
        attnviz.explain(photo, evil(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_load_model_runs_no_file(tmp_path):
    with pytest.raises(UnknownModelError):
        attnviz.load_model(evil(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_load_network_runs_it(tmp_path):
    load_network(evil(tmp_path), device="cpu")
    assert (tmp_path / "ran").exists()
