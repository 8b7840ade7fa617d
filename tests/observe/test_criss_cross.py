"""Criss-cross attention as people write it equals one formula, for every location and both ways."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import attnviz
from attnviz.inputs.preprocess import normalise
from attnviz.measure.found_edits import exchanged
from attnviz.measure.interventions import answer, interventions_on
from attnviz.observe.collect import position_attentions
from attnviz.observe.discover import find_attention, record_found
from attnviz.observe.layouts import _codes
from tests.observe.own_networks import Trunk, seeded


class CrissCross(nn.Module):
    """Without its softmax; the values of both arms are gathered the same way by all."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, c, 1) for c in (4, 4, channels))
        self.gamma = nn.Parameter(torch.ones(1))


class Published(CrissCross):
    """As the authors wrote it: views, bmm, the location itself at minus infinity in its column (arXiv 1811.11721)."""

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.size()
        q, k, v = self.query(x), self.key(x), self.value(x)
        query_h = q.permute(0, 3, 1, 2).contiguous().view(b * w, -1, h).permute(0, 2, 1)
        query_w = q.permute(0, 2, 1, 3).contiguous().view(b * h, -1, w).permute(0, 2, 1)
        key_h = k.permute(0, 3, 1, 2).contiguous().view(b * w, -1, h)
        key_w = k.permute(0, 2, 1, 3).contiguous().view(b * h, -1, w)
        value_h = v.permute(0, 3, 1, 2).contiguous().view(b * w, -1, h)
        value_w = v.permute(0, 2, 1, 3).contiguous().view(b * h, -1, w)
        inf = -torch.diag(torch.tensor(float("inf")).repeat(h), 0).unsqueeze(0).repeat(b * w, 1, 1)
        energy_h = (torch.bmm(query_h, key_h) + inf).view(b, w, h, h).permute(0, 2, 1, 3)
        energy_w = torch.bmm(query_w, key_w).view(b, h, w, w)
        both = F.softmax(torch.cat([energy_h, energy_w], 3), dim=3)
        att_h = both[:, :, :, 0:h].permute(0, 2, 1, 3).contiguous().view(b * w, h, h)
        att_w = both[:, :, :, h : h + w].contiguous().view(b * h, w, w)
        out_h = torch.bmm(value_h, att_h.permute(0, 2, 1)).view(b, w, -1, h).permute(0, 2, 3, 1)
        out_w = torch.bmm(value_w, att_w.permute(0, 2, 1)).view(b, h, -1, w).permute(0, 2, 1, 3)
        return self.gamma * (out_h + out_w) + x


class Einsum(CrissCross):
    """As mmcv writes it, with ways to hide the location itself, or not to."""

    def __init__(self, own: str) -> None:
        super().__init__()
        self.own = own

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        q, k, v = self.query(x), self.key(x), self.value(x)
        eye = torch.eye(h, dtype=torch.bool)
        if self.own == "transposed":
            energy_h = torch.einsum("bchw,bciw->bwhi", q, k) + torch.zeros(h, h).masked_fill(eye, -torch.inf)
            energy_h = energy_h.transpose(1, 2)
        else:
            energy_h = torch.einsum("bchw,bciw->bhwi", q, k)
        if self.own == "masked":
            energy_h = energy_h.masked_fill(eye.view(h, 1, h), float("-inf"))
        if self.own == "added":
            energy_h = energy_h + torch.zeros(h, 1, h).masked_fill(eye.view(h, 1, h), -1e9)
        energy_w = torch.einsum("bchw,bchj->bhwj", q, k)
        if self.own == "where":
            energy_w = torch.where(torch.eye(w, dtype=torch.bool), -torch.inf, energy_w)
        row_first = self.own == "where"
        both = F.softmax(torch.cat([energy_w, energy_h] if row_first else [energy_h, energy_w], dim=-1), dim=-1)
        of_h, of_w = (both[..., w:], both[..., :w]) if row_first else (both[..., :h], both[..., h:])
        y = torch.einsum("bciw,bhwi->bchw", v, of_h) + torch.einsum("bchj,bhwj->bchw", v, of_w)
        return x + self.gamma * y


