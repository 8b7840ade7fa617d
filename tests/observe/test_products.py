"""Energies that are moved about, masked or added to before their softmax: rows equal the network's own."""

import math

import pytest
import torch
from torch import Tensor, nn

from attnviz.observe.collect import position_attentions
from attnviz.observe.discover import find_attention, record_found
from tests.observe.own_networks import Trunk, seeded

HEADS, WIDTH = 2, 8


class Attending(nn.Module):
    """Two heads over 16 x 24 places; how the energies become weights is told from outside, and the weights are kept."""

    def __init__(self, weigh) -> None:
        super().__init__()
        self.qkv, self.weigh = nn.Linear(16, 3 * HEADS * WIDTH), weigh
        self.rows, self.columns = (nn.Parameter(torch.randn(2 * n - 1, WIDTH)) for n in (16, 24))
        self.weights = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens).view(b, h * w, 3, HEADS, WIDTH).permute(2, 0, 3, 1, 4)
        self.weights = self.weigh(self, q, k, (h, w))
        y = self.weights @ v
        return y.transpose(1, 2).flatten(2).transpose(1, 2).reshape(b, -1, h, w)


def decomposed(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    """Segment Anything's: relative rows and columns are added to energies of five dimensions (arXiv 2304.02643)."""
    h, w = grid
    energy = (q * WIDTH**-0.5).flatten(0, 1) @ k.flatten(0, 1).transpose(-2, -1)
    at = q.flatten(0, 1).view(-1, h, w, WIDTH)
    of_rows = net.rows[torch.arange(h)[:, None] - torch.arange(h) + h - 1]
    of_columns = net.columns[torch.arange(w)[:, None] - torch.arange(w) + w - 1]
    rows, columns = torch.einsum("bhwc,hkc->bhwk", at, of_rows), torch.einsum("bhwc,wkc->bhwk", at, of_columns)
    energy = energy.view(-1, h, w, h, w) + rows[:, :, :, :, None] + columns[:, :, :, None, :]
    return energy.view(-1, HEADS, h * w, h * w).softmax(-1)


def heads_last(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    energy = torch.einsum("bqhc,bkhc->bqhk", q.transpose(1, 2), k.transpose(1, 2)) / math.sqrt(WIDTH)
    return energy.softmax(-1).transpose(1, 2)


def keys_first(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    return torch.einsum("bhkc,bhqc->bhkq", k, q).softmax(2).transpose(-2, -1)


def masked(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    n = q.shape[-2]
    return (q @ k.mT / 3).masked_fill(torch.ones(n, n).tril() == 0, -1e9).softmax(-1)


def masked_by_where(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    n = q.shape[-2]
    return torch.where(torch.ones(n, n, dtype=torch.bool).triu(), q @ k.mT, torch.finfo(torch.float32).min).softmax(-1)


def bias_of_moved(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    n = q.shape[-2]
    bias = torch.linspace(0, 3, n * n * HEADS).view(n, n, HEADS)
    return ((q @ k.mT).permute(0, 2, 3, 1) + bias).permute(0, 3, 1, 2).softmax(-1)


@pytest.mark.parametrize("weigh", [decomposed, heads_last, keys_first, masked, masked_by_where, bias_of_moved])
def test_rows_equal_the_networks_own_softmax(weigh):
    net = seeded(lambda: Trunk(Attending(weigh)))
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    (found,) = find_attention(net, x)
    assert (found.kind, found.grid, found.heads, found.reason) == ("position", (16, 24), HEADS, "")
    for _ in range(2):  # unknown, and known
        (attention,) = position_attentions(record_found(net, x)).values()
        own = net.attend.weights.detach()[0].numpy()
        for head in range(HEADS):
            for y, x_ in ((0, 0), (3, 17), (15, 23)):
                row = attention.head(head).row(y, x_).flatten()
                assert abs(row - own[head, 24 * y + x_]).max() < 1e-5


def not_softmaxed(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    """The dot-product version of a non-local block (arXiv 1711.07971): no shares of anything."""
    return q @ k.mT / k.shape[-2]


def mixed(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    return (q @ k.mT).permute(0, 2, 3, 1).matmul(torch.ones(HEADS, HEADS)).permute(0, 3, 1, 2).softmax(-1)


def hidden_for_some(net: Attending, q: Tensor, k: Tensor, grid: tuple[int, int]) -> Tensor:
    """What is filled in hides nothing."""
    return (q @ k.mT).masked_fill(torch.eye(q.shape[-2]) == 1, 0.5).softmax(-1)


@pytest.mark.parametrize(
    ("weigh", "reasons"),
    [
        (not_softmaxed, []),
        (mixed, ["matmul stands between product and softmax"]),
        (hidden_for_some, ["masked_fill stands between product and softmax"]),
    ],
)
def test_what_is_none_or_cannot_be_kept_is_not_shown(weigh, reasons):
    net = seeded(lambda: Trunk(Attending(weigh)))
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    assert [found.reason for found in find_attention(net, x)] == reasons
    assert not record_found(net, x).sites


class Pooled(nn.Module):
    """A product that is a step on the way of features, convolved and added to: no attention, and no reason to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        y = (flat.transpose(1, 2) @ flat / flat.shape[-1]) @ flat.transpose(1, 2)[..., :8]
        return self.out(y.permute(0, 2, 1).contiguous().view(len(x), 8, *x.shape[2:])) + x


def test_features_that_come_out_of_a_product_are_followed_without_harm():
    net, x = seeded(lambda: Trunk(Pooled())), torch.randn(1, 3, 64, 96)
    assert len(find_attention(net, x)) == 0
    with torch.no_grad():
        assert torch.equal(record_found(net, x).output, net(x))
