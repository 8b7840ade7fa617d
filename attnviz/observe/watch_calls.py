"""Every call of PyTorch in one forward pass: its name, arguments and results, the module and the line it comes from.

The first pass of a network is watched whole, by what is here. Later ones are only followed, by
`attnviz.observe.known_calls`.
"""

from __future__ import annotations

import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

Call = Callable[..., Any]

OPENED = {nn.functional.multi_head_attention_forward}  # made of calls that have to be seen one by one
_HIDDEN = (os.path.dirname(torch.__file__) + os.sep, os.path.dirname(__file__) + os.sep)  # no user's code
_PLAIN = {
    "radd": "add",
    "iadd": "add",
    "rmul": "mul",
    "imul": "mul",
    "truediv": "div",
    "itruediv": "div",
    "isub": "sub",
}
_READ = (  # calls whose plain arguments decide where numbers go
    *("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "roll", "flip", "getitem", "view"),
    *("reshape", "softmax", "unflatten", "narrow", "select"),
)


class CallWatcher(ABC):
    """What is told of each call."""

    def take(self, number: int, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        """Whether a call about to be made tells all that there is in its arguments alone, and they were taken."""
        return False

    @abstractmethod
    def before(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """A call is about to be made: its arguments are as they were."""

    @abstractmethod
    def after(
        self, number: int, func: Call, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]
    ) -> None:
        """A call was made, and gave these tensors."""


class Boundary(NamedTuple):
    """A module was entered or left.

    Attributes:
        path: Of the module.
        entered: Whether it was entered.
        number: Of the next call.
        free: Whether no mode of the network's own was on, so that one can be switched there.
    """

    path: str
    entered: bool
    number: int
    free: bool = True


class ModulePaths:
    """Which module of a network is running in this thread, by its path.

    Attributes:
        running: Paths of the modules that are running, the innermost last; ``""`` is the network.
        last_of_size: (h, w) -> path of the last module, of the outermost, that gave features of that size.
        boundaries: What was entered and left so far, in order.
    """

    def __init__(self) -> None:
        self.running: list[str] = []
        self.last_of_size: dict[tuple[int, int], str] = {}
        self.boundaries: list[Boundary] = []
        self._modes = 0
        self._thread = threading.get_ident()
        self._number: Callable[[], int] = lambda: 0

    @contextmanager
    def followed(self, modules: Mapping[str, nn.Module], number: Callable[[], int]) -> Iterator[None]:
        """Within it modules are followed; no hook is left after it.

        Args:
            modules: By their paths.
            number: Gives the number of the next call.
        """
        self._number, self._modes = number, modes_on() + 1  # the one that numbers the calls
        handles: list[RemovableHandle] = []
        try:
            for path, module in modules.items():
                handles.append(module.register_forward_pre_hook(self._entering(path)))
                handles.append(module.register_forward_hook(self._leaving(path), always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _entering(self, path: str) -> Callable[..., None]:
        def enter(module: nn.Module, inputs: object) -> None:
            if threading.get_ident() == self._thread:
                self.running.append(path)
                self.boundaries.append(Boundary(path, True, self._number(), modes_on() == self._modes))

        return enter

    def _leaving(self, path: str) -> Callable[..., None]:
        def leave(module: nn.Module, inputs: object, output: object) -> None:
            if threading.get_ident() != self._thread:
                return
            self.boundaries.append(Boundary(path, False, self._number(), modes_on() == self._modes))
            if path not in self.running:
                return
            while self.running.pop() != path:  # what was left without its hooks, by no Exception
                pass
            if path and isinstance(output, Tensor):
                with torch._C.DisableTorchFunction():  # reading a shape is no call of the network's
                    self._note_size(path, tuple(output.shape))

        return leave

    def _note_size(self, path: str, shape: tuple[int, ...]) -> None:
        if len(shape) == 4 and min(shape[2:]) > 1:
            known = self.last_of_size.get((shape[2], shape[3]), path)
            if path.count(".") <= known.count("."):  # a whole stage rather than a part of one
                self.last_of_size[shape[2], shape[3]] = path


class Calls(TorchFunctionMode):
    """Tells a watcher of every call that this thread makes while it is on; what is computed stays the same.

    Attributes:
        made: The calls so far.
        read: Number of a call -> those of its arguments that decide where numbers go.
    """

    def __init__(self, watcher: CallWatcher) -> None:
        super().__init__()
        self._watcher = watcher
        self.made: list[Call] = []
        self.read: dict[int, tuple[object, ...]] = {}

    def __torch_function__(
        self, func: Call, types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - whatever the call gives
        kwargs = kwargs or {}
        number = len(self.made)
        self.made.append(func)
        if func in OPENED:
            with self:
                return without_check(func)(*args, **kwargs)
        name = name_of(func)
        if name is None:
            return func(*args, **kwargs)
        if name in _READ:
            self.read[number] = read(args, kwargs)
        return told(self._watcher, number, func, name, args, kwargs)


@contextmanager
def switched(module: nn.Module, before: Callable[[], None], after: Callable[[], None]) -> Iterator[None]:
    """Within it something is done in this thread before a module runs and after it, also when it raises."""
    thread = threading.get_ident()
    depth = 0

    def enter(*_: object) -> None:
        nonlocal depth
        if threading.get_ident() == thread:
            depth += 1
            if depth == 1:  # not again where a module calls itself
                before()

    def leave(*_: object) -> None:
        nonlocal depth
        if threading.get_ident() == thread and depth:
            depth -= 1
            if depth == 0:
                after()

    handles = [module.register_forward_pre_hook(enter), module.register_forward_hook(leave, always_call=True)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def modes_on() -> int:
    """How many function modes are on in this thread."""
    return int(torch._C._len_torch_function_stack())


def line_of_user() -> str:
    """``"file.py:12"``: the innermost line of the stack that is neither PyTorch's nor attnviz's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HIDDEN):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def told(watcher: CallWatcher, number: int, func: Call, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the call gives
    """What a call gives, its watcher told before and after."""
    told = _in_order(args, kwargs)
    watcher.before(number, name, told, kwargs)
    out = func(*args, **kwargs)
    if name == "iter":
        out = list(out)
    watcher.after(number, func, name, told, kwargs, _tensors(out))
    return iter(out) if name == "iter" else out


def read(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[object, ...]:
    """Arguments of a call without the tensors among them, to be compared."""
    return tuple(_plain(arg) for arg in (*args[1:], *kwargs.values()))


def _plain(arg: object) -> object:
    if isinstance(arg, Tensor):
        return None
    return tuple(_plain(part) for part in arg) if isinstance(arg, (list, tuple)) else arg


def _in_order(args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
    """A call's arguments with its first ones in front, also where they were given by name."""
    if args:
        return args
    first = [kwargs[key] for key in ("input", "query", "tensors") if key in kwargs]
    return first + [kwargs[key] for key in ("other", "mat2", "dim") if first and key in kwargs]


def name_of(func: Call) -> str | None:
    """A call's plain name, ``"mul"`` for `Tensor.__imul__`; None where it computes no tensor from tensors."""
    name = str(getattr(func, "__name__", ""))
    if name == "__get__":  # a property: only the transposes matter
        return str(getattr(getattr(func, "__self__", None), "__name__", "")) if _transposes(func) else None
    plain = name.strip("_")
    return _PLAIN.get(plain, plain)


def _transposes(func: Call) -> bool:
    return getattr(getattr(func, "__self__", None), "__name__", "") in {"T", "mT", "H", "mH"}


@cache
def without_check(func: FunctionType) -> FunctionType:
    """A copy of one of PyTorch's functions that runs although a mode is on, instead of asking the mode first."""
    world = {**func.__globals__, "has_torch_function": lambda *_: False}
    copied = FunctionType(func.__code__, world, func.__name__, func.__defaults__, func.__closure__)
    copied.__kwdefaults__ = func.__kwdefaults__
    return copied


def _tensors(out: object) -> list[Tensor]:
    if isinstance(out, Tensor):
        return [out]
    return [t for t in out if isinstance(t, Tensor)] if isinstance(out, (list, tuple)) else []
