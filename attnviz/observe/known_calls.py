"""A pass that is expected to be like an earlier one: what mattered then is followed, and what lies between.

Each piece of Python between two kernels costs some tens of microseconds, since they leave nothing of it in the caches.
So this mode is on in windows alone: from the last time before the first call that matters at which a module is entered
or left, to the first such time after the last. Up to that last call they are compared with those of the earlier pass.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from attnviz.observe.watch_calls import (
    OPENED,
    Boundary,
    Call,
    CallWatcher,
    modes_on,
    name_of,
    read,
    told,
    without_check,
)

_Turn = tuple[int, bool] | None  # the window that a boundary begins (True) or ends; None where it does neither


@dataclass(frozen=True)
class Window:
    """Calls in a row.

    Attributes:
        start: Number of the first.
        last: Number of the last that matters.
        end: Number of the first after them.
    """

    start: int
    last: int
    end: int


@dataclass(frozen=True)
class KnownPass:
    """What is known of an earlier pass.

    Attributes:
        steps: All calls, in order: the call; those of its arguments that decide where numbers go, None where none do;
            whether it is told.
        windows: In which calls are followed, in order; none meets another.
        turns: (number of a module, whether it is entered or left) -> what each time of it begins or ends.
    """

    steps: Sequence[tuple[Call, tuple[object, ...] | None, bool]]
    windows: Sequence[Window]
    turns: Mapping[tuple[int, bool], Sequence[_Turn]]


def known_pass(
    steps: Sequence[tuple[Call, tuple[object, ...] | None, bool]],
    finds: Sequence[Collection[int]],
    boundaries: Sequence[Boundary],
    numbers: Mapping[str, int],
) -> KnownPass:
    """What has to be followed the next time.

    Args:
        steps: All calls of the pass, as in `KnownPass`.
        finds: Numbers of the calls that made each find.
        boundaries: Of the runs of modules, in order.
        numbers: Of the modules, by their paths; the network's is 0.
    """
    every = [Boundary("", True, 0), *boundaries, Boundary("", False, len(steps))]
    free = [at for at, boundary in enumerate(every) if boundary.free]
    numbered = [every[at].number for at in free]
    spans: list[tuple[int, int, int]] = []  # from boundary to boundary, and the last call that matters between them
    for calls in sorted(finds, key=min):
        first, last = free[bisect_right(numbered, min(calls)) - 1], max(calls)
        end = free[bisect_right(numbered, last)]
        if spans and first <= spans[-1][1]:
            first, end, last = spans[-1][0], max(spans[-1][1], end), max(spans.pop()[2], last)
        spans.append((first, end, last))
    ends: dict[int, _Turn] = {}
    for number, (first, end, _) in enumerate(spans):
        ends[first], ends[end] = (number, True), (number, False)
    turns: dict[tuple[str, bool], list[_Turn]] = {(every[at].path, every[at].entered): [] for at in ends}
    for at, boundary in enumerate(every):
        times = turns.get((boundary.path, boundary.entered))
        if times is not None:
            times.append(ends.get(at))
    windows = [Window(every[first].number, last, every[end].number) for first, end, last in spans]
    return KnownPass(steps, windows, {(numbers[path], entered): found for (path, entered), found in turns.items()})


class KnownCalls(TorchFunctionMode):
    """Follows a pass that is expected to be like an earlier one, and tells of the calls that mattered then.

    Args:
        watcher: Who is told.
        known: The earlier pass.
    """

    def __init__(self, watcher: CallWatcher, known: KnownPass) -> None:
        super().__init__()
        self._watcher, self._known, self._steps = watcher, known, known.steps
        self._thread = threading.get_ident()
        self._modes = 0
        self._next = 0  # window that comes next, or is running
        self._on = False
        self._number = self._last = self._end = 0
        self._strayed = False

    @property
    def strayed(self) -> bool:
        """Whether a call was another one than expected, or is missing: what was told is worth nothing then."""
        return self._strayed or self._next != len(self._known.windows)

    @contextmanager
    def followed(self, modules: Sequence[nn.Module]) -> Iterator[None]:
        """Within it this mode is on where it matters; no hook is left after it.

        Args:
            modules: Of the network, by their numbers.
        """
        self._modes = modes_on()
        with ExitStack() as stack:
            for (number, entered), turns in self._known.turns.items():
                if number and entered:
                    stack.callback(modules[number].register_forward_pre_hook(self._turning(turns)).remove)
                elif number:
                    hook = self._turning(turns)
                    stack.callback(modules[number].register_forward_hook(hook, always_call=True).remove)
            stack.callback(self._off_for_good)  # what is no Exception ends a module without its hooks
            for turn in self._known.turns.get((0, True), ()):
                self._take(turn)
            yield
            for turn in self._known.turns.get((0, False), ()):
                self._take(turn)

    def _turning(self, turns: Sequence[_Turn]) -> Callable[..., None]:
        """A hook that takes its turns."""
        left = iter(turns)

        def turning(*_: object) -> None:
            if threading.get_ident() == self._thread:
                turn: _Turn | Literal[False] = next(left, False)
                if turn:
                    self._take(turn)
                elif turn is False:  # one time more than it was known to run
                    self._strayed = True

        return turning

    def _take(self, turn: _Turn) -> None:
        if turn is None or self._strayed:
            return
        number, begins = turn
        if number != self._next or begins == self._on or modes_on() != self._modes + self._on:
            self._strayed = True
        elif begins:
            window = self._known.windows[number]
            self._number, self._last, self._end = window.start, window.last, window.end
            self._on = True
            self.__enter__()  # type: ignore[no-untyped-call]
        else:
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._on = False
            self._next += 1
            self._strayed = self._number != self._end

    def _off_for_good(self) -> None:
        while self in torch.overrides._get_current_function_mode_stack():
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Call, types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - whatever the call gives
        number = self._number
        self._number = number + 1
        if number <= self._last and not self._strayed:
            made, expected, mattered = self._steps[number]
            if (func is not made and func != made) or (expected is not None and expected != read(args, kwargs or {})):
                self._strayed = True
            elif mattered and not self._watcher.take(number, args, kwargs or {}):
                return told(self._watcher, number, func, name_of(func) or "", args, kwargs or {})
        if func in OPENED:
            with self:
                return without_check(func)(*args, **(kwargs or {}))
        return func(*args, **kwargs) if kwargs else func(*args)
