"""Attention rollout: the attention of all layers of a vision transformer, multiplied (arXiv 2005.00928, section 3).

S. Abnar, W. Zuidema, *Quantifying Attention Flow in Transformers*, 2020: with W the mean of a layer's heads and I the
identity for its residual connection, A = 0.5 W + 0.5 I, and the rollout is A of the last layer times ... times A of the
first. It is a computation over the layers and not what any of them did; that residual and attention weigh the same is
the paper's assumption, and layer scales and the layers between are left out, as there.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from attnviz.errors import InputError
from attnviz.position_attention import FloatArray, PositionAttention

LABEL = "rollout"
MOST_TOKENS = 1600  # 40 x 40: a matrix of 10 MB
_LAYERS_WITHOUT_CLASS_TOKEN = 4  # fewer may be blocks of attention in a convolutional network

_kept: "WeakKeyDictionary[PositionAttention, Rollout]" = WeakKeyDictionary()  # by the last layer


@dataclass(frozen=True, eq=False)
class Rollout:
    """Attention rollout between all tokens of a network.

    Attributes:
        matrix: float32 (P + N, P + N), rows sum to 1; the P tokens that are no locations first.
        grid: Rows and columns of the N locations.
        stride: Input pixels per location.
        class_token: Whether the first token is the network's class token.
        layers: Labels of the position attentions, the first layer first.
    """

    matrix: FloatArray
    grid: tuple[int, int]
    stride: int
    class_token: bool
    layers: tuple[str, ...]

    @property
    def others(self) -> int:
        """How many tokens are no locations."""
        return len(self.matrix) - self.grid[0] * self.grid[1]

    @property
    def received(self) -> FloatArray:
        """Mean over the locations of their rows: float32 (h, w)."""
        places = self.matrix[self.others :, self.others :]
        return np.asarray(places.mean(axis=0), dtype=np.float32).reshape(self.grid)

    def row(self, y: int, x: int) -> FloatArray:
        """Where location (y, x) looks through all layers: float32 (h, w), sums to 1 less what falls on other tokens."""
        return self.matrix[self._at(y, x), self.others :].reshape(self.grid)

    def column(self, y: int, x: int) -> FloatArray:
        """Who looks at location (y, x) through all layers: float32 (h, w)."""
        return self.matrix[self.others :, self._at(y, x)].reshape(self.grid)

    def token_row(self, token: int = 0) -> FloatArray:
        """Where a token that is no location looks through all layers: float32 (h, w).

        Raises:
            IndexError: There is no such token.
        """
        if not 0 <= token < self.others:
            raise IndexError(f"expected a token of {self.others} that are no locations, got number {token}")
        return self.matrix[token, self.others :].reshape(self.grid)

    def _at(self, y: int, x: int) -> int:
        height, width = self.grid
        if not (0 <= y < height and 0 <= x < width):
            raise IndexError(f"expected a location within {height} x {width} (rows x columns), got ({y}, {x})")
        return self.others + y * width + x


def rollout(layers: Iterable[FloatArray]) -> FloatArray:
    """The rollout of attention matrices (T, T), those of the first layer first, each the mean of its heads.

    Args:
        layers: float32, rows sum to 1.

    Returns:
        float32 (T, T), rows sum to 1.

    Raises:
        InputError: There are none, or they have different shapes.
    """
    total: FloatArray | None = None
    for layer in layers:
        if layer.ndim != 2 or layer.shape[0] != layer.shape[1] or (total is not None and layer.shape != total.shape):
            raise InputError(f"expected square attention matrices of one size, got one of {layer.shape}")
        mixed = np.float32(0.5) * (layer + np.eye(len(layer), dtype=np.float32))
        total = mixed if total is None else mixed @ total
    if total is None:
        raise InputError("expected at least one layer to roll out, got none")
    return total


def layers_of(positions: Mapping[str, PositionAttention]) -> tuple[str, ...]:
    """Labels of the layers of a vision transformer, the first first; empty where there is nothing to roll out.

    They are told by their labels, which differ in one number that counts from 0, and by their tokens, which are the
    same; two layers where a class token or the like takes part, else four with several heads each, without any other
    position attention in the network. So neither blocks of attention within a convolutional network nor the stages of
    a Swin are taken for them.
    """
    stacks: dict[tuple[object, ...], list[str]] = {}
    for label, position in positions.items():
        key = (re.sub(r"\d+", "#", label), position.grid, position.others)
        stacks.setdefault(key, []).append(label)
    found = max(stacks.values(), key=len, default=[])
    numbers = [tuple(map(int, re.findall(r"\d+", label))) for label in found]
    counting = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    if counting != [tuple(range(len(found)))]:
        return ()
    first = positions[found[0]]
    alone = len(found) == len(positions) >= _LAYERS_WITHOUT_CLASS_TOKEN and first.heads > 1
    tokens = first.others + first.grid[0] * first.grid[1]
    return tuple(found) if (first.others or alone) and tokens <= MOST_TOKENS else ()


def rollout_of(positions: Mapping[str, PositionAttention]) -> Rollout | None:
    """The rollout of a network's layers; None where it has none that make a vision transformer, or too many tokens."""
    labels = layers_of(positions)
    if not labels:
        return None
    last = positions[labels[-1]]
    if last not in _kept:
        matrix = rollout(positions[label].token_matrix() for label in labels)
        _kept[last] = Rollout(matrix, last.grid, last.stride, last.class_token, labels)
    return _kept[last]
