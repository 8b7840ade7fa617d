"""Features of the first stages kept beside the teacher's answers, and stage 4 trained on them."""

import numpy as np
import pytest
import torch

from attnviz.models.build import build_model
from training import distil, front_features
from training.frozen_front import Front, FrozenFront
from training.run_state import save_result
from training.shards import LabelledViews, restore, squeeze

TRUNK = {"depth": 18, "width": 4}
BAM = {"fusion": "sum", "hidden": 2, "dilation": 1, "padding_mode": "reflect"}
SPEC = {"architecture": "BamResNet", "trunk": TRUNK, "bams": [BAM] * 3, "num_classes": 1000}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A network, shards of random views and answers, and the features that were kept of them."""
    monkeypatch.setattr(front_features, "spec_of", lambda _family: SPEC)
    monkeypatch.setattr(
        front_features, "compile_front", lambda net, _shape, _threads: torch.no_grad()(Front(net).eval())
    )
    torch.manual_seed(0)
    net = build_model(SPEC)
    (tmp_path / "start").mkdir()
    save_result(net, tmp_path / "start")
    random = np.random.default_rng(0)
    (tmp_path / "shards").mkdir()
    for name in ("0000-0000", "0000-0001"):
        np.save(tmp_path / "shards" / f"views-{name}.npy", random.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8))
        np.save(tmp_path / "shards" / f"logits-{name}.npy", random.normal(size=(10, 1000)).astype(np.float16))
    command = ["--shards", str(tmp_path / "shards"), "--out", str(tmp_path / "features")]
    front_features.main([*command, "--start", str(tmp_path / "start" / "average.safetensors")])
    return net, tmp_path


def test_eight_bits_of_a_feature_are_near_it():
    features = np.abs(np.random.default_rng(0).normal(size=(3, 5, 4, 4))).astype(np.float32)
    scale = features.max((0, 2, 3))
    back = restore(torch.from_numpy(squeeze(features, scale)), torch.from_numpy(scale)).numpy()
    # Half a step of the root, at most: d(x) = 2 sqrt(x scale) d(root).
    allowed = 2 * np.sqrt(features * scale[:, None, None]) * 0.5 / 255 + scale[:, None, None] * (0.5 / 255) ** 2
    assert (np.abs(back - features) <= allowed + 1e-6).all()


def test_what_is_kept_is_what_the_front_makes_of_the_view_or_of_its_mirror_image(kept):
    net, folder = kept
    views = np.load(folder / "shards" / "views-0000-0000.npy")
    shown = front_features.half_mirrored(views, "0000-0000")
    mirrored = (shown == views[:, :, ::-1]).all((1, 2, 3))
    assert 0 < mirrored.sum() < 10
    assert (shown[~mirrored] == views[~mirrored]).all()
    expected = front_features.features_of(shown, torch.no_grad()(Front(net).eval()))
    scale = torch.from_numpy(np.load(folder / "features" / "scale.npy"))
    found = restore(torch.from_numpy(np.load(folder / "features" / "features-0000-0000.npy")), scale).numpy()
    assert np.abs(found - expected).max() <= float(scale.max()) / 255


def test_shards_that_have_their_features_are_passed_over(kept, monkeypatch):
    _, folder = kept
    monkeypatch.setattr(front_features, "features_of", None)
    command = ["--shards", str(folder / "shards"), "--out", str(folder / "features")]
    front_features.main([*command, "--start", str(folder / "start" / "average.safetensors")])


def test_a_frozen_front_takes_what_was_kept(kept):
    net, folder = kept
    features, answers = LabelledViews(folder / "features", batch=4, seed=0)(0)
    assert features.shape == (4, 16, 2, 2)
    logits, _, _ = FrozenFront(net.eval(), threads=1)(features)
    loss = distil.soft_loss(logits, answers)
    loss.backward()
    assert net.layer4[0].conv1.weight.grad.abs().sum() > 0
    assert net.layer3[0].conv1.weight.grad is None
