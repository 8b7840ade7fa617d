"""Networks that taught the finder something: their attention by hand, its values from their own formulas."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attnviz.observe.collect import cross_attentions, position_attentions
from attnviz.observe.discover import find_attention, record_found
from tests.observe.own_networks import Trunk, seeded
from tests.observe.real_networks import timm


def picture(height: int = 64, width: int = 64) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def found_in(net: nn.Module, x: Tensor) -> list[tuple[str, str, tuple[int, int] | None, int, str]]:
    return [(f.label, f.kind, f.grid, f.heads, f.reason) for f in find_attention(net, x)]


def outputs_of(net: nn.Module, x: Tensor, ends: str) -> list[Tensor]:
    """What the modules whose paths end so give, in the order of their runs."""
    kept: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda module, inputs, output: kept.append(output.detach().clone()))
        for path, module in net.named_modules()
        if path.endswith(ends)
    ]
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    return kept


def both_passes(net: nn.Module, x: Tensor) -> list[dict[str, Tensor]]:
    """What is recorded of a network that nothing is known of, and then of one that is."""
    return [dict(record_found(net, x).sites) for _ in range(2)]


def test_efficient_channel_attention_by_its_formula():
    net, x = seeded(lambda: timm("resnet18", block_args={"attn_layer": "eca"})), picture()
    before = outputs_of(net, x, ".bn2")  # the features that it pools and weighs
    modules = [module for path, module in net.named_modules() if path.endswith(".se")]
    for sites in both_passes(net, x):
        assert len(sites) == len(before) == len(modules) == 8
        for gate, features, module in zip(sites.values(), before, modules, strict=True):
            weight = module.conv.weight.detach().flatten()  # of k neighbouring channels
            pooled = F.pad(features.mean((2, 3))[0], (len(weight) // 2, len(weight) // 2))
            by_hand = [torch.sigmoid((pooled[c : c + len(weight)] * weight).sum()) for c in range(features.shape[1])]
            assert gate.shape == (1, features.shape[1], 1, 1)
            assert float((gate.flatten() - torch.stack(by_hand)).abs().max()) < 1e-5


def test_selective_kernels_are_gates_of_the_channels_of_all_branches():
    net, x = seeded(lambda: timm("skresnet18")), picture()
    paths = [f"layer{stage}.{block}.conv1" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert found_in(net, x) == [(f"{path}.channel_gate", "channel_gate", None, 1, "") for path in paths]
    own = outputs_of(net, x, "conv1.attn")
    for sites in both_passes(net, x):
        for gate, weights in zip(sites.values(), own, strict=True):
            assert gate.shape == (1, 2 * weights.shape[2], 1, 1)  # two branches
            assert float((gate.flatten() - weights.flatten()).abs().max()) < 1e-5
            assert torch.allclose(gate.view(2, -1).sum(0), torch.ones(weights.shape[2]), atol=1e-5)


def test_split_attention_of_resnest():
    net, x = seeded(lambda: timm("resnest14d")), picture()
    paths = [f"layer{stage}.0.conv2" for stage in (1, 2, 3, 4)]
    assert found_in(net, x) == [(f"{path}.channel_gate", "channel_gate", None, 1, "") for path in paths]
    own = outputs_of(net, x, "conv2.rsoftmax")
    for sites in both_passes(net, x):
        for gate, weights in zip(sites.values(), own, strict=True):
            assert float((gate.flatten() - weights.flatten()).abs().max()) < 1e-5


def test_a_gate_of_patches_lies_on_the_picture():
    """MobileViTv2 weighs the places within each patch, cut out and laid side by side."""
    net, x = seeded(lambda: timm("mobilevitv2_050")), picture(64, 128)
    grids = [(8, 16)] * 2 + [(4, 8)] * 4 + [(2, 4)] * 3
    assert [(f.kind, f.grid) for f in find_attention(net, x)] == [("spatial_gate", grid) for grid in grids]
    own = [output[:, :1].softmax(-1) for output in outputs_of(net, x, "attn.qkv_proj")]
    for sites in both_passes(net, x):
        for gate, scores, (height, width) in zip(sites.values(), own, grids, strict=True):
            assert gate.shape == (1, 1, height, width)
            patches = scores.view(2, 2, height // 2, width // 2)  # place in the patch, patch
            by_hand = patches.permute(2, 0, 3, 1).reshape(height, width)
            assert float((gate[0, 0] - by_hand).abs().max()) < 1e-5


class Clipped(nn.Module):
    """A gate as those write it who have no hardsigmoid: relu6(x + 3) / 6."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv, self.relu6, self.how = nn.Conv2d(16, 1, 1), nn.ReLU6(inplace=True), how

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "activation":
            return x * self.relu6(self.conv(x))  # no share of anything
        logit = self.conv(x) + 3
        return x * ((F.relu6(logit) if self.how == "function" else self.relu6(logit)) / 6)


@pytest.mark.parametrize("how", ["function", "module"])
def test_a_hardsigmoid_made_of_relu6_is_a_gate(how):
    net, x = seeded(Trunk, Clipped(how)), picture()
    assert found_in(net, x) == [("attend.spatial_gate", "spatial_gate", (16, 16), 1, "")]
    with torch.no_grad():
        own = F.hardsigmoid(net.attend.conv(net.stem(x)))
    for sites in both_passes(net, x):
        assert float((sites["attend.spatial_gate"] - own).abs().max()) < 1e-6


