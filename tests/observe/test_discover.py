"""Attention is found by what it does, equals what the network computed, and nothing of the watching is left."""

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import attnviz
from attnviz.errors import OptionError, RecordError
from attnviz.models.build import build_model
from attnviz.observe.collect import channel_gates, other_maps, position_attentions
from attnviz.observe.discover import find_attention, record_found
from attnviz.observe.recorder import record
from attnviz.observe.watched_pass import has_class_token
from tests.observe.own_networks import (
    Encoder,
    NonLocal,
    Se,
    SelfSimilar,
    Trunk,
    Vit,
    resnet_with_cbam,
    seeded,
    vit_of_cut_patches,
)

NETS = {
    "cbam": resnet_with_cbam,
    "se": lambda: Trunk(Se(16)),
    "non-local": lambda: Trunk(NonLocal(16)),
    "q = k = v": lambda: Trunk(SelfSimilar()),
    "vit sdpa": lambda: Vit("sdpa"),
    "vit einsum": lambda: Vit("einsum"),
    "vit scaled before": lambda: Vit("before"),
    "vit scaled after": lambda: Vit("after"),
    "vit registers": lambda: Vit("sdpa", prefix=5),
    "vit of cut patches": vit_of_cut_patches,
    "encoder": lambda: Encoder(),
    "encoder, batch second": lambda: Encoder(batch_first=False),
}
FOUND = {
    "cbam": [
        ("layer2.1.channel_gate", "channel_gate", None, 8, 1),
        ("layer2.1.spatial_gate", "spatial_gate", (8, 12), 8, 1),
    ],
    "se": [("attend.channel_gate", "channel_gate", None, 4, 1)],
    "non-local": [("attend.attention", "position", (16, 24), 4, 1)],
    "q = k = v": [("attend.attention", "position", (16, 24), 4, 1), ("attend.attention2", "position", None, None, 1)],
    **{name: [("attn.attention", "position", (4, 6), 16, 3)] for name in NETS if name.startswith("vit")},
    **{name: [("layer.self_attn.attention", "position", (4, 6), 16, 2)] for name in NETS if name.startswith("encoder")},
}


