"""Gates whose numbers lie otherwise than (B, C, h, w) are laid on the picture: by formula, in both passes."""

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz.measure.interventions import answer, interventions_on
from attnviz.observe.discover import find_attention, record_found
from tests.observe.own_networks import Trunk, seeded


def picture(batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, 64, 96, generator=torch.Generator().manual_seed(1))


class Own(nn.Module):
    """Whatever is to be tried, and layers for it."""

    def __init__(self, attend) -> None:
        super().__init__()
        self.conv, self.to_one, self.linear, self.mix = (
            nn.Conv2d(16, 1, 1),
            nn.Linear(16, 1),
            nn.Linear(16, 16),
            nn.Conv2d(16, 6, 1),
        )
        self.attend = attend

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(self, x)


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def back(t: Tensor, x: Tensor) -> Tensor:
    return t.transpose(1, 2).reshape(x.shape)


def gate_of(net: Own, x: Tensor) -> Tensor:
    """(B, 1, h, w): what a linear layer says of each place."""
    return net.to_one(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).sigmoid()


def channels_of(net: Own, x: Tensor) -> Tensor:
    return net.linear(x.mean((2, 3))).sigmoid()[..., None, None]


def full_of(net: Own, x: Tensor) -> Tensor:
    return net.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).sigmoid()


