"""The tensors inside modules: each is what its formula says of those before it, and watching changes nothing."""

import numpy as np
import pytest
import torch
from torch import nn

import attnviz
from attnviz.errors import OptionError
from attnviz.observe.step_watch import watching_steps

FAMILIES = {
    "bam": {
        "architecture": "BamResNet",
        "trunk": {"depth": 18, "width": 16},
        "bams": [
            {"fusion": "sum"},
            {"fusion": "product", "final_norm": False, "convs": 1},
            {"fusion": "sum", "dilation": 2, "convs": 3},
        ],
        "num_classes": 3,
    },
    "danet": {
        "architecture": "DANet",
        "trunk": {"depth": 18, "width": 16, "output_stride": 8},
        "num_classes": 3,
        "head_channels": 16,
        "query_channels": 4,
    },
    **{
        kind: {
            "architecture": "AttentionResNet",
            "trunk": {"depth": 18, "width": 16, "attention": {"kind": kind, "groups": 8}},
            "num_classes": 3,
        }
        for kind in ("cbam", "se", "sge")
    },
}


def network(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = attnviz.build_model(FAMILIES[name])
        for key, parameter in net.named_parameters():
            if parameter.ndim < 2 or ".sge." in key:  # gates and gammas that start flat say nothing
                nn.init.uniform_(parameter, 0.3, 0.9)
        for module in net.modules():
            if hasattr(module, "bias") and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(module.bias, -0.3, 0.3)
    return net.eval()


def explained(name: str, photo: np.ndarray, **more):
    return attnviz.explain(photo, network(name), device="cpu", size=64, inside=True, **more)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def singles(step):
    """The pictures of single channels."""
    return step.values[1:] if step.summary else step.values


def test_every_tensor_of_a_bam_follows_from_those_before_it(photo):
    found = explained("bam", photo)
    assert list(found.modules) == ["stage1", "stage2", "stage3"]
    for label, sign in (("stage1", np.add), ("stage2", np.multiply), ("stage3", np.add)):
        steps = found.inside(label)
        kept = list(steps["F"].channels)
        logits = sign(steps["c"].values[kept, None, None], steps["s"].values)
        close(singles(steps["z"]), logits)
        close(steps["z"].values[0], sign(steps["c"].values[:, None, None], steps["s"].values).mean(axis=0))
        close(singles(steps["M"]), sigmoid(logits))
        close(singles(steps["F'"]), singles(steps["F"]) * (1 + singles(steps["M"])))
        close(steps["p"].values[kept], singles(steps["F"]).mean(axis=(1, 2)))
        close(1 + steps["M"].values[0], found.maps[f"{label}.gain"].values)
        close(steps["s"].values[0], found.maps[f"{label}.spatial_logit"].values)
        assert steps["F"].range[0] <= steps["F"].values[1:].min()
    assert [step.symbol for step in found.inside("stage2")] == ["F", "p", "h", "c", "R", "D₁", "s", "z", "M", "F'"]
    assert found.inside("stage2")["z"].formula == "z = c × s"
    assert found.inside("stage2")["c"].formula == "c = W₁ h"
    assert found.inside("stage3")["D₂"].formula == "D₂ = ReLU(BN(conv3×3, dilation 2(D₁)))"


def test_every_tensor_of_a_cbam_follows_from_those_before_it(photo):
    found = explained("cbam", photo)
    assert len(found.modules) == 8
    steps = found.inside("stage2.block1")
    kept = list(steps["F"].channels)
    close(steps["a"].values[kept], singles(steps["F"]).mean(axis=(1, 2)))
    close(steps["b"].values[kept], singles(steps["F"]).max(axis=(1, 2)))
    close(steps["M₁"].values, sigmoid(steps["c"].values))
    close(singles(steps["F₁"]), singles(steps["F"]) * steps["M₁"].values[kept, None, None])
    close(steps["M₂"].values, sigmoid(steps["s"].values))
    close(singles(steps["F'"]), singles(steps["F₁"]) * steps["M₂"].values)
    assert steps["P"].shape[0] == 2
    assert steps["P"].values[0].min() >= steps["P"].values[1].min()


def test_every_tensor_of_an_se_follows_from_those_before_it(photo):
    steps = explained("se", photo).inside("stage1.block2")
    kept = list(steps["F"].channels)
    close(steps["z"].values[kept], singles(steps["F"]).mean(axis=(1, 2)))
    close(steps["M"].values, sigmoid(steps["c"].values))
    close(singles(steps["F'"]), singles(steps["F"]) * steps["M"].values[kept, None, None])
    assert steps["h"].range[0] >= 0


def test_every_tensor_of_an_sge_follows_from_those_before_it(photo):
    steps = explained("sge", photo).inside("stage2.block1")
    assert steps["x"].shape == steps["M"].shape == (8, 8, 12)
    x = steps["x"].values.astype(np.float64)
    spread = x.std(axis=(1, 2), ddof=1, keepdims=True)
    close(steps["n"].values, (x - x.mean(axis=(1, 2), keepdims=True)) / (spread + 1e-5))
    close(steps["M"].values, sigmoid(steps["t"].values))
    group = [channel // (32 // 8) for channel in steps["F"].channels]
    place = [steps["M"].channels.index(number) for number in group]
    close(singles(steps["F'"]), singles(steps["F"]) * steps["M"].values[place])


def test_position_attention_follows_one_location(photo):
    found = explained("danet", photo)
    steps = found.inside("position", at=(2, 5))
    assert [step.symbol for step in steps] == ["A", "B", "C", "D", "X", "S", "E"]
    position = found.positions["position"]
    wanted = np.einsum("c,chw->hw", position.query[:, 2, 5], position.key)
    close(steps["X"].values[0], wanted)
    close(steps["S"].values[0], np.exp(wanted - wanted.max()) / np.exp(wanted - wanted.max()).sum())
    assert steps["S"].shape == (96, 96)
    assert steps.gamma == pytest.approx(position.gamma)
    close(steps["B"].values[0], np.linalg.norm(position.query, axis=0))
    assert steps["X"].at(2, 5) == pytest.approx(float(wanted[2, 5]), rel=1e-4)
    assert "at row 2, column 5" in str(steps)


def test_channel_attention_takes_the_unlike_first(photo):
    found = explained("danet", photo)
    steps = found.inside("channel")
    energy = steps["X"].values
    close(steps["Y"].values, energy.max(axis=1, keepdims=True) - energy)
    weights = np.exp(steps["Y"].values - steps["Y"].values.max(axis=1, keepdims=True))
    close(steps["S"].values, weights / weights.sum(axis=1, keepdims=True))
    close(steps["S"].values, found.channel.matrix)
    assert steps["S"].at(0, 0) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_watching_changes_no_number_and_leaves_no_hook(name, photo):
    net = network(name)
    plain = attnviz.explain(photo, net, device="cpu", size=64)
    watched = attnviz.explain(photo, net, device="cpu", size=64, inside=True)
    assert plain.modules == {}
    assert list(plain.maps) == list(watched.maps)
    for label, found in plain.maps.items():
        np.testing.assert_array_equal(found.values, watched.maps[label].values)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_pass_that_fails_leaves_no_hook_and_keeps_nothing():
    net = network("bam")
    with pytest.raises(RuntimeError), watching_steps(net) as watch:
        net(torch.zeros(1, 4, 64, 64))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert watch.collected(["stage1"], (64, 64)) == {}


def test_the_first_pass_is_kept_and_no_other():
    net = network("se")
    with torch.no_grad(), watching_steps(net) as watch:
        net(torch.full((1, 3, 64, 64), 0.5))
        first = watch.collected(["stage1.block1"], (64, 64))["stage1.block1"]["F'"].values
        net(torch.zeros(1, 3, 64, 64))
    again = watch.collected(["stage1.block1"], (64, 64))["stage1.block1"]["F'"].values
    np.testing.assert_array_equal(first, again)


def test_large_features_are_kept_small(photo):
    found = attnviz.explain(photo, network("bam"), device="cpu", size=512, inside=True)
    first = found.inside("stage1")
    assert first["F"].shape == (16, 128, 192)
    assert first["F"].values.shape == (2, 128, 192)  # all channels, and one
    assert first["R"].values.shape == (1, 128, 192)


def test_fields_grow_through_the_module(photo):
    steps = explained("bam", photo).inside("stage1")
    sizes = [steps[symbol].field.size[0] for symbol in ("F", "R", "D₁", "D₂", "s", "z", "F'")]
    assert sizes == [43, 43, 75, 107, 107, 107, 107]
    assert not steps["s"].field.everywhere
    assert steps["z"].field.everywhere
    assert steps["p"].field is None


def test_only_modules_of_the_chosen_sites_are_collected(photo):
    found = explained("cbam", photo, sites="stage2*")
    assert set(found.modules) == {"stage2.block1", "stage2.block2"}


def test_a_module_that_is_not_there_is_refused_in_a_sentence(photo):
    found = explained("se", photo)
    with pytest.raises(OptionError, match=r"expected an attention module of stage1\.block1, .*, got 'stage9'"):
        found.inside("stage9")
    with pytest.raises(OptionError, match=r"expected a location within 8 x 12 \(rows x columns\), got \(8, 0\)"):
        found.inside("stage2.block1", at=(8, 0))
    with pytest.raises(OptionError, match=r"expected a tensor of stage2\.block1: F, z, h, c, M, F', got 'Q'"):
        found.inside("stage2.block1")["Q"]
    plain = attnviz.explain(photo, network("bam"), device="cpu", size=64)
    with pytest.raises(OptionError, match=r"got 'stage1'; explain\(\.\.\., inside=True\) keeps what happens inside"):
        plain.inside("stage1")


def test_of_somebody_elses_attention_what_is_known_is_shown(photo):
    from tests.observe.own_networks import InlineCbam, NonLocal, seeded

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.cbam, self.attend = nn.Conv2d(3, 128, 8, stride=8), InlineCbam(), NonLocal(128)

        def forward(self, x):
            return self.attend(self.cbam(self.stem(x)))

    found = attnviz.explain(photo, seeded(Both), device="cpu", size=64, inside=True)
    gate = next(label for label in found.maps if label.endswith("spatial_gate"))
    steps = found.inside(gate)
    assert (steps.module, [step.symbol for step in steps]) == ("gate", ["F", "M", "F'"])
    np.testing.assert_array_equal(steps["M"].values[0], found.maps[gate].values)
    label = next(iter(found.positions))
    steps = found.inside(label, at=(1, 2))
    assert [step.symbol for step in steps] == ["B", "C", "X", "S"]
    assert steps.gamma is None  # whether one stands before it is not known
    np.testing.assert_allclose(steps["S"].values[0], found.positions[label].row(1, 2), rtol=1e-5)


class Around(nn.Module):
    """One gate, written in some way, and what it multiplies; kept by hand."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.stem, self.mix, self.how = nn.Conv2d(3, 12, 8, stride=8), nn.Linear(12, 12), how
        self.seen: list[torch.Tensor] = []

    def forward(self, x):
        x = self.stem(x)
        gate, by_channel = x.mean(1, keepdim=True).sigmoid(), self.mix(x.mean((2, 3))).sigmoid()
        before = x.clone()
        if self.how == "in place":
            x.mul_(gate)
        elif self.how == "channels":
            x = x * by_channel[..., None, None]
        elif self.how == "shifted":
            x = x * (1 + gate)
        elif self.how == "channels last":
            x = (x.permute(0, 2, 3, 1) * gate.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        elif self.how == "tokens":
            x = (x.flatten(2).transpose(1, 2) * gate.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(x)
        elif self.how == "groups":
            x = (
                x.view(len(x) * 3, 4, *x.shape[2:]) * x.view(len(x) * 3, 4, *x.shape[2:]).mean(1, True).sigmoid()
            ).view_as(x)
        self.seen = [before, x.clone()]
        return x.mean((2, 3))


@pytest.mark.parametrize("how", ["in place", "channels", "shifted", "channels last", "tokens", "groups"])
def test_what_goes_into_somebody_elses_gate_and_what_comes_out(photo, how):
    torch.manual_seed(0)
    net = Around(how).eval()
    for _ in range(2):  # unknown, and known
        found = attnviz.explain(photo, net, device="cpu", size=64, inside=True)
        (label,) = (*found.maps, *found.channel_gates)
        steps = found.inside(label)
        assert [step.symbol for step in steps] == ["F", "M", "F'"]
        assert steps["F'"].formula == ("" if how == "shifted" else "F' = F × M")
        for step, own in zip((steps["F"], steps["F'"]), net.seen, strict=True):
            features = own[0].detach().numpy()
            assert step.shape == features.shape
            assert step.range == (float(features.min()), float(features.max()))
            np.testing.assert_allclose(step.values[0], np.linalg.norm(features, axis=0), rtol=1e-5)
            np.testing.assert_array_equal(step.values[1:], features[list(step.channels)])
        assert steps["F"].channels == steps["F'"].channels
    plain = attnviz.explain(photo, net, device="cpu", size=64)
    assert plain.modules == {}