def random_input(batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def left(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


@pytest.mark.parametrize("name", NETS)
def test_what_is_found_is_what_was_written(name):
    found = find_attention(seeded(NETS[name]), random_input())
    assert [(f.label, f.kind, f.grid, f.stride, f.heads) for f in found] == FOUND[name]
    assert all("own_networks.py:" in f.where for f in found)


@pytest.mark.parametrize("name", NETS)
def test_the_output_is_the_same_to_the_bit_and_nothing_is_left(name):
    net = seeded(NETS[name]).train()
    flags = [m.training for m in net.modules()]
    recording = record_found(net, random_input())
    assert [m.training for m in net.modules()] == flags
    assert left(net) == 0
    with torch.no_grad():
        assert torch.equal(net.eval()(random_input()), recording.output)


def softmaxes(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every softmax over two tensors' product that a network computes, by running it with its own code."""
    kept: list[Tensor] = []
    softmax = Tensor.softmax

    def attend(q: Tensor, k: Tensor, v: Tensor, **_) -> Tensor:
        kept.append(softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1))
        return kept[-1] @ v

    def keep(*args, **kwargs) -> Tensor:
        kept.append(softmax(*args, **kwargs))
        return kept[-1]

    monkeypatch.setattr(Tensor, "softmax", keep)
    monkeypatch.setattr(F, "scaled_dot_product_attention", attend)
    monkeypatch.setattr(torch._C._nn, "scaled_dot_product_attention", attend)
    with torch.no_grad():
        net(random_input())
    monkeypatch.undo()
    return kept


@pytest.mark.parametrize("name", [name for name in NETS if name.startswith(("vit", "non", "q"))])
def test_rows_equal_the_networks_own_softmax(name, monkeypatch):
    net = seeded(NETS[name])
    own = softmaxes(net, monkeypatch)[0].flatten(0, -3)
    attentions = list(position_attentions(record_found(net, random_input())).values())
    heads = [attention.head(number) for attention in attentions for number in range(attention.heads)]
    assert len(heads) == own.shape[0]
    for weights, attention in zip(own.numpy(), heads, strict=True):
        height, width = attention.grid
        prefix = attention.others
        assert prefix == weights.shape[-1] - height * width
        for y, x in ((0, 0), (1, 2), (height - 1, width - 1)):
            row = weights[prefix + y * width + x, prefix:].reshape(height, width)
            assert abs(attention.row(y, x) - row).max() < 1e-5
        for token in range(prefix):
            row = weights[token, prefix:].reshape(height, width)
            assert abs(attention.token_row(token) - row).max() < 1e-5
        assert abs(attention.token_matrix() - weights).max() < 1e-5


def test_a_head_of_pytorchs_own_attention_equals_its_weights():
    net = seeded(Encoder)
    with torch.no_grad():
        tokens = net.patch(random_input()).flatten(2).transpose(1, 2)
        own = net.layer.self_attn(tokens, tokens, tokens, need_weights=True, average_attn_weights=False)[1]
    found = position_attentions(record_found(net, random_input()))
    assert list(found) == ["layer.self_attn.attention"]
    attention = found["layer.self_attn.attention"]
    assert attention.heads == 2
    for head in range(2):
        assert abs(attention.head(head).row(2, 3) - own[0, head, 15].reshape(4, 6).numpy()).max() < 1e-5
    assert abs(attention.row(2, 3) - own[0, :, 15].mean(0).reshape(4, 6).numpy()).max() < 1e-5


def test_gates_equal_what_a_reference_hook_sees(monkeypatch):
    net = seeded(resnet_with_cbam)
    own: list[Tensor] = []
    sigmoid = torch.sigmoid
    monkeypatch.setattr(torch, "sigmoid", lambda x: own.append(sigmoid(x)) or own[-1])
    with torch.no_grad():
        net(random_input())
    monkeypatch.undo()
    recording = record_found(net, random_input())
    gate, (spatial,) = channel_gates(recording)["layer2.1.channel_gate"], other_maps(recording)
    assert abs(gate.values - own[0][0].numpy()).max() < 1e-5
    assert abs(spatial.values - own[1][0, 0].numpy()).max() < 1e-5


def test_a_bias_between_product_and_softmax_is_part_of_the_rows(monkeypatch):
    net = seeded(Vit, "bias")
    own = softmaxes(net, monkeypatch)[0][0, :, 1:, 1:]
    (attention,) = position_attentions(record_found(net, random_input())).values()
    for head in range(3):
        expected = own[head, 13].reshape(4, 6).numpy()
        assert abs(attention.head(head).row(2, 1) - expected).max() < 1e-5


def test_a_bias_that_is_too_large_to_keep_is_refused(monkeypatch):
    monkeypatch.setattr("attnviz.observe.energies.MOST_OF_BIAS", 1000)
    (found,) = find_attention(seeded(Vit, "bias"), random_input())
    assert found.reason == "its bias of 3 x 25 x 25 is too large to keep"
    assert not record_found(seeded(Vit, "bias"), random_input()).sites


def test_another_change_between_product_and_softmax_is_refused_with_a_reason():
    (found,) = find_attention(seeded(Vit, "talking heads"), random_input())
    assert found.reason == "einsum stands between product and softmax"
    (found,) = find_attention(seeded(Vit, "clamped"), random_input())
    assert found.reason == "clamp stands between product and softmax"


class Shuffled(SelfSimilar):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(2).flip(2).view(x.shape))


def test_places_that_were_moved_are_put_back():
    plain, shuffled = (seeded(lambda kind=kind: Trunk(kind())) for kind in (SelfSimilar, Shuffled))
    (own,), (moved,) = (position_attentions(record_found(n, random_input())).values() for n in (plain, shuffled))
    assert abs(own.row(3, 5) - moved.row(3, 5)).max() < 1e-6


class Sorted(SelfSimilar):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(2).sort(dim=2).values.view(x.shape))


def test_places_that_were_lost_have_no_grid():
    found = find_attention(seeded(lambda: Trunk(Sorted())), random_input())
    assert [f.grid for f in found] == [None, None]
    assert found[0].reason == "no grid of the picture was found in it"


class Gating(nn.Module):
    def __init__(self, gate) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(x)


def groups(x: Tensor) -> Tensor:
    parts = x.view(x.shape[0] * 4, -1, *x.shape[2:])
    return (parts * parts.mean(1, keepdim=True).sigmoid()).view_as(x)


@pytest.mark.parametrize(
    ("gate", "kinds"),
    [
        (lambda x: x * torch.sigmoid(x), []),
        (lambda x: x * torch.sigmoid(1.702 * x), []),
        (lambda x: x * torch.tanh(F.softplus(x)), []),
        (lambda x: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.04 * x**3))), []),
        (lambda x: F.dropout(F.silu(F.gelu(x)), 0.5), []),
        (lambda x: x * (1 + torch.tanh(x.mean(1, keepdim=True))), ["spatial_gate"]),
        (lambda x: x * x.mean((2, 3), keepdim=True).softmax(1), ["channel_gate"]),
        (lambda x: x * F.hardsigmoid(x.roll(1, 1)), ["gate"]),
        (lambda x: x.mul_(F.interpolate(F.avg_pool2d(x, 2).mean(1, True).sigmoid(), scale_factor=2)), ["spatial_gate"]),
        (groups, ["group_gate"]),
    ],
    ids=["silu", "quick gelu", "mish", "tanh gelu", "modules", "1 + tanh", "softmax", "full", "interpolated", "groups"],
)
def test_what_multiplies_features_is_a_gate_unless_it_is_an_activation(gate, kinds):
    net = seeded(lambda: Trunk(Gating(gate)))
    assert [f.kind for f in find_attention(net, random_input())] == kinds


def test_a_network_without_attention_says_so():
    from torchvision.models import resnet50

    found = find_attention(seeded(resnet50, num_classes=3), random_input())
    assert len(found) == 0
    assert str(found) == (
        "No attention was found. Modules that could be watched instead: relu, layer1, layer2, layer3, layer4; "
        'explain(photo, model=net, sites="layer4") shows the norm of their features, sites="layer4.grad_cam" '
        "Grad-CAM there."
    )


