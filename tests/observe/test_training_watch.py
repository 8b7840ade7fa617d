"""A network is watched while it is trained: gradients as without it, the last step kept, nothing left."""

import contextlib
import gc
import threading
import weakref

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz.models.build import build_model
from attnviz.observe.discover import record_found
from tests.observe.own_networks import Se, Trunk, Vit, resnet_with_cbam, seeded
from tests.observe.test_discover import Gating, left, random_input

TRUNK = {"depth": 18, "width": 8, "attention": {"kind": "cbam"}}
NETS = {
    "cbam": resnet_with_cbam,
    "vit": lambda: Vit("before"),
    "sites": lambda: build_model({"architecture": "AttentionResNet", "trunk": TRUNK, "num_classes": 4}),
}


def trained(net: nn.Module, steps: int = 3) -> list[Tensor]:
    """The parameters after some steps on different pictures."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for step in range(steps):
        optimizer.zero_grad()
        net(random_input(2) * (step + 1)).square().mean().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in net.parameters()]


@pytest.mark.parametrize("name", NETS)
def test_training_is_the_same_to_the_bit_and_nothing_is_left(name):
    alone, net = (seeded(NETS[name]).train() for _ in range(2))
    expected = trained(alone)
    with attnviz.watch(net) as seen:
        got = trained(net)
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))
    assert seen.steps == 3
    assert left(net) == 0
    assert torch._C._len_torch_function_stack() == 0
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize("name", ["cbam", "vit"])
def test_the_last_step_is_what_was_computed_in_it(name):
    net = seeded(NETS[name])
    with attnviz.watch(net) as seen:
        assert seen.last is None
        for step in range(3):
            output = net(random_input() * (step + 1))
            expected = record_found(net, random_input() * (step + 1))  # is seen as well: it runs the network
            assert seen.last.sites.keys() == expected.sites.keys()
            for label, tensor in expected.sites.items():
                assert not seen.last.sites[label].requires_grad
                assert torch.equal(seen.last.sites[label], tensor)
            assert torch.equal(seen.last.output, output)


def test_memory_does_not_grow_with_the_steps():
    net = seeded(resnet_with_cbam).train()
    outputs: list[weakref.ref] = []
    with attnviz.watch(net) as seen:
        for _ in range(5):
            output = net(random_input(2))
            output.sum().backward()
            outputs.append(weakref.ref(output))
            recording = weakref.ref(seen.last)
            del output
        gc.collect()
        assert [ref() for ref in outputs] == [None] * 5
        net(random_input(2))
        gc.collect()
        assert recording() is None  # its place was taken


class StepError(Exception):
    pass


@pytest.mark.parametrize("error", [StepError, KeyboardInterrupt])
@pytest.mark.parametrize("steps_before", [0, 1])
def test_nothing_is_left_when_an_exception_passes(error, steps_before):
    stop = False

    def gate(x: Tensor) -> Tensor:
        if stop:
            raise error
        return x * x.mean(1, keepdim=True).sigmoid()

    net = seeded(lambda: Trunk(Gating(gate))).train()
    with contextlib.suppress(error), attnviz.watch(net) as seen:
        for _ in range(steps_before):
            net(random_input())
        stop = True
        net(random_input())
        pytest.fail("the network was to raise")
    assert seen.steps == steps_before
    assert left(net) == 0
    assert torch._C._len_torch_function_stack() == 0


def test_a_step_that_fails_and_is_caught_is_not_seen():
    stop = True

    def gate(x: Tensor) -> Tensor:
        if stop:
            raise StepError
        return x * x.mean(1, keepdim=True).sigmoid()

    net = seeded(lambda: Trunk(Gating(gate)))
    with attnviz.watch(net) as seen:
        with pytest.raises(StepError):
            net(random_input())
        assert torch._C._len_torch_function_stack() == 0
        stop = False
        net(random_input())
    assert seen.steps == 1
    assert list(seen.last.sites) == ["attend.spatial_gate"]


def test_a_network_that_takes_another_way_each_time_is_watched_whole():
    ways = [lambda x: x * x.mean(1, keepdim=True).sigmoid(), lambda x: x * torch.tanh(x.mean((2, 3), keepdim=True))]
    number = 0
    net = seeded(lambda: Trunk(Gating(lambda x: ways[number % 2](x))))
    kinds = []
    with attnviz.watch(net) as seen:
        for _step in range(5):
            net(random_input())
            kinds.append([site.kind for site in seen.last.watched])
            number += 1
    assert kinds[0] == ["spatial_gate"]
    assert kinds[2:] == [["spatial_gate"], ["channel_gate"], ["spatial_gate"]]


def test_another_thread_is_not_watched():
    net = seeded(lambda: Trunk(Se(16)))
    with attnviz.watch(net) as seen:
        other = threading.Thread(target=lambda: net(random_input()))
        other.start()
        other.join()
        assert seen.steps == 0
        net(random_input())
    assert seen.steps == 1


def test_what_is_no_picture_is_passed_by():
    net = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    with attnviz.watch(net) as seen:
        net(torch.zeros(1, 4))
    assert seen.last is None
