import threading

import pytest
import torch

from attnviz.bulk.network_threads import NetworkThreads, sharing_weights
from attnviz.models.weights.registry import load_model
from tests.bulk.made import SMALL


@pytest.fixture
def three_threads():
    """Torch with three threads, which it has again afterwards what it had before."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_every_thread_computes_alone_with_a_network_of_its_own_and_the_same_weights(three_threads):
    loaded, together = load_model(SMALL, "cpu"), threading.Barrier(three_threads, timeout=60)

    def seen(net):
        together.wait()  # all at once
        return id(net), next(net.parameters()).data_ptr(), torch.get_num_threads()

    with NetworkThreads(loaded.net, copies=True) as threads:
        found = [future.result() for future in [threads.submit(seen) for _ in range(three_threads)]]
    assert len({net for net, _, _ in found}) == three_threads
    assert {weights for _, weights, _ in found} == {next(loaded.net.parameters()).data_ptr()}
    assert {count for _, _, count in found} == {1}


def test_torch_has_its_threads_again_afterwards(three_threads):
    loaded = load_model(SMALL, "cpu")
    with pytest.raises(KeyError), NetworkThreads(loaded.net, copies=True) as threads:
        threads.submit(lambda net: {}[net]).result()
    counts = []
    later = threading.Thread(target=lambda: counts.append(torch.ones(1).add(1) is not None and torch.get_num_threads()))
    later.start()
    later.join()
    assert (counts, torch.get_num_threads()) == ([three_threads], three_threads)


def test_without_copies_all_have_the_same_network(three_threads):
    net = torch.nn.Conv2d(3, 4, 1)
    with NetworkThreads(net, copies=False) as threads:
        assert all(threads.submit(lambda given: given is net).result() for _ in range(6))


def test_what_has_not_begun_when_it_ends_is_left_out(three_threads):
    net, go = torch.nn.Conv2d(3, 4, 1), threading.Event()
    with NetworkThreads(net, copies=False) as threads:
        futures = [threads.submit(lambda given: go.wait(60)) for _ in range(20)]
        while not all(future.running() for future in futures[:three_threads]):
            pass
        threading.Timer(0.2, go.set).start()
    assert [future.cancelled() for future in futures].count(True) >= 20 - 2 * three_threads


def test_a_copy_that_shares_weights_computes_the_same_and_has_hooks_of_its_own():
    net = load_model(SMALL, "cpu").net
    copied, x = sharing_weights(net), torch.rand(1, 3, 64, 64)
    calls = []
    copied.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        assert torch.equal(net(x), copied(x))
    assert calls == [1]
    assert all(ours is theirs for ours, theirs in zip(net.parameters(), copied.parameters(), strict=True))
    assert all(ours is theirs for ours, theirs in zip(net.buffers(), copied.buffers(), strict=True))
