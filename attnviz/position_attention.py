"""Position attention without its N x N matrix: query and key are kept, rows and columns are made when asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError, quoted

FloatArray = NDArray[np.float32]

# Rows of the N x N matrix held at once, here and in the network: 0.53 GB at 32768 locations, where the whole matrix
# would take 4 GB; not slower.
QUERIES_PER_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class PositionAttention:
    """Position attention of one or more heads: softmax over keys of q.k, computed row by row on demand.

    The energy is not scaled (DANet, paper arXiv 1809.02983, Eq. 1); what another network scales it by is part of the
    query. Of several heads, a row, a column and what is received are the mean over the heads of each head's own
    softmax; `head` is one of them alone.

    Some networks let tokens that are no locations take part: a class token, registers. They count in the softmax, so
    that a row sums to 1 less what falls on them.

    Attributes:
        query: float32 (c, h, w), or (heads, c, h, w); of a cross attention with another h and w, or (c, T, 1)
            of T object queries that are no locations. Biases of the energy, and windows within which it is made, are
            part of query and key.
        key: float32, of the same shape but for h and w of a cross attention.
        gamma: Weight of the module's output in the residual sum; 0 means the network ignores it; 1 where none is known.
        stride: Input pixels per location.
        other_query: float32 (c, P) or (heads, c, P), of P tokens that are no locations; None: there are none.
        other_key: float32, of the same shape.
        class_token: Whether the first of them is the network's class token.
        extra: How many of the c, the last ones, are not the network's own query and key: they stand for biases, masks
            and windows.
    """

    query: FloatArray
    key: FloatArray
    gamma: float
    stride: int
    other_query: FloatArray | None = None
    other_key: FloatArray | None = None
    class_token: bool = False
    extra: int = 0

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of locations."""
        return int(self.query.shape[-2]), int(self.query.shape[-1])

    @property
    def key_grid(self) -> tuple[int, int]:
        """Rows and columns of locations that are looked at; another grid than `grid` in a cross attention alone."""
        return int(self.key.shape[-2]), int(self.key.shape[-1])

    @property
    def heads(self) -> int:
        """How many heads there are."""
        return 1 if self.query.ndim == 3 else len(self.query)

    @property
    def others(self) -> int:
        """How many tokens take part that are no locations."""
        return 0 if self.other_key is None else int(self.other_key.shape[-1])

    def head(self, number: int) -> "PositionAttention":
        """One head alone.

        Args:
            number: From 0.

        Raises:
            IndexError: There is no such head.
        """
        if not 0 <= number < self.heads:
            raise IndexError(f"expected a head from 0 to {self.heads - 1}, got {number}")
        if self.query.ndim == 3:
            return self
        return replace(
            self,
            query=self.query[number],
            key=self.key[number],
            other_query=None if self.other_query is None else self.other_query[number],
            other_key=None if self.other_key is None else self.other_key[number],
        )

    def row(self, y: int, x: int) -> FloatArray:
        """Where location (y, x) looks: float32 (h, w) of the key's grid, sums to 1 less what falls on other tokens.

        Raises:
            IndexError: (y, x) is not a location of the grid.
        """
        self._check(y, x, self.grid)
        return self._mean_row(self._places(self.query)[:, :, y * self.grid[1] + x])

    def token_row(self, token: int = 0) -> FloatArray:
        """Where a token that is no location looks, the class token for one: float32 (h, w), sums as a row does.

        Args:
            token: Its number, from 0.

        Raises:
            IndexError: There is no such token.
        """
        if self.other_query is None or not 0 <= token < self.others:
            raise IndexError(f"expected a token of {self.others} that are no locations, got number {token}")
        return self._mean_row(self.other_query.reshape(self.heads, -1, self.others)[:, :, token])

    def column(self, y: int, x: int) -> FloatArray:
        """Who looks at location (y, x) of the key's grid: float32 (h, w), each in [0, 1]; sums to anything up to h*w.

        Raises:
            IndexError: (y, x) is not a location of the grid.
        """
        self._check(y, x, self.key_grid)
        pairs = zip(self._places(self.query), self._places(self.key), strict=True)
        energy = np.stack([key[:, y * self.key_grid[1] + x] @ query for query, key in pairs])
        weights = np.exp(energy - self.log_sum_exp.reshape(energy.shape))
        return np.asarray(weights.mean(axis=0), dtype=np.float32).reshape(self.grid)

    @cached_property
    def log_sum_exp(self) -> FloatArray:
        """Logarithm of each query's softmax denominator, float32 (h, w), or (heads, h, w)."""
        return self._reductions[0]

    @cached_property
    def received(self) -> FloatArray:
        """Mean attention each location receives over all locations' queries: float32 (h, w); sums as a row does."""
        received = self._reductions[1]
        return received if received.ndim == 2 else np.asarray(received.mean(axis=0), dtype=np.float32)

    @property
    def received_by_head(self) -> FloatArray:
        """What each location receives in each head: float32 (heads, h, w)."""
        return self._reductions[1].reshape(self.heads, *self.key_grid)

    def token_matrix(self) -> FloatArray:
        """The whole attention among all tokens, those that are no locations first: float32 (P + N, P + N).

        Rows sum to 1. It takes 4 (P + N)² bytes; nothing else here makes it.
        """
        total = self.others + self.grid[0] * self.grid[1]
        matrix = np.zeros((total, total), dtype=np.float32)
        queries = self._with_others(self.query, self.other_query)
        for query, key in zip(queries, self._with_others(self.key, self.other_key), strict=True):
            for start, weights, _ in _softmax_in_chunks(query, key):
                matrix[start : start + len(weights)] += weights
        matrix /= self.heads
        return matrix

    @cached_property
    def _reductions(self) -> tuple[FloatArray, FloatArray]:
        count = self.grid[0] * self.grid[1]
        lse = np.empty((self.heads, count), dtype=np.float32)
        received = np.zeros((self.heads, self.key_grid[0] * self.key_grid[1]), dtype=np.float64)
        keys = self._with_others(self.key, self.other_key)
        for head, (query, key) in enumerate(zip(self._places(self.query), keys, strict=True)):
            for start, weights, logs in _softmax_in_chunks(query, key):
                lse[head, start : start + len(weights)] = logs
                received[head] += weights[:, self.others :].sum(axis=0)
        shape = self.grid if self.query.ndim == 3 else (self.heads, *self.grid)
        mean = np.asarray(received / count, dtype=np.float32)
        return lse.reshape(shape), mean.reshape(*shape[:-2], *self.key_grid)

    def _mean_row(self, queries: FloatArray) -> FloatArray:
        """Where queries (heads, c) look on average over the heads."""
        energy = np.stack([q @ k for q, k in zip(queries, self._with_others(self.key, self.other_key), strict=True)])
        weights = np.exp(energy - energy.max(axis=1, keepdims=True))
        weights = weights / weights.sum(axis=1, keepdims=True)
        return np.asarray(weights.mean(axis=0)[self.others :], dtype=np.float32).reshape(self.key_grid)

    def _with_others(self, places: FloatArray, others: FloatArray | None) -> FloatArray:
        """All tokens as (heads, c, P + N)."""
        own = self._places(places)
        return own if others is None else np.concatenate([others.reshape(self.heads, -1, self.others), own], axis=2)

    def _places(self, tensor: FloatArray) -> FloatArray:
        """The locations as (heads, c, N)."""
        return tensor.reshape(self.heads, -1, tensor.shape[-2] * tensor.shape[-1])

    @staticmethod
    def _check(y: int, x: int, grid: tuple[int, int]) -> None:
        height, width = grid
        if not (0 <= y < height and 0 <= x < width):
            raise IndexError(f"expected a location within {height} x {width} (rows x columns), got ({y}, {x})")


