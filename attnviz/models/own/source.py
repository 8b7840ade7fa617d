"""What a source of networks gives: the network, and what its makers say about its input and its answers."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from attnviz.errors import UnknownModelError, one_line
from attnviz.inputs.preprocess import Preprocessing

DEFAULT_SIZE = 224  # pixels; what most published classifiers were trained with


@dataclass(frozen=True, eq=False)
class Sourced:
    """A network as its source gave it.

    Attributes:
        net: The network.
        name: What to call it, without folders of this machine.
        preprocessing: As its makers say; None: they say nothing.
        categories: Names of its classes, in order; empty: not told.
        trained: False: its weights are random.
        source: Where it comes from, for people.
    """

    net: nn.Module
    name: str
    preprocessing: Preprocessing | None
    categories: tuple[str, ...]
    trained: bool
    source: str


def unknown_network(library: str, name: str, known: Sequence[str]) -> UnknownModelError:
    """The refusal of a name that a library does not know, with the nearest ones that it does.

    Args:
        library: For people.
        name: As typed.
        known: All of the library's names.
    """
    near = difflib.get_close_matches(name, known, 3)
    hint = f"; there is {', '.join(near)}" if near else ""
    return UnknownModelError(f"expected a network of {library}, got {one_line(name, 80)!r}{hint}")
