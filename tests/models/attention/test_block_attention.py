import math

import pytest
import torch

from attnviz.errors import OptionError
from attnviz.models.attention.block_attention import BlockAttention
from attnviz.models.attention.cbam import CBAM
from attnviz.models.attention.se import SELayer
from attnviz.models.attention.sge import SpatialGroupEnhance
from attnviz.models.build import build_model
from attnviz.observe.recorder import record
from attnviz.pipeline import explain


def network(kind, **options):
    torch.manual_seed(3)
    attention = None if kind is None else {"kind": kind, **options}
    config = {
        "architecture": "AttentionResNet",
        "trunk": {"depth": 18, "width": 8, "attention": attention},
        "num_classes": 5,
    }
    return build_model(config).eval()


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def test_sge_by_hand():
    """One group of two channels on 1 x 3 locations: mean vector (1, 2), similarities 0, 5, 10."""
    module = SpatialGroupEnhance(groups=1)
    with torch.no_grad():
        module.weight.fill_(2.0)
        module.bias.fill_(0.5)
    x = torch.tensor([[[[0.0, 1.0, 2.0]], [[0.0, 2.0, 4.0]]]])
    with torch.no_grad():
        gated = module(x)
    for location, normal in enumerate((-1.0, 0.0, 1.0)):  # (similarity - 5) / 5, the unbiased deviation of 0, 5, 10
        expected = x[0, :, 0, location] * sigmoid(2 * normal + 0.5)
        assert torch.allclose(gated[0, :, 0, location], expected, atol=1e-5)


def test_sge_starts_flat_and_takes_a_single_location():
    module = SpatialGroupEnhance(groups=4)
    x = torch.randn(2, 8, 3, 5)
    with torch.no_grad():
        assert torch.allclose(module(x), x * sigmoid(1.0))
        single = torch.randn(2, 8, 1, 1)
        assert torch.allclose(module(single), single * sigmoid(1.0))


def test_se_by_hand():
    module = SELayer(channels=2, reduction=2)
    with torch.no_grad():
        module.fc[0].weight.copy_(torch.tensor([[1.0, -1.0]]))
        module.fc[0].bias.fill_(0.5)
        module.fc[2].weight.copy_(torch.tensor([[2.0], [-2.0]]))
        module.fc[2].bias.copy_(torch.tensor([0.0, 1.0]))
        x = torch.tensor([[[[1.0, 3.0]], [[0.0, 1.0]]]])  # means 2 and 0.5, hidden 2 - 0.5 + 0.5 = 2
        gated = module(x)
    assert torch.allclose(gated[0, 0], x[0, 0] * sigmoid(4.0))
    assert torch.allclose(gated[0, 1], x[0, 1] * sigmoid(-3.0))


def test_cbam_by_hand():
    module = CBAM(channels=2, reduction=2).eval()
    with torch.no_grad():
        module.ChannelGate.mlp[1].weight.copy_(torch.tensor([[1.0, 1.0]]))
        module.ChannelGate.mlp[1].bias.zero_()
        module.ChannelGate.mlp[3].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        module.ChannelGate.mlp[3].bias.zero_()
        module.SpatialGate.spatial.conv.weight.zero_()
        module.SpatialGate.spatial.conv.weight[0, :, 3, 3] = torch.tensor([2.0, -1.0])  # maximum, mean
        module.SpatialGate.spatial.bn.weight.fill_(math.sqrt(1 + 1e-5))
        x = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])
        gated = module(x)
    logit = (2.0 + 1.0) + (3.0 + 2.0)  # means 2, 1 and maxima 3, 2 through the same hidden unit
    channel = torch.tensor([sigmoid(logit), sigmoid(-logit)])
    scaled = x * channel[None, :, None, None]
    for location in range(2):
        values = scaled[0, :, 0, location]
        spatial = sigmoid(2 * float(values.max()) - float(values.mean()))
        assert torch.allclose(gated[0, :, 0, location], values * spatial, atol=1e-6)


def test_cbam_starts_with_a_flat_spatial_gate():
    module = CBAM(channels=16).eval()
    seen = []
    module.SpatialGate.sigmoid.register_forward_hook(lambda m, i, o: seen.append(o))
    with torch.no_grad():
        module(torch.randn(1, 16, 5, 7))
    assert torch.equal(seen[0], torch.full((1, 1, 5, 7), 0.5))


@pytest.mark.parametrize(("kind", "options"), [("cbam", {}), ("sge", {"groups": 4}), ("se", {"reduction": 4})])
def test_what_a_site_shows_is_what_multiplied_the_features(kind, options):
    net = network(kind, **options)
    module = net.layer2[1].get_submodule(kind)
    through = {}
    handle = module.register_forward_hook(lambda m, i, o: through.update(before=i[0].clone(), after=o.clone()))
    sites = record(net, torch.randn(2, 3, 64, 96)).sites
    handle.remove()
    before, after = through["before"], through["after"]
    if kind == "sge":
        gate = sites["stage2.block2.group_gate"].repeat_interleave(before.shape[1] // 4, dim=1)
    elif kind == "se":
        gate = sites["stage2.block2.channel_gate"]
    else:
        gate = sites["stage2.block2.channel_gate"] * sites["stage2.block2.spatial_gate"]
        assert torch.allclose(sites["stage2.block2.spatial_logit"].sigmoid(), sites["stage2.block2.spatial_gate"])
    assert torch.allclose(before * gate, after, atol=1e-6)


def test_sites_tell_stage_and_stride():
    net = network("cbam")
    x = torch.randn(1, 3, 64, 96)
    recording = record(net, x)
    for site in net.sites():
        shape = recording.sites[site.label].shape
        expected = (1, 1) if site.kind == "channel_gate" else (64 // site.stride, 96 // site.stride)
        assert tuple(shape[2:]) == expected
        assert site.label.startswith(f"stage{site.stage}.block")
    assert network(None).sites() == ()


def test_without_attention_it_is_torchvisions_resnet():
    from attnviz.models.torchvision_ops import torchvision

    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=5).eval()
    config = {"architecture": "AttentionResNet", "trunk": {"depth": 18}, "num_classes": 5}
    ours = build_model(config).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    "build",
    [
        lambda: BlockAttention("bam"),
        lambda: BlockAttention("se", reduction=0),
        lambda: BlockAttention("sge", groups=-1),
        lambda: BlockAttention("sge", groups=2.5),
        lambda: network("sge", groups=7),
        lambda: network("sge"),  # 64 groups of 8 channels
        lambda: network("se", color="red"),
        lambda: build_model({"architecture": "AttentionResNet", "trunk": {"output_stride": 8}, "num_classes": 5}),
        lambda: build_model({"architecture": "AttentionResNet", "trunk": {}, "num_classes": 0}),
        lambda: build_model({"architecture": "AttentionResNet", "trunk": {"attention": 3}, "num_classes": 5}),
    ],
)
def test_impossible_options_are_refused(build):
    with pytest.raises(OptionError):
        build()


@pytest.mark.parametrize(
    ("kind", "options", "maps"), [("cbam", {}, 8), ("sge", {"groups": 4}, 8), ("se", {}, 0), (None, {}, 0)]
)
def test_the_whole_way_through(photo, kind, options, maps):
    net = network(kind, **options)
    explanation = explain(photo, net, size=64)
    assert len(explanation.other_maps) == maps
    assert len(explanation.predictions) == 5
    for shown in explanation.other_maps:
        low, high = shown.raw_range
        assert 0 <= low <= high <= 1
