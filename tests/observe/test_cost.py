"""The estimate of memory and time, against what runs really do."""

import pytest
import torch
from torch import nn

from attnviz.errors import DeviceError
from attnviz.observe.cost import Cost, Throughput, _walk, check_fits, estimate, free_memory, in_words, without_numbers
from attnviz.observe.discover import record_found
from attnviz.observe.recorder import record
from tests.observe.real_cases import CASES, input_of, net_of


def macs_of(net, x):
    """Counted from the shapes of a real forward pass, kernel by kernel."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        if isinstance(module, nn.Conv2d):
            weight = module.weight
            total += output.numel() * weight.shape[1] * weight.shape[2] * weight.shape[3]
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.weight.shape[1]

    handles = [module.register_forward_hook(count) for module in net.modules()]
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    return total


def test_macs_of_a_bam_net_are_exact(tiny_bam):
    cost = estimate(tiny_bam, (64, 96), (64, 96))
    assert cost.macs == macs_of(tiny_bam, torch.zeros(1, 3, 64, 96))


def test_both_attentions_of_danet_are_counted(tiny_danet):
    size = (64, 96)
    locations = 8 * 12
    query = tiny_danet.head.sa.query_conv
    cost = estimate(tiny_danet, size, size)
    convolutions = macs_of(tiny_danet, torch.zeros(1, 3, *size))
    position = locations * locations * (query.in_channels + query.out_channels)  # q k and the weights times v
    channel = 2 * query.in_channels**2 * locations  # F F^T and the weights times F
    assert cost.macs - convolutions == position + channel


@pytest.mark.parametrize("architecture", ["BamResNet", "DANet"])
def test_memory_is_at_least_what_is_kept(architecture, tiny_net):
    net = tiny_net(architecture)
    recording = record(net, torch.zeros(1, 3, 64, 96))
    kept = sum(tensor.numel() * 4 for tensor in recording.sites.values())
    cost = estimate(net, (64, 96), (64, 96))
    assert kept < cost.nbytes < 40 * kept


def test_more_pixels_take_more(tiny_danet):
    small, large = (estimate(tiny_danet, (side, side), (side, side)) for side in (64, 256))
    assert large.nbytes > small.nbytes
    assert large.macs > 16 * small.macs  # convolutions grow 16 times, attention 256 times
    assert estimate(tiny_danet, (64, 64), (4000, 4000)).nbytes > small.nbytes + 4000 * 4000 * 3


def test_nothing_is_allocated_for_a_huge_input(tiny_danet):
    cost = estimate(tiny_danet, (8192, 8192), (8192, 8192))
    assert cost.nbytes > 8e9


def test_the_walk_leaves_the_network_alone(tiny_danet):
    before = {key: value.clone() for key, value in tiny_danet.state_dict().items()}
    estimate(tiny_danet, (72, 72), (72, 72))
    assert all(torch.equal(value, before[key]) for key, value in tiny_danet.state_dict().items())
    assert not any(module._forward_hooks for module in tiny_danet.modules())
    shapes = without_numbers(tiny_danet)
    assert {tensor.device.type for tensor in (*shapes.parameters(), *shapes.buffers())} == {"meta"}


def test_refuses_what_the_machine_cannot_hold():
    cost = Cost(nbytes=2_000_000_000, macs=1, seconds=1.0)
    check_fits(cost, 4_000_000_000)
    check_fits(cost, None)
    with pytest.raises(DeviceError, match=r"within the 2\.1 GB of memory that is free, got one of about 2\.0 GB"):
        check_fits(cost, 2_100_000_000)


def test_free_memory_is_read():
    free = free_memory()
    assert free is None or 1e7 < free < 1e14


def test_a_container_bounds_what_is_free(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    monkeypatch.setattr("attnviz.observe.cost._CGROUP", tmp_path)
    assert free_memory() == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() != 600_000


def test_rates_are_learned_per_device(tiny_bam):
    rates = Throughput()
    first = rates.rate("cpu")
    assert rates.rate("cuda:1") > first
    rates.learn("cpu", 10**10, 1.0)
    assert rates.rate("cpu") == 1e10
    rates.learn("cpu", 3 * 10**10, 1.0)
    assert rates.rate("cpu") == 2e10
    rates.learn("cpu", 5 * 10**10, 0.0)
    rates.learn("cpu", 10**8, 1.0)  # a small first run is mostly warming up: it must not frighten a larger one
    assert rates.rate("cpu") == 2e10
    cost = estimate(tiny_bam, (64, 64), (64, 64), throughput=rates)
    assert cost.seconds == cost.macs / 2e10


@pytest.mark.parametrize(
    ("nbytes", "words"),
    [
        (0, "1 kB"),
        (34e3, "34 kB"),
        (999.6e3, "1 MB"),
        (210e6, "210 MB"),
        (999.4e6, "999 MB"),
        (999.6e6, "1.0 GB"),
        (3.44e9, "3.4 GB"),
    ],
)
def test_bytes_in_words(nbytes, words):
    assert in_words(nbytes) == words


@pytest.mark.parametrize("name", ["vit", "danet by hand", "resnet50 with cbam", "swin", "detr", "beit"])
def test_what_is_kept_of_a_found_network_is_counted(name):
    kept = sum(tensor.numel() * 4 for tensor in record_found(net_of(name), input_of(name)).sites.values())
    assert kept <= _walk(net_of(name), CASES[name][1]).kept <= 2 * kept