def test_a_product_with_an_activation_is_no_gate():
    assert found_in(seeded(Trunk, Clipped("activation")), picture()) == []
    assert found_in(seeded(lambda: timm("starnet_s1")), picture()) == []


class Deformable(nn.Module):
    """What deformable attention ends with: samples times weights, a query by a sample, no place among them."""

    def forward(self, x: Tensor) -> Tensor:
        grid = torch.linspace(-0.9, 0.9, 5 * 12 * 2).view(1, 5, 12, 2)
        sampled = F.grid_sample(x, grid, align_corners=False).unflatten(1, (2, 8)).flatten(0, 1)
        return x * (sampled * sampled.mean(1, keepdim=True).softmax(-1)).sum()


def test_weights_of_samples_are_not_laid_over_the_picture():
    assert found_in(seeded(Trunk, Deformable()), picture()) == []


class OneKeyForAllHeads(nn.Module):
    """Multi-query attention (arXiv 1911.02150): four heads of queries, one of keys, at half of the places."""

    def __init__(self, at_once: bool, stride: int) -> None:
        super().__init__()
        self.query, self.value, self.at_once = nn.Conv2d(16, 32, 1), nn.Conv2d(16, 8, stride, stride), at_once
        self.key = nn.Conv2d(16, 8, stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x).unflatten(1, (4, 8)).flatten(3).transpose(-1, -2)
        k, v = (f(x).flatten(2).transpose(-1, -2).unsqueeze(1) for f in (self.key, self.value))
        if self.at_once:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.transpose(-1, -2) * 8**-0.5).softmax(-1) @ v
        return y.mean((1, 2)).view(1, 8, 1, 1).repeat(1, 2, 1, 1) + x


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("at_once", [True, False])
def test_keys_that_all_heads_share(at_once, stride):
    net, x = seeded(Trunk, OneKeyForAllHeads(at_once, stride)), picture(64, 96)
    kind, grid = ("position", (16, 24)) if stride == 1 else ("cross", (8, 12))
    assert found_in(net, x) == [("attend.attention", kind, grid, 4, "")]
    with torch.no_grad():
        features = net.stem(x)
        q = net.attend.query(features).view(4, 8, -1)
        k = net.attend.key(features).view(8, -1)
        weights = torch.einsum("hcn,cm->hnm", q, k).mul(8**-0.5).softmax(-1)
    for _ in range(2):
        recording = record_found(net, x)
        (attention,) = (position_attentions if stride == 1 else cross_attentions)(recording).values()
        for head in range(4):
            for row, column in ((0, 0), (7, 11), (15, 23)):
                got = torch.from_numpy(attention.head(head).row(row, column)).flatten()
                assert float((got - weights[head, 24 * row + column]).abs().max()) < 1e-5


def test_a_softmax_that_is_mixed_with_another_before_it_is_used():
    net, x = seeded(lambda: timm("convit_tiny", img_size=64, depth=2)), picture()
    paths = [f"blocks.{i}.attn.attention" for i in (0, 1)]
    assert found_in(net, x) == [(path, "position", (4, 4), 4, "") for path in paths]


def test_queries_of_one_branch_that_look_at_another():
    net, x = seeded(lambda: timm("crossvit_9_240")), picture(240, 240)
    found = found_in(net, x)
    assert [row for row in found if row[1] == "cross"] == [
        (f"blocks.{block}.fusion.{branch}.attn.attention", "cross", grid, heads, "")
        for block in range(3)
        for branch, grid, heads in ((0, (14, 14), 4), (1, (20, 20), 4))
    ]
    assert not [row for row in found if row[4]]


class Loud(nn.Module):
    """Energies of thousands, of which float32 knows the last digit no more than the network does."""

    def __init__(self, loudness: float) -> None:
        super().__init__()
        self.qk, self.loudness = nn.Conv2d(16, 32, 1), loudness

    def forward(self, x: Tensor) -> Tensor:
        q, k = (self.loudness * t.flatten(2) for t in self.qk(x).chunk(2, 1))
        return x + (x.flatten(2) @ ((q.transpose(1, 2) @ k) / 4).softmax(-1).transpose(1, 2)).view_as(x)


@pytest.mark.parametrize("loudness", [1.0, 30.0, 100.0])
def test_rounding_of_large_energies_does_not_hide_an_attention(loudness):
    net, x = seeded(Trunk, Loud(loudness)), picture()
    assert found_in(net, x) == [("attend.attention", "position", (16, 16), 1, "")]


def test_an_attention_that_is_changed_is_still_told_from_rounding():
    net, x = seeded(Trunk, Loud(30.0)), picture()
    softmax = torch.Tensor.softmax

    class Changed(Loud):
        def forward(self, x: Tensor) -> Tensor:
            q, k = (self.loudness * t.flatten(2) for t in self.qk(x).chunk(2, 1))
            energy = ((q.transpose(1, 2) @ k) / 4).clamp(-50, 50)
            return x + (x.flatten(2) @ softmax(energy, -1).transpose(1, 2)).view_as(x)

    net.attend.__class__ = Changed
    (found,) = found_in(net, x)
    assert found[4] == "clamp stands between product and softmax"
