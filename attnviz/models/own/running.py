"""Code of other people that runs: what it raises is said in one sentence, what it prints is kept out of results."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import torch
from torch import nn

from attnviz.errors import AttnvizError, ModelError, first_line


def why(error: BaseException) -> str:
    """An error of somebody's code: its type, and the first line of what it says."""
    return f"{type(error).__name__}: {first_line(error)}"


@contextmanager
def said_plainly(name: str, size: tuple[int, int]) -> Iterator[None]:
    """Within it whatever a network raises, or how it ends the program, becomes one sentence.

    Args:
        name: Of the network.
        size: (height, width) of its input, pixels.

    Raises:
        ModelError: The network failed. What this program raises itself, and a lack of memory, passes as it is.
    """
    try:
        yield
    except (AttnvizError, MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:
        height, width = size
        raise ModelError(
            f"expected {name} to take an RGB picture of {width} x {height} pixels and nothing else, got {why(error)}"
        ) from error


@contextmanager
def printing_aside() -> Iterator[None]:
    """Within it what is printed goes to standard error: standard output is for results alone."""
    with redirect_stdout(sys.stderr):
        yield


def watchable(net: nn.Module) -> nn.Module:
    """The network whose calls can be watched: of one that `torch.compile` wrapped the network itself.

    Raises:
        ModelError: It is TorchScript, whose calls nobody sees, or has no numbers in its weights.
    """
    plain: nn.Module = getattr(net, "_orig_mod", net)
    if isinstance(plain, torch.jit.ScriptModule):
        raise ModelError(
            "expected a network of Python code, got one compiled by TorchScript, whose attention cannot be watched: "
            "give the network that it was made from"
        )
    if any(tensor.is_meta for tensor in (*plain.parameters(), *plain.buffers())):
        raise ModelError("expected a network with numbers in its weights, got weights without any, on the meta device")
    return plain
