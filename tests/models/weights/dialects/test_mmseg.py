import pytest
import torch

from attnviz.errors import CheckpointError
from attnviz.models.weights.checkpoint import load_checkpoint
from tests.models import foreign


def saved(path, state):
    """As mmcv's runner does it, in the format of 2020."""
    meta = {
        "mmseg_version": "0.5.1",
        "config": "model = dict(...)",
        "CLASSES": ["road", "sidewalk"],
        "PALETTE": [[1, 2, 3]],
    }
    torch.save({"meta": meta, "state_dict": state}, path, _use_new_zipfile_serialization=False)
    return path


def small(**options):
    return foreign.filled(foreign.mmseg_danet(50, width=8, channels=16, queries=4, **options))


@pytest.mark.parametrize("size", [(64, 64), (48, 104)])
def test_it_computes_what_mmsegmentation_describes(tmp_path, size):
    state = small()
    net = load_checkpoint(saved(tmp_path / "x.pth", state)).double()
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        for ours, theirs in zip(net.heads(x), foreign.forward_mmseg_danet(foreign.doubled(state), x), strict=True):
            assert foreign.relative(ours, theirs) < 1e-4
    assert net.config["align_corners"] is False
    assert net.config["trunk"]["deep_stem"] == (4, 4, 8)
    assert net.gammas == {"position": pytest.approx(0.6), "channel": pytest.approx(0.6)}


def test_what_shapes_tell_is_found(tmp_path):
    net = load_checkpoint(saved(tmp_path / "x.pth", small(classes=150)))
    assert net.config["num_classes"] == 150
    assert (net.config["head_channels"], net.config["query_channels"]) == (16, 4)


def test_the_auxiliary_head_may_be_missing(tmp_path):
    state = {name: value for name, value in small().items() if not name.startswith("auxiliary_head")}
    assert load_checkpoint(saved(tmp_path / "x.pth", state)).config["num_classes"] == 19


@pytest.mark.parametrize(
    "name", ["auxiliary_head.other.weight", "auxiliary_head.conv_seg.scale", "aux.conv_seg.bias", "ema_x"]
)
def test_nothing_but_the_known_auxiliary_head_is_left_out(tmp_path, name):
    state = {**small(), name: torch.zeros(3)}
    with pytest.raises(CheckpointError, match=f"has unexpected {name}"):
        load_checkpoint(saved(tmp_path / "x.pth", state))