def test_the_table_has_a_line_for_each():
    lines = str(find_attention(seeded(resnet_with_cbam), random_input())).splitlines()
    assert lines[0].split() == ["label", "kind", "grid", "stride", "heads", "range", "used", "where"]
    assert lines[2].split()[:6] == ["layer2.1.spatial_gate", "spatial_gate", "8", "x", "12", "8"]


def test_nothing_is_left_after_an_exception():
    net = seeded(resnet_with_cbam).train()
    net.fc = Gating(lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        find_attention(net, random_input())
    assert left(net) == 0
    assert all(m.training for m in net.modules())
    assert torch._C._len_torch_function_stack() == 0


def test_nothing_holds_the_network_or_its_tensors():
    net = seeded(resnet_with_cbam)
    inputs = random_input()
    recording = record_found(net, inputs)
    gone = [weakref.ref(net), weakref.ref(inputs), weakref.ref(recording.output)]
    del net, inputs, recording
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None]


def test_an_input_of_another_shape_is_refused():
    with pytest.raises(RecordError, match=r"got \(3, 8, 8\)"):
        find_attention(seeded(Vit, "sdpa"), torch.zeros(3, 8, 8))


@pytest.mark.parametrize("kind", ["cbam", "se", "sge"])
def test_what_is_found_equals_what_named_sites_give(kind):
    trunk = {"depth": 18, "width": 8, "attention": {"kind": kind, "groups": 4}}
    net = seeded(build_model, {"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 4})
    gates = {"spatial_gate", "channel_gate", "group_gate"}
    named, found = (
        [(s.kind, s.stride, r.sites[s.label]) for s in r.watched if s.kind in gates]
        for r in (record(net, random_input()), record_found(net, random_input()))
    )
    assert [part[:2] for part in found] == [part[:2] for part in named]
    assert all(torch.equal(own[2], other[2]) for own, other in zip(found, named, strict=True))


def test_a_gate_of_a_tanh_has_no_bounds_of_a_sigmoid():
    net = seeded(lambda: Trunk(Gating(lambda x: x * torch.tanh(5 * x.mean(1, keepdim=True)))))
    (gate,) = other_maps(record_found(net, random_input()))
    assert gate.raw_range[0] < 0
    assert gate.bounds == (None, None)


class Wrapped(nn.Module):
    def __init__(self, wrap) -> None:
        super().__init__()
        self.net, self.wrap = resnet_with_cbam(), wrap

    def forward(self, x: Tensor):
        return self.wrap(self.net(x))


@pytest.mark.parametrize(
    ("wrap", "count"),
    [
        (lambda y: y, 5),
        (lambda y: (y, None), 5),
        (lambda y: {"logits": y}, 5),
        (lambda y: {"out": y}, 5),
        (lambda y: y[:, :, None, None], 0),
        (lambda y: [{"boxes": y}], 0),
    ],
)
def test_any_network_is_explained(wrap, count, photo_path):
    explanation = attnviz.explain(photo_path, seeded(Wrapped, wrap), size=64, device="cpu")
    assert list(explanation.maps) == ["net.layer2.1.spatial_gate"]
    assert list(explanation.channel_gates) == ["net.layer2.1.channel_gate"]
    assert len(explanation.predictions) == count


def test_the_heads_of_a_vit_are_one_attention(photo_path):
    explanation = attnviz.explain(photo_path, seeded(Vit, "sdpa"), size=64, device="cpu")
    assert list(explanation.positions) == ["attn.attention"]
    assert list(explanation.maps) == ["attn.attention.received"]
    whole = explanation.attention("attn.attention")
    assert (whole.heads, whole.others) == (3, 1)
    one = explanation.attention("attn.attention.head2")
    assert abs(one.token_matrix().sum(1) - 1).max() < 1e-5
    assert 0 < one.row(0, 0).sum() < 1
    with pytest.raises(OptionError, match=r"got 'attn\.attention\.head3'"):
        explanation.attention("attn.attention.head3")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("cls_token", True),
        ("class_token", True),
        ("class_embedding", True),
        ("embeddings.cls_token", True),
        ("prefix", False),
        ("classifier.weight", False),
        ("class_embed.weight", False),
    ],
)
def test_a_class_token_is_told_by_its_name(name, wanted):
    inside, _, own = name.rpartition(".")
    net = nn.Module()
    net.register_parameter(own, nn.Parameter(torch.zeros(1)))
    net = nn.ModuleDict({inside: net}) if inside else net
    assert has_class_token(net) == wanted


def test_a_network_that_cannot_be_walked_without_numbers_is_explained(photo_path):
    net = seeded(
        lambda: Trunk(Gating(lambda x: x if float(x.sum()) == float("nan") else x * x.mean(1, True).sigmoid()))
    )
    assert list(attnviz.explain(photo_path, net, size=64, device="cpu").maps) == ["attend.spatial_gate"]
