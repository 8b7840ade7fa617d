"""Every call of PyTorch in one forward pass: its name, arguments and results, the module and the line it comes from."""

from __future__ import annotations

import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

_OPENED = {nn.functional.multi_head_attention_forward}  # made of calls that have to be seen one by one
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


class CallWatcher(ABC):
    """What is told of each call."""

    @abstractmethod
    def before(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """A call is about to be made: its arguments are as they were."""

    @abstractmethod
    def after(self, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]) -> None:
        """A call was made, and gave these tensors."""


class ModulePaths:
    """Which module of a network is running in this thread, by its path.

    Attributes:
        running: Paths of the modules that are running, the innermost last; ``""`` is the network.
        last_of_size: (h, w) -> path of the last module, of the outermost, that gave features of that size.
    """

    def __init__(self) -> None:
        self.running: list[str] = []
        self.last_of_size: dict[tuple[int, int], str] = {}
        self._thread = threading.get_ident()

    @contextmanager
    def followed(self, net: nn.Module) -> Iterator[None]:
        """Within it the modules of a network are followed; no hook is left after it."""
        handles: list[RemovableHandle] = []
        try:
            for path, module in net.named_modules():
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

        return enter

    def _leaving(self, path: str) -> Callable[..., None]:
        def leave(module: nn.Module, inputs: object, output: object) -> None:
            if threading.get_ident() != self._thread or path not in self.running:
                return
            while self.running.pop() != path:
                pass
            if path and isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
                size = int(output.shape[2]), int(output.shape[3])
                known = self.last_of_size.get(size, path)
                if path.count(".") <= known.count("."):  # a whole stage rather than a part of one
                    self.last_of_size[size] = path

        return leave


class Calls(TorchFunctionMode):
    """Tells a watcher of every call that this thread makes while it is on; what is computed stays the same."""

    def __init__(self, watcher: CallWatcher) -> None:
        super().__init__()
        self._watcher = watcher

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - whatever the call gives
        kwargs = kwargs or {}
        if func in _OPENED:
            with self:
                return _without_check(func)(*args, **kwargs)
        name = _name(func)
        if name is None:
            return func(*args, **kwargs)
        told = _in_order(name, args, kwargs)
        self._watcher.before(name, told, kwargs)
        out = func(*args, **kwargs)
        if name == "iter":
            out = list(out)
        self._watcher.after(name, told, kwargs, _tensors(out))
        return iter(out) if name == "iter" else out


def line_of_user() -> str:
    """``"file.py:12"``: the innermost line of the stack that is neither PyTorch's nor attnviz's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HIDDEN):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _in_order(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
    """A call's arguments with its first ones in front, also where they were given by name."""
    if args:
        return args
    first = [kwargs[key] for key in ("input", "query", "tensors") if key in kwargs]
    return first + [kwargs[key] for key in ("other", "mat2", "dim") if first and key in kwargs]


def _name(func: Callable[..., Any]) -> str | None:
    """A call's plain name, ``"mul"`` for `Tensor.__imul__`; None where it computes no tensor from tensors."""
    name = str(getattr(func, "__name__", ""))
    if name == "__get__":  # a property: only the transposes matter
        return str(getattr(getattr(func, "__self__", None), "__name__", "")) if _transposes(func) else None
    plain = name.strip("_")
    return _PLAIN.get(plain, plain)


def _transposes(func: Callable[..., Any]) -> bool:
    return getattr(getattr(func, "__self__", None), "__name__", "") in {"T", "mT", "H", "mH"}


@cache
def _without_check(func: FunctionType) -> FunctionType:
    """A copy of one of PyTorch's functions that runs although a mode is on, instead of asking the mode first."""
    world = {**func.__globals__, "has_torch_function": lambda *_: False}
    copied = FunctionType(func.__code__, world, func.__name__, func.__defaults__, func.__closure__)
    copied.__kwdefaults__ = func.__kwdefaults__
    return copied


def _tensors(out: object) -> list[Tensor]:
    if isinstance(out, Tensor):
        return [out]
    return [t for t in out if isinstance(t, Tensor)] if isinstance(out, (list, tuple)) else []
