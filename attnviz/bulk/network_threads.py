"""One network in several threads, a batch in each: every thread computes alone, with a copy that shares the weights.

Threads that share one pass wait for each other at every layer, and longest for the one whose core is reading photos.
Threads with a pass each never wait, and what they compute does not depend on how many there are.
"""

import copy
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

import torch
from torch import nn

_Out = TypeVar("_Out")


class NetworkThreads:
    """Threads that each have a network of their own to work with.

    There are as many as torch has threads. With copies each has its own, and uses one of torch's threads. Without, on a
    GPU or of a network that somebody else wrote, all have the same network: one records at a time, with all of torch's
    threads, while the others collect and write.

    Args:
        net: The network; nobody else may use it meanwhile.
        copies: Whether each thread has a copy of it.

    Example:
        >>> import attnviz
        >>> from attnviz.bulk.network_threads import NetworkThreads
        >>> loaded = attnviz.load_model("bam_resnet18_w32", device="cpu")
        >>> with NetworkThreads(loaded.net, copies=True) as threads:
        ...     threads.submit(lambda net: type(net).__name__).result()
        'BamResNet'
    """

    def __init__(self, net: nn.Module, *, copies: bool) -> None:
        self.count = self._torch_threads = torch.get_num_threads()
        self._free: queue.SimpleQueue[nn.Module] = queue.SimpleQueue()
        for number in range(self.count):
            self._free.put(sharing_weights(net) if copies and number else net)
        self._pool = ThreadPoolExecutor(self.count, "network", initializer=_one_thread if copies else None)

    def submit(self, work: Callable[[nn.Module], _Out]) -> "Future[_Out]":
        """Have the next free thread call `work` with its network."""
        return self._pool.submit(self._with_network, work)

    def _with_network(self, work: Callable[[nn.Module], _Out]) -> _Out:
        mine = self._free.get()
        try:
            return work(mine)
        finally:
            self._free.put(mine)

    def __enter__(self) -> "NetworkThreads":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads; what has not begun is left out. New threads have as many of torch's as before again."""
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._torch_threads)


def sharing_weights(net: nn.Module) -> nn.Module:
    """A copy of a network, with hooks and flags of its own, whose parameters and buffers are the network's."""
    shared = {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())}
    return copy.deepcopy(net, shared)  # deepcopy takes what is in its memo for a copy made already


def _one_thread() -> None:
    torch.set_num_threads(1)
