import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from attnviz.errors import CheckpointError
from attnviz.models.build import build_model
from attnviz.models.weights.checkpoint import load_checkpoint, save_checkpoint
from attnviz.models.weights.eight_bits import pack, unpack

CONFIG = {
    "architecture": "AttentionResNet",
    "trunk": {"depth": 18, "width": 8, "attention": {"kind": "se"}},
    "num_classes": 5,
}


def test_a_weight_is_off_by_half_a_step_of_its_channel_at_most():
    weight = (
        torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(0))
        * torch.logspace(-6, 3, 6)[:, None, None, None]
    )
    back = unpack(pack({"weight": weight}), "a file")["weight"]
    largest = weight.abs().amax((1, 2, 3))
    assert ((back - weight).abs().amax((1, 2, 3)) <= 0.5001 * largest / 127).all()
    assert torch.allclose(back.abs().amax((1, 2, 3)), largest, rtol=1e-6)


def test_a_channel_of_zeros_stays_zero_and_vectors_and_counters_stay_as_they_are():
    tensors = {"w": torch.zeros(2, 3), "bias": torch.tensor([0.123456789, 2.0]), "count": torch.tensor(7)}
    back = unpack(pack(tensors), "a file")
    assert not back["w"].any()
    assert torch.equal(back["bias"], tensors["bias"])
    assert torch.equal(back["count"], tensors["count"])


def test_packed_again_it_is_the_same():
    once = pack({"w": torch.randn(4, 5, generator=torch.Generator().manual_seed(1))})
    assert torch.equal(pack(unpack(once, "a file"))["w"], once["w"])


def test_a_checkpoint_takes_half_the_room_of_fp16_and_gives_nearly_the_same_network(tmp_path):
    torch.manual_seed(0)
    net = build_model(CONFIG).eval()
    save_checkpoint(net, tmp_path / "half.safetensors")
    save_checkpoint(net, tmp_path / "packed.safetensors", eight_bits=True)
    assert (tmp_path / "packed.safetensors").stat().st_size < 0.75 * (tmp_path / "half.safetensors").stat().st_size
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        wanted, found = net(x), load_checkpoint(tmp_path / "packed.safetensors")(x)
    assert (found - wanted).abs().max() < 0.05 * wanted.abs().max()


@pytest.mark.parametrize(
    ("scale", "said"),
    [(torch.ones(3), r"8 floating-point numbers.*\(3,\)"), (torch.ones(8, dtype=torch.int8), "got torch.int8")],
)
def test_a_scale_that_does_not_fit_is_refused(tmp_path, scale, said):
    path = tmp_path / "packed.safetensors"
    save_checkpoint(build_model(CONFIG), path, eight_bits=True)
    save_file({**load_file(path), "conv1.weight.scale": scale}, path, metadata=_header())
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(path)


def test_eight_bits_without_a_scale_are_refused(tmp_path):
    path = tmp_path / "packed.safetensors"
    save_checkpoint(build_model(CONFIG), path, eight_bits=True)
    tensors = load_file(path)
    del tensors["conv1.weight.scale"]
    save_file(tensors, path, metadata=_header())
    with pytest.raises(CheckpointError, match=r"expected torch\.float32 at conv1\.weight of .*, got torch\.int8"):
        load_checkpoint(path)


def test_a_scale_that_is_not_finite_is_refused(tmp_path):
    path = tmp_path / "packed.safetensors"
    save_checkpoint(build_model(CONFIG), path, eight_bits=True)
    save_file({**load_file(path), "conv1.weight.scale": torch.full((8,), torch.inf)}, path, metadata=_header())
    with pytest.raises(CheckpointError, match=r"expected finite numbers at conv1\.weight"):
        load_checkpoint(path)


def _header():
    return {"attnviz": json.dumps(CONFIG)}