def picture(height: int = 32, width: int = 48, batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def by_formula(net: nn.Module, x: Tensor, *, twice: bool) -> np.ndarray:
    """Weights (N, N) of the first picture."""
    with torch.no_grad():
        features = net.stem(x[:1])
        q, k = (f(features)[0].flatten(1) for f in (net.attend.query, net.attend.key))
    h, w = features.shape[2:]
    y, x_ = (t.flatten() for t in torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
    counts = (y[:, None] == y).float() + (x_[:, None] == x_).float()
    if not twice:
        counts = counts.clamp_max(1)
    weights = (q.T @ k).double().exp() * counts
    return (weights / weights.sum(1, keepdim=True)).numpy()


WAYS = {
    "published": (Published, False),
    "transposed": (lambda: Einsum("transposed"), False),
    "masked": (lambda: Einsum("masked"), False),
    "added": (lambda: Einsum("added"), False),
    "where": (lambda: Einsum("where"), False),
    "twice": (lambda: Einsum("twice"), True),
}


@pytest.mark.parametrize("size", [(32, 48), (28, 8), (8, 36)])
@pytest.mark.parametrize("way", WAYS)
def test_every_row_and_column_equals_the_formula(way, size):
    make, twice = WAYS[way]
    net, x = seeded(lambda: Trunk(make())), picture(*size, batch=2)
    expected = by_formula(net, x, twice=twice)
    h, w = size[0] // 4, size[1] // 4
    (found,) = find_attention(net, x)
    assert (found.label, found.kind, found.grid, found.reason) == ("attend.attention", "position", (h, w), "")
    for _ in range(2):  # unknown, and known
        (attention,) = position_attentions(record_found(net, x)).values()
        assert abs(attention.token_matrix() - expected).max() < 1e-5
        for y, x_ in {(0, 0), (h // 2, w // 3), (h - 1, w - 1)}:
            assert abs(attention.row(y, x_).flatten() - expected[y * w + x_]).max() < 1e-5
            assert abs(attention.column(y, x_).flatten() - expected[:, y * w + x_]).max() < 1e-5
        assert abs(attention.received.flatten() - expected.mean(0)).max() < 1e-5


class TwoKeys(Published):
    """Its column is compared with other keys than its row: no one query and key tells that."""

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.query(x), self.key(x)
        energy_h = torch.einsum("bchw,bciw->bhwi", q, -k)
        both = torch.cat([energy_h, torch.einsum("bchw,bchj->bhwj", q, k)], -1).softmax(-1)
        return x + torch.einsum("bchj,bhwj->bchw", self.value(x), both[..., x.shape[2] :])


class ScaledArm(TwoKeys):
    def forward(self, x: Tensor) -> Tensor:
        q, k = self.query(x), self.key(x)
        energies = torch.einsum("bchw,bciw->bhwi", q, k) * 3, torch.einsum("bchw,bchj->bhwj", q, k)
        return x + torch.einsum(
            "bchj,bhwj->bchw", self.value(x), torch.cat(energies, -1).softmax(-1)[..., x.shape[2] :]
        )


class WithAMemory(TwoKeys):
    """Its row beside a row of tokens that are no places."""

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.query(x), self.key(x)
        energies = torch.einsum("bchw,cj->bhwj", q, k[0, :, 0]), torch.einsum("bchw,bchj->bhwj", q, k)
        return x + torch.einsum(
            "bchj,bhwj->bchw", self.value(x), torch.cat(energies, -1).softmax(-1)[..., x.shape[3] :]
        )


@pytest.mark.parametrize("kind", [TwoKeys, ScaledArm])
def test_what_only_looks_like_it_is_refused_with_a_reason(kind):
    (found,) = find_attention(seeded(lambda: Trunk(kind())), picture())
    assert found.reason == "cat stands between product and softmax"
    assert not record_found(seeded(lambda: Trunk(kind())), picture()).sites


def test_energies_beside_what_is_no_criss_cross_are_not_shown():
    assert not record_found(seeded(lambda: Trunk(WithAMemory())), picture()).sites


def test_a_photo_is_explained_and_both_arms_are_taken_away_together(photo_path):
    net, x = seeded(lambda: Trunk(Published())), picture()
    explanation = attnviz.explain(photo_path, net, size=64, device="cpu")
    assert list(explanation.positions) == ["attend.attention"]
    inside = attnviz.explain(photo_path, net, size=64, device="cpu", inside=True).inside("attend.attention")
    with torch.no_grad():
        height, width = explanation.positions["attend.attention"].grid
        query = net.attend.query(net.stem(normalise(explanation.network_image, explanation.preprocessing)))[0]
    assert inside["B"].shape == (4, height, width)  # nothing of what hides the other places
    assert inside["B"].range == pytest.approx((float(query.min()), float(query.max())), abs=1e-5)
    (shuffled,) = interventions_on(net, x)
    untouched, changed = answer(net, x), answer(net, x, shuffled)
    assert float((untouched - changed).abs().max()) > 0

    class Exchanged(Published):
        def forward(self, x: Tensor) -> Tensor:
            h, w = x.shape[2:]
            q, k, v = self.query(x), self.key(x), self.value(x)
            energy_h = torch.einsum("bchw,bciw->bhwi", q, k) + torch.zeros(h, 1, h).masked_fill(
                torch.eye(h, dtype=torch.bool).view(h, 1, h), -torch.inf
            )
            both = torch.cat([energy_h, torch.einsum("bchw,bchj->bhwj", q, k)], -1).softmax(-1)
            of_h, of_w = both[..., :h][:, exchanged(h)], both[..., h:][:, :, exchanged(w)]
            y = torch.einsum("bciw,bhwi->bchw", v, of_h) + torch.einsum("bchj,bhwj->bchw", v, of_w)
            return x + self.gamma * y

    net.attend.__class__ = Exchanged
    with torch.no_grad():
        assert float((net(x) - changed).abs().max()) < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3, 7, 97])
def test_no_code_contains_another(count):
    codes = _codes(count)
    contained = ((codes[:, None] <= codes[None]).all(-1)).float()
    assert codes.shape[0] == count
    assert torch.equal(contained, torch.eye(count))
