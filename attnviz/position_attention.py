"""Query and key instead of the N x N matrix of position attention: rows and columns are made when asked for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# Rows of the N x N matrix held at once, here and in the network: 0.53 GB at 32768 locations, where the whole matrix
# would take 4 GB; not slower.
QUERIES_PER_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class PositionAttention:
    """An attention over positions, softmax over keys of q.k, computed row by row on demand.

    DANet's energy is not scaled (paper arXiv 1809.02983, Eq. 1). A scale or a bias of other attentions, and the windows
    within which some of them look, are part of query and key.

    Attributes:
        query: float32 (c, h, w); in a cross attention (c, h', w') of another grid, or (c, T, 1) of T object queries.
        key: float32 (c, h, w).
        gamma: Weight of the module's output in the residual sum; 0 means the network ignores it.
        stride: Input pixels per location of the key.
        token_query: float32 (c, T), of tokens beside the locations, such as CLS and registers; None without any.
    """

    query: FloatArray
    key: FloatArray
    gamma: float
    stride: int
    token_query: FloatArray | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of locations that look."""
        return int(self.query.shape[1]), int(self.query.shape[2])

    @property
    def key_grid(self) -> tuple[int, int]:
        """Rows and columns of locations that are looked at; those that look, but in a cross attention."""
        return int(self.key.shape[1]), int(self.key.shape[2])

    @property
    def tokens(self) -> int:
        """How many tokens beside the locations look."""
        return 0 if self.token_query is None else int(self.token_query.shape[1])

    def row(self, y: int, x: int) -> FloatArray:
        """Where location (y, x) looks: float32 (h, w) of the key's grid, sums to 1.

        Raises:
            IndexError: (y, x) is not a location of the grid.
        """
        self._check(y, x, self.grid)
        return self._looks(self.query[:, y, x])

    def token_row(self, token: int) -> FloatArray:
        """Where a token beside the locations looks, among the locations: float32 (h, w), sums to 1.

        Args:
            token: From 0, in the network's order; in most ViTs 0 is CLS and registers come after it.

        Raises:
            IndexError: There is no such token.
        """
        if self.token_query is None or not 0 <= token < self.tokens:
            raise IndexError(f"expected one of {self.tokens} tokens, got {token}")
        return self._looks(self.token_query[:, token])

    def column(self, y: int, x: int) -> FloatArray:
        """Who looks at location (y, x) of the key's grid: float32 (h, w), each in [0, 1]; sums to anything up to h*w.

        Raises:
            IndexError: (y, x) is not a location of the grid.
        """
        self._check(y, x, self.key_grid)
        energy = self.key[:, y, x] @ self._flat(self.query)
        return np.asarray(np.exp(energy.reshape(self.grid) - self.log_sum_exp), dtype=np.float32)

    @cached_property
    def log_sum_exp(self) -> FloatArray:
        """Logarithm of each query's softmax denominator, float32 (h, w)."""
        return self._reductions[0]

    @cached_property
    def received(self) -> FloatArray:
        """Mean attention each location receives over all queries: float32 (h, w), sums to 1."""
        return self._reductions[1]

    @cached_property
    def _reductions(self) -> tuple[FloatArray, FloatArray]:
        queries, keys = self._flat(self.query), self._flat(self.key)
        count = queries.shape[1]
        lse = np.empty(count, dtype=np.float32)
        received = np.zeros(keys.shape[1], dtype=np.float64)
        for start in range(0, count, QUERIES_PER_CHUNK):
            energy = queries[:, start : start + QUERIES_PER_CHUNK].T @ keys
            peak = energy.max(axis=1, keepdims=True)
            weights = np.exp(energy - peak)
            total = weights.sum(axis=1, keepdims=True)
            lse[start : start + QUERIES_PER_CHUNK] = (peak + np.log(total))[:, 0]
            received += (weights / total).sum(axis=0)
        return lse.reshape(self.grid), np.asarray(received / count, dtype=np.float32).reshape(self.key_grid)

    def _looks(self, query: FloatArray) -> FloatArray:
        energy = query @ self._flat(self.key)
        weights = np.exp(energy - energy.max())
        return np.asarray(weights / weights.sum(), dtype=np.float32).reshape(self.key_grid)

    @staticmethod
    def _check(y: int, x: int, grid: tuple[int, int]) -> None:
        height, width = grid
        if not (0 <= y < height and 0 <= x < width):
            raise IndexError(f"expected a location within {height} x {width} (rows x columns), got ({y}, {x})")

    @staticmethod
    def _flat(tensor: FloatArray) -> FloatArray:
        return tensor.reshape(tensor.shape[0], -1)
