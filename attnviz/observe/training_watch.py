"""Watch a network while it is trained: every forward pass, with gradients, in constant memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from attnviz.models.sites import names_sites, sites_of
from attnviz.observe.discover import recording_of
from attnviz.observe.recorder import Recording, watching
from attnviz.observe.watched_pass import WatchedPass


class Seen:
    """What `watch` saw.

    Attributes:
        steps: How many forward passes were seen to their end.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._last: Callable[[], Recording] | None = None
        self._made: Recording | None = None

    @property
    def last(self) -> Recording | None:
        """The last forward pass that was seen; None before there is one. Its tensors are copies without gradients."""
        if self._made is None and self._last is not None:
            self._made = self._last()
        return self._made

    def see(self, last: Callable[[], Recording]) -> None:
        """Take the place of what was seen before; what is seen is only put in order when it is asked for."""
        self.steps += 1
        self._last, self._made = last, None


@contextmanager
def watch(net: nn.Module) -> Iterator[Seen]:
    """Within it every forward pass of a network in this thread is watched; gradients and modes stay as they are.

    Only the last pass is kept. The first pass of each shape of input is watched whole, which takes longer; later ones
    are followed by what it taught. Nothing is left in the network afterwards, whatever ends the block.

    Args:
        net: Any network: one that names its sites, or one whose attention is found.

    Yields:
        What was seen: ``seen.last`` is a `Recording`, ``seen.steps`` a count.

    Example:
        >>> import attnviz, torch
        >>> trunk = {"depth": 18, "width": 16, "attention": {"kind": "se"}}
        >>> net = attnviz.build_model({"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 10})
        >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> with attnviz.watch(net) as seen:
        ...     for _ in range(2):
        ...         net(torch.zeros(2, 3, 32, 32)).sum().backward()
        ...         optimizer.step()
        >>> seen.steps, tuple(seen.last.sites["stage1.block1.channel_gate"].shape)
        (2, (2, 16, 1, 1))
    """
    seen = Seen()
    watcher = _OfSites(net, seen) if names_sites(net) else _OfFinds(net, seen)
    with ExitStack() as stack:
        stack.callback(watcher.stop)
        stack.callback(net.register_forward_pre_hook(watcher.before, with_kwargs=True).remove)
        stack.callback(net.register_forward_hook(watcher.after, always_call=True).remove)
        yield seen


class _Watcher:
    """Opens something around each outermost forward pass of one thread, and closes it."""

    def __init__(self, net: nn.Module, seen: Seen) -> None:
        self._net, self._seen, self._depth = net, seen, 0
        self._thread = threading.get_ident()

    def before(self, module: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        if threading.get_ident() == self._thread:
            if self._depth == 0:
                self.open(next((a for a in (*inputs, *named.values()) if isinstance(a, Tensor) and a.ndim == 4), None))
            self._depth += 1

    def after(self, module: nn.Module, inputs: object, output: object) -> None:
        if threading.get_ident() == self._thread and self._depth:
            self._depth -= 1
            if self._depth == 0:
                self.close(_detached(output), failed=output is None)  # a hook is told of an exception by no output

    def stop(self) -> None:
        """At the end of the block, also out of the middle of a pass."""
        if self._depth:
            self._depth = 0
            self.close(None, failed=True)

    def open(self, x: Tensor | None) -> None:
        raise NotImplementedError

    def close(self, output: object, *, failed: bool) -> None:
        raise NotImplementedError


class _OfFinds(_Watcher):
    """Of a network whose attention is found."""

    _pass: WatchedPass | None = None
    _whole = False  # whether its passes differ from each other, so that knowing one does not help with the next

    def open(self, x: Tensor | None) -> None:
        if x is not None:
            watched = WatchedPass(self._net, x, whole=self._whole)
            watched.__enter__()
            self._pass = watched

    def close(self, output: object, *, failed: bool) -> None:
        watched, self._pass = self._pass, None
        if watched is None:
            return
        watched.__exit__(RuntimeError if failed else None, None, None)
        self._whole |= watched.strayed
        if not failed and not watched.strayed:
            self._seen.see(lambda: recording_of(output, watched))


class _OfSites(_Watcher):
    """Of a network that names its sites."""

    _stack = ExitStack()

    def open(self, x: Tensor | None) -> None:
        self._sites, self._kept = sites_of(self._net), dict[str, Tensor]()
        with ExitStack() as stack:
            stack.enter_context(watching(self._net, self._sites, self._kept))
            self._stack = stack.pop_all()

    def close(self, output: Any, *, failed: bool) -> None:  # noqa: ANN401 - whatever a network gives
        self._stack.close()
        kept, sites = self._kept, self._sites
        if not failed and len(kept) == len(sites):
            self._seen.see(lambda: Recording(output, kept, tuple(sites)))


def _detached(output: Any) -> Any:  # noqa: ANN401 - whatever a network gives
    """An output without its graph, which would keep the activations of the step."""
    if isinstance(output, Tensor):
        return output.detach()
    if isinstance(output, Mapping):
        return {key: _detached(value) for key, value in output.items()}
    return [_detached(part) for part in output] if isinstance(output, (list, tuple)) else None
