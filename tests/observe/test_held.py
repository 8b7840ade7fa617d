"""What a known pass copies is as the forward pass left it, whatever comes after; its memory is used again."""

import gc

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import attnviz
from attnviz.observe.discover import record_found
from attnviz.observe.held import HeldAttention
from attnviz.observe.watched_pass import WatchedPass
from tests.observe.own_networks import Vit, seeded

LABEL = "attn.attention.query"


def picture(seed: int = 0) -> Tensor:
    return torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(seed))


class Overwritten(nn.Module):
    """An attention whose query and key are written into right after their use, past PyTorch's count of it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.qkv, self.cached = nn.Conv2d(3, 8, 16, 16), nn.Linear(8, 24), torch.empty(1, 12, 8)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.patch(x).flatten(2).transpose(1, 2)).unsqueeze(1).chunk(3, -1)
        self.cached.copy_(k[:, 0].detach())
        y = F.scaled_dot_product_attention(q, self.cached.unsqueeze(1), v)
        q.data.zero_()
        self.cached.zero_()
        return y.mean((1, 2))


def test_what_was_recorded_stays_when_the_network_runs_again():
    net = seeded(Vit, "sdpa")
    record_found(net, picture())
    one, other = record_found(net, picture(1)), record_found(net, picture(2))  # neither is read before both are there
    expected = [attnviz.find_attention(net, picture(seed)) and record_found(net, picture(seed)) for seed in (1, 2)]
    for found, own in zip((one, other), expected, strict=True):
        assert found.sites.keys() == own.sites.keys()
        assert all(torch.equal(found.sites[label], own.sites[label]) for label in own.sites)
    assert not torch.equal(one.sites[LABEL], other.sites[LABEL])


def test_tensors_that_were_asked_for_are_not_written_into_by_later_passes():
    net = seeded(Vit, "sdpa")
    record_found(net, picture())
    sites = record_found(net, picture(1)).sites
    before = {label: tensor.clone() for label, tensor in sites.items()}
    for seed in (2, 3):
        record_found(net, picture(seed))
    assert all(torch.equal(sites[label], tensor) for label, tensor in before.items())


def test_query_and_key_that_the_network_overwrites_are_shown_as_they_were_used():
    net = seeded(Overwritten)
    first, second = (record_found(net, picture()) for _ in range(2))
    tokens = net.qkv(net.patch(picture()).flatten(2).transpose(1, 2))
    q, k, _ = tokens.chunk(3, -1)
    for found in (first, second):
        query, key = (found.sites[f"attention.{name}"].flatten(2) for name in ("query", "key"))
        assert torch.allclose(query, q.transpose(1, 2) / 8**0.5, atol=1e-6)
        assert torch.allclose(key, k.transpose(1, 2), atol=1e-6)


def held_in(net: nn.Module, seed: int) -> HeldAttention:
    with torch.no_grad(), WatchedPass(net, picture(seed)) as watched:
        net(picture(seed))
    (value,) = (value for _, value in watched.finds)
    assert isinstance(value, HeldAttention)
    return value


def test_memory_is_used_again_once_nobody_holds_it():
    net = seeded(Vit, "sdpa")
    record_found(net, picture())
    held = held_in(net, 1)
    places = {tensor.data_ptr() for tensor in held._copies or ()}
    other = held_in(net, 2)
    assert places.isdisjoint(tensor.data_ptr() for tensor in other._copies or ())
    del held
    gc.collect()
    again = held_in(net, 3)
    assert {tensor.data_ptr() for tensor in again._copies or ()} == places
    kept = again.kept
    assert kept is not None
    assert places.isdisjoint({kept.query.untyped_storage().data_ptr(), kept.key.untyped_storage().data_ptr()})


@pytest.mark.parametrize("first", [True, False])
def test_memory_of_the_inference_mode_serves_outside_of_it_and_the_other_way_round(first):
    net = seeded(Vit, "sdpa")
    with torch.no_grad():
        record_found(net, picture())
    sites = []
    for inference in (first, not first, first):
        with torch.inference_mode(inference):
            sites.append(record_found(net, picture(1)).sites[LABEL].clone())
    assert torch.equal(sites[0], sites[1])
    assert torch.equal(sites[0], sites[2])


def test_another_dtype_on_the_way_gets_memory_of_its_own():
    net = seeded(Vit, "sdpa")
    record_found(net, picture())
    whole = record_found(net, picture()).sites[LABEL]
    with torch.autocast("cpu", torch.bfloat16):
        half = [record_found(net, picture()).sites[LABEL] for _ in range(2)]
    again = record_found(net, picture()).sites[LABEL]
    assert torch.equal(half[0], half[1])
    assert not torch.equal(half[0], whole)
    assert torch.equal(again, whole)