def attention_named(positions: Mapping[str, PositionAttention], label: str) -> PositionAttention:
    """A position attention by its label, or with ``.head0``, ``.head1`` ... after it one of its heads alone.

    Raises:
        OptionError: There is no such attention or head.
    """
    if label in positions:
        return positions[label]
    whole, _, number = label.rpartition(".head")
    if whole in positions and number.isdecimal() and int(number) < positions[whole].heads:
        return positions[whole].head(int(number))
    known = ", ".join(f"{name} with {found.heads} heads" for name, found in positions.items()) or "none"
    raise OptionError(f"expected a position attention of {known}, got {quoted(label)}")


def attention_title(label: str) -> str:
    """A position attention for people: ``"Position attention"``, ``"blocks.3.attn attention"``."""
    path = label.removesuffix(".attention")  # of the module that one was found in
    return f"{path[:1].upper()}{path[1:]} attention" if path == label else f"{path} attention"


def _softmax_in_chunks(query: FloatArray, key: FloatArray) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Rows of softmax(query^T key) of (c, N) and (c, M), some at a time: start, (n, M), log of the denominators."""
    for start in range(0, query.shape[1], QUERIES_PER_CHUNK):
        energy = query[:, start : start + QUERIES_PER_CHUNK].T @ key
        peak = energy.max(axis=1, keepdims=True)
        weights = np.exp(energy - peak)
        total = weights.sum(axis=1, keepdims=True)
        yield start, weights / total, (peak + np.log(total))[:, 0]
