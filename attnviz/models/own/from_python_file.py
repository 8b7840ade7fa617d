"""A network out of somebody's Python file, which is run for it.

Nothing but a call of `attnviz.load_network`, or its name on the command line, may lead here: never a request to the
page, and never a manifest.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from attnviz.errors import ModelError, UnknownModelError, one_line
from attnviz.models.own.running import why
from attnviz.models.own.source import Sourced
from attnviz.models.weights.registry import was_trained


def names_python_file(name: str) -> bool:
    """Whether a name has the form ``FILE.py:NAME``."""
    file, colon, _ = name.rpartition(":")
    return bool(colon) and file.endswith(".py")


def from_python_file(name: str) -> Sourced:
    """Run a Python file and take a network from it.

    Args:
        name: ``FILE.py:NAME``, where NAME is an `nn.Module`, or anything that gives one when it is called with nothing.

    Raises:
        UnknownModelError: There is no such file, or nothing of that name in it.
        ModelError: The file or the call fails, or gives no network.
    """
    file, _, attribute = name.rpartition(":")
    path = Path(file)
    if not os.path.isfile(path):
        raise UnknownModelError(f"expected a Python file for a network, got {one_line(file, 200)}, which is not there")
    shown = f"{path.name}:{attribute}"
    with _beside(path), _noticing_loads() as loaded:
        found = getattr(_module(path), attribute, None)
        if found is None:
            raise UnknownModelError(f"expected {one_line(attribute, 80) or 'a name'} in {path.name}, got none there")
        net = found if isinstance(found, nn.Module) else _called(found, shown)
    if not isinstance(net, nn.Module):
        raise ModelError(f"expected a torch.nn.Module from {shown}, got a {type(net).__name__}")
    trained = bool(loaded) or was_trained(net)
    return Sourced(net, shown, None, (), trained, f"the file {path.name}")


def _module(path: Path) -> ModuleType:
    name = f"attnviz_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnknownModelError(f"expected a Python file, got {path.name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as an import would: dataclasses and pickles in the file look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise ModelError(f"expected {path.name} to run, got {why(error)}") from error
    return module


def _called(build: Any, shown: str) -> Any:  # noqa: ANN401 - whatever somebody's file holds
    if not callable(build):
        raise ModelError(f"expected {shown} to be a network or a function that makes one, got a {type(build).__name__}")
    try:
        return build()
    except (Exception, SystemExit) as error:
        raise ModelError(f"expected {shown} to make a network when called with nothing, got {why(error)}") from error


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Within it, the file can import what lies beside it, as if Python had been started with it."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


@contextmanager
def _noticing_loads() -> Iterator[list[nn.Module]]:
    """Fills the list with the modules that are given weights within it: a network made there need not be random."""
    given: list[nn.Module] = []
    original = nn.Module.load_state_dict

    def load_state_dict(self: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as PyTorch has it
        given.append(self)
        return original(self, *args, **kwargs)

    nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]
    try:
        yield given
    finally:
        nn.Module.load_state_dict = original  # type: ignore[method-assign]
