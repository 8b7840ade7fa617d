"""Change what modules give, for as long as a context lasts; the network itself is never touched."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from attnviz.errors import RecordError

Change = Callable[[tuple[Any, ...], Tensor], Tensor]  # a module's inputs and output -> what it shall give instead


@contextmanager
def output_replaced(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Replace a module's output while the context lasts.

    Args:
        module: Of any network.
        change: From its output to what the network goes on with.
    """
    with _changed(module, lambda _inputs, output: change(output)):
        yield


@contextmanager
def outputs_changed(net: nn.Module, changes: Mapping[str, Change]) -> Iterator[None]:
    """Within it, some modules give this thread something else; no hook is left after it, also after an exception.

    Args:
        net: Any network.
        changes: Path of a module, as in ``net.get_submodule`` -> what to make of its inputs and its output.

    Raises:
        RecordError: There is no module of a path.
    """
    with ExitStack() as stack:
        for path, change in changes.items():
            try:
                module = net.get_submodule(path)
            except AttributeError as error:
                raise RecordError(f"expected a module {path!r} to change, got none of that name") from error
            stack.enter_context(_changed(module, change))
        yield


@contextmanager
def parameters_replaced(net: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Within it, some parameters are others; after it the very same objects are in their places again.

    Args:
        net: Any network.
        values: Path of a parameter, as in ``net.get_parameter`` -> what stands in its place.

    Raises:
        RecordError: There is no parameter of a path.
    """
    kept: list[tuple[nn.Module, str, nn.Parameter]] = []
    try:
        for path, value in values.items():
            owner_path, _, name = path.rpartition(".")
            try:
                owner, own = net.get_submodule(owner_path), net.get_parameter(path)
            except AttributeError as error:
                raise RecordError(f"expected a parameter {path!r} to change, got none of that name") from error
            kept.append((owner, name, own))
            owner.register_parameter(name, nn.Parameter(value.to(own), requires_grad=own.requires_grad))
        yield
    finally:
        for owner, name, own in reversed(kept):
            owner.register_parameter(name, own)


@contextmanager
def _changed(module: nn.Module, change: Change) -> Iterator[None]:
    thread = threading.get_ident()

    def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        return change(inputs, output) if threading.get_ident() == thread else None

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def flattened(gate: Tensor) -> Tensor:
    """Replace a gate by its mean over locations: (B, C, H, W) -> (B, C, 1, 1), so no location is preferred."""
    return gate.mean(dim=(2, 3), keepdim=True)