def channels_last(gate):
    def attend(net: Own, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        return (y * gate(net, y)).permute(0, 3, 1, 2)

    return attend


def as_tokens(gate):
    return lambda net, x: back(tokens(x) * gate(net, tokens(x)), x)


def with_class_token(net: Own, x: Tensor) -> Tensor:
    t = torch.cat([x.mean((2, 3))[:, None], tokens(x)], 1)
    return back((t * net.to_one(t).sigmoid())[:, 1:], x)


def rotated(net: Own, x: Tensor) -> Tensor:
    """Triplet attention's branch of width and channels: a gate that is the same for all rows (arXiv 2010.03045)."""
    y = x.permute(0, 2, 1, 3)
    return (y * y.mean(1, keepdim=True).sigmoid()).permute(0, 2, 1, 3)


def turned(net: Own, x: Tensor) -> Tensor:
    y = x.permute(0, 3, 2, 1)
    return (y * y.mean(1, keepdim=True).sigmoid()).permute(0, 3, 2, 1)


WAYS = {
    "channels last, spatial": (channels_last(lambda n, y: n.to_one(y).sigmoid()), "spatial_gate", gate_of),
    "channels last, channel": (
        channels_last(lambda n, y: n.linear(y.mean((1, 2), keepdim=True)).sigmoid()),
        "channel_gate",
        channels_of,
    ),
    "channels last, full": (channels_last(lambda n, y: n.linear(y).sigmoid()), "gate", full_of),
    "tokens, spatial": (as_tokens(lambda n, t: n.to_one(t).sigmoid()), "spatial_gate", gate_of),
    "tokens, channel": (
        as_tokens(lambda n, t: n.linear(t.mean(1, keepdim=True)).sigmoid()),
        "channel_gate",
        channels_of,
    ),
    "tokens, full": (as_tokens(lambda n, t: n.linear(t).sigmoid()), "gate", full_of),
    "class token first": (with_class_token, "spatial_gate", gate_of),
    "places in a row": (
        lambda n, x: (x.flatten(2) * n.linear(x.mean((2, 3))).sigmoid().unsqueeze(-1)).view_as(x),
        "channel_gate",
        channels_of,
    ),
    "added with a product": (
        lambda n, x: torch.addcmul(x, x, gate_of(n, x)),
        "spatial_gate",
        gate_of,
    ),
    "columns and channels": (rotated, "column_gate", lambda n, x: x.mean(2, keepdim=True).sigmoid().expand_as(x)),
    "rows and channels": (turned, "row_gate", lambda n, x: x.mean(3, keepdim=True).sigmoid().expand_as(x)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_gate_is_where_it_multiplies(way):
    attend, kind, formula = WAYS[way]
    net, x = seeded(lambda: Trunk(Own(attend))), picture(2)
    (found,) = find_attention(net, x)
    assert (found.kind, found.grid) == (kind, None if kind == "channel_gate" else (16, 24))
    with torch.no_grad():
        expected = formula(net.attend, net.stem(x))
    for _ in range(2):  # unknown, and known
        (value,) = record_found(net, x).sites.values()
        assert value.shape == expected.shape
        assert float((value - expected).abs().max()) < 1e-6


@pytest.mark.parametrize("way", WAYS)
def test_what_is_taken_from_it_is_taken_along_its_own_dimensions(way):
    attend, kind, formula = WAYS[way]
    net, x = seeded(lambda: Trunk(Own(attend))), picture()
    first, one = interventions_on(net, x)
    assert first.key.endswith("even" if kind == "channel_gate" else "flat")
    with torch.no_grad():
        features = net.stem(x)
        gate = formula(net.attend, features)
        mean = gate.mean(1 if kind == "channel_gate" else (2, 3), keepdim=True).expand_as(gate)
        shortcut = features if way == "added with a product" else 0
        for changed, left in ((first, mean), (one, torch.ones_like(gate))):
            expected = net.head((shortcut + features * left).mean((2, 3)))
            assert float((answer(net, x, changed) - expected).abs().max()) < 1e-5


def test_no_gate_of_a_linear_unit_that_is_an_activation():
    net = seeded(lambda: Trunk(Own(as_tokens(lambda n, t: t.sigmoid()))))
    assert len(find_attention(net, picture())) == 0


def double_attention(net: Own, x: Tensor) -> Tensor:
    """Six softmaxes over all places, by which features are gathered, then given out again (arXiv 1810.11579)."""
    maps, given = net.mix(x).flatten(2).softmax(-1), net.mix(x).flatten(2).softmax(1)
    return x + torch.bmm(torch.bmm(x.flatten(2), maps.transpose(1, 2)), given).view_as(x)


def object_regions(net: Own, x: Tensor) -> Tensor:
    """As OCRNet gathers its regions (arXiv 1909.11065)."""
    return x + torch.matmul(net.mix(x).flatten(2).softmax(2), tokens(x)).mean(1)[..., None, None]


def efficient(net: Own, x: Tensor) -> Tensor:
    """Keys that are a softmax over places, with channels last (arXiv 1812.01243)."""
    keys = tokens(net.mix(x)).softmax(-2)
    return x + (keys.transpose(-2, -1) @ tokens(x)).mean(1)[..., None, None]


@pytest.mark.parametrize("attend", [double_attention, object_regions, efficient])
def test_several_softmaxes_over_all_places_are_maps_side_by_side(attend, photo_path):
    net, x = seeded(lambda: Trunk(Own(attend))), picture(2)
    (found,) = find_attention(net, x)
    assert (found.kind, found.grid) == ("group_gate", (16, 24))
    with torch.no_grad():
        expected = net.attend.mix(net.stem(x)).flatten(2).softmax(-1).view(2, 6, 16, 24)
    for _ in range(2):
        (value,) = record_found(net, x).sites.values()
        assert float((value - expected).abs().max()) < 1e-6
    explanation = attnviz.explain(photo_path, net, size=64, device="cpu")
    assert [len(gates.values) for gates in explanation.group_gates.values()] == [6]


def test_a_softmax_between_channels_is_no_map():
    def attend(net: Own, x: Tensor) -> Tensor:
        return x + torch.bmm(torch.ones(len(x), 16, 6), net.mix(x).flatten(2).softmax(1)).view_as(x)

    assert len(find_attention(seeded(lambda: Trunk(Own(attend))), picture())) == 0


def test_a_matrix_of_attention_that_looks_everywhere_alike_is_no_map():
    def attend(net: Own, x: Tensor) -> Tensor:
        zero = 0 * tokens(x)
        return x + back((zero @ zero.transpose(1, 2)).softmax(-1) @ tokens(x), x)

    (found,) = find_attention(seeded(lambda: Trunk(Own(attend))), picture())
    assert (found.kind, found.grid) == ("position", (16, 24))


def test_regions_in_a_row_are_no_grid_of_the_picture():
    """OCRNet's regions go through 1 x 1 convolutions as (B, C, regions, 1)."""

    class Regions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key = nn.Conv2d(16, 8, 1), nn.Conv2d(16, 8, 1)
            self.mix = nn.Conv2d(16, 5, 1)

        def forward(self, x: Tensor) -> Tensor:
            regions = torch.matmul(self.mix(x).flatten(2), tokens(x)).permute(0, 2, 1).unsqueeze(3)
            q, k = tokens(self.query(x)), self.key(regions).flatten(2)
            return x + back((q @ k).softmax(-1) @ regions.squeeze(3).transpose(1, 2), x)

    (found,) = find_attention(seeded(lambda: Trunk(Regions())), picture())
    assert (found.grid, found.reason) == (None, "no grid of the picture was found in it")
