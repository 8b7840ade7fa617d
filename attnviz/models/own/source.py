"""What a source of networks gives: the network, and what its makers say about its input and its answers."""

from dataclasses import dataclass

from torch import nn

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
