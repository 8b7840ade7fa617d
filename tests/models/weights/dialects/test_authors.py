from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch

from attnviz.models.weights.checkpoint import load_checkpoint
from attnviz.observe.recorder import record
from tests.models import foreign

SIZES = [(64, 64), (33, 96)]
CLASSIFIERS = {
    "bam": foreign.authors_bam,
    "cbam": foreign.authors_cbam,
    "sge": partial(foreign.insight_sge, groups=8),
    "se": foreign.insight_se,
}


def save(state, path, wrap="plain", **options):
    """As the publishers' training scripts do it."""
    prefixed = OrderedDict((f"module.{name}", value) for name, value in state.items())
    content = {
        "plain": state,
        "module": prefixed,
        "state_dict": {"state_dict": state},
        "both": {
            "epoch": 90,
            "arch": "resnet",
            "state_dict": prefixed,
            "best_prec1": torch.tensor(76.86),
            "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
        },
    }[wrap]
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_classifier_computes_what_its_authors_describe(tmp_path, kind, depth, size):
    state = foreign.filled(CLASSIFIERS[kind](depth, width=16, classes=10), seed=depth)
    net = load_checkpoint(save(state, tmp_path / "best.pth.tar", "both")).double()
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        assert foreign.relative(net(x), foreign.forward_classifier(foreign.doubled(state), x)) < 1e-4


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("depth", [50])
def test_danet_computes_what_its_authors_describe(tmp_path, depth, size):
    state = foreign.filled(foreign.authors_danet(depth, width=16), seed=depth)
    net = load_checkpoint(save(state, tmp_path / "DANet101.pth.tar", "state_dict")).double()
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        for ours, theirs in zip(net.heads(x), foreign.forward_authors_danet(foreign.doubled(state), x), strict=True):
            assert foreign.relative(ours, theirs) < 1e-4
    assert net.config["trunk"]["multi_grid"] == (4, 8, 16)


def test_the_reference_feels_every_part():
    """Guards the tests above: if a part were idle in the reference, its absence would go unseen."""
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    state = foreign.filled(foreign.authors_danet(50, width=16))
    whole = foreign.forward_authors_danet(state, x)[0]
    for gamma in ("head.sa.gamma", "head.sc.gamma"):
        without = foreign.forward_authors_danet({**state, gamma: torch.zeros(1)}, x)[0]
        assert foreign.relative(without, whole) > 1e-2
    for kind, part in (("bam", "bam3"), ("cbam", "SpatialGate"), ("sge", ".sge."), ("se", ".se.")):
        state = foreign.filled(CLASSIFIERS[kind](18, width=16, classes=10))
        whole = foreign.forward_classifier(state, x)
        flat = {
            name: value * 0 if part in name and value.is_floating_point() else value for name, value in state.items()
        }
        assert foreign.relative(foreign.forward_classifier(flat, x), whole) > 1e-2


@pytest.mark.parametrize("wrap", ["plain", "module", "state_dict", "both"])
@pytest.mark.parametrize(("kind", "zipped"), [("bam", True), ("bam", False), ("sge", True), ("danet", False)])
def test_every_wrapping_is_the_same_file(tmp_path, kind, zipped, wrap):
    listing = {**CLASSIFIERS, "danet": foreign.authors_danet}[kind](18, width=16)
    state = foreign.filled(listing)
    path = save(state, tmp_path / "x.pth", wrap, _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint(path)
    assert not loaded.training
    assert set(loaded.state_dict()) == set(state)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize("score", [np.float64(0.88), np.float32(0.5), np.int64(3), np.bool_(True)])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_numpy_score_beside_the_weights_does_not_matter(tmp_path, zipped, score):
    state = foreign.filled(foreign.authors_danet(18, width=8))
    content = {"epoch": 240, "state_dict": state, "best_pred": score}
    torch.save(content, tmp_path / "DANet101.pth.tar", _use_new_zipfile_serialization=zipped)
    assert load_checkpoint(tmp_path / "DANet101.pth.tar").config["num_classes"] == 19


def test_files_from_before_batches_were_counted(tmp_path):
    state = foreign.filled(foreign.authors_cbam(18, width=16))
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    net = load_checkpoint(save(old, tmp_path / "old.pth", "both", _use_new_zipfile_serialization=False))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert foreign.relative(net(x), foreign.forward_classifier(state, x)) < 1e-4


def test_other_kinds_of_floating_point_become_float32(tmp_path):
    state = foreign.filled(foreign.authors_bam(18, width=16))
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        cast = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
        net = load_checkpoint(save(cast, tmp_path / "x.pth"))
        assert {p.dtype for p in net.parameters()} == {torch.float32}
        assert torch.equal(net.fc.weight, cast["fc.weight"].float())


def test_a_view_into_a_larger_storage_is_taken_out_of_it(tmp_path):
    state = foreign.filled(foreign.authors_bam(18, width=16))
    state["fc.weight"] = torch.cat([state["fc.weight"]] * 2, dim=1)[:, ::2]
    net = load_checkpoint(save(state, tmp_path / "x.pth"))
    assert torch.equal(net.fc.weight, state["fc.weight"])
    assert net.fc.weight.is_contiguous()
    assert net.fc.weight.untyped_storage().nbytes() == net.fc.weight.numel() * 4


def test_what_shapes_tell_is_found(tmp_path):
    for depth in (18, 34, 50, 101):
        state = foreign.filled(foreign.authors_bam(depth, width=16, classes=7))
        config = load_checkpoint(save(state, tmp_path / "x.pth")).config
        assert (config["trunk"]["depth"], config["trunk"]["width"], config["num_classes"]) == (depth, 16, 7)
        assert all(
            (bam["fusion"], bam["dilation"], bam["final_norm"]) == ("product", 4, False) for bam in config["bams"]
        )


def test_published_sizes():
    """Parameters in millions, from the table in PytorchInsight's README."""
    published = {"sge": (25.56, 44.55), "bam": (25.92, 44.91), "cbam": (28.09, 49.33), "se": (28.09, 49.33)}
    for kind, sizes in published.items():
        for depth, millions in zip((50, 101), sizes, strict=True):
            counters = ("running_mean", "running_var", "num_batches_tracked")
            listing = CLASSIFIERS[kind](depth)
            count = sum(torch.Size(shape).numel() for name, shape in listing.items() if not name.endswith(counters))
            assert round(count / 1e6, 2) == pytest.approx(millions, abs=0.011)


def test_the_attention_of_every_block_can_be_seen(tmp_path):
    expected = {
        "cbam": {"channel_gate": (1, 16, 1, 1), "spatial_logit": (1, 1, 16, 24), "spatial_gate": (1, 1, 16, 24)},
        "se": {"channel_gate": (1, 16, 1, 1)},
    }
    for kind, shapes in expected.items():
        net = load_checkpoint(save(foreign.filled(CLASSIFIERS[kind](18, width=16)), tmp_path / "x.pth"))
        sites = record(net, torch.randn(1, 3, 64, 96)).sites
        assert len(sites) == 8 * len(shapes)
        for name, shape in shapes.items():
            assert tuple(sites[f"stage1.block1.{name}"].shape) == shape
    net = load_checkpoint(save(foreign.filled(foreign.insight_sge(18, width=16, groups=16)), tmp_path / "x.pth"))
    sites = record(net, torch.randn(1, 3, 64, 96)).sites
    assert tuple(sites["stage4.block2.group_gate"].shape) == (1, 16, 2, 3)
    assert all(0 < float(gate.min()) and float(gate.max()) < 1 for gate in sites.values())
