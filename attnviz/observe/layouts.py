"""How the rows of query and key lie on the picture: heads, windows, and tokens that are no places."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from attnviz.observe.places import Numbers

APART = 1e4  # logits by which places of other windows are below all others: exp(-1e4) is 0 in float32


@dataclass(frozen=True)
class Layout:
    """Where query and key of every place are, among the rows of (G, N, c), G being pictures, windows and heads.

    Attributes:
        heads: How many.
        grid: (h, w) of the places that look; of object queries (T, 1); None where nothing is shown.
        key_grid: (h, w) of the places that are looked at.
        query_rows: int64 (B, heads, h * w), among G * N.
        key_rows: int64 (B, heads, h * w), among G * M.
        token_rows: int64 (B, heads, T), of tokens that are no places, among G * N.
        starts: First row of a query and of a key that is a place, where all others follow it in order; None else.
        windows: Number of the window of each query and of each key, int64 (h * w,); None without windows.
        cross: Whether queries and keys are of different places.
        reason: Why it is not shown; empty where it is.
    """

    heads: int
    grid: tuple[int, int] | None = None
    key_grid: tuple[int, int] | None = None
    query_rows: Tensor | None = None
    key_rows: Tensor | None = None
    token_rows: Tensor | None = None
    starts: tuple[int, int] | None = None
    windows: tuple[Tensor, Tensor] | None = None
    cross: bool = False
    reason: str = ""


@dataclass(frozen=True)
class _Groups:
    """Of each of G: its picture, head and window."""

    picture: Tensor
    head: Tensor
    window: Tensor


@dataclass(frozen=True)
class _Cells:
    """Of each row of (G, M) its cell, -1 where it is no place, on a grid of those places that are used at all."""

    cell: Tensor
    grid: tuple[int, int]
    used: Tensor  # numbers of the places that are used


def layout_of(query: Numbers | None, key: Numbers | None, batch: int, count: int) -> Layout:
    """The layout of a position attention.

    Args:
        query: Places of (..., N, c); None where none are known.
        key: Places of (..., M, c).
        batch: How many pictures.
        count: N.
    """
    keys = None if key is None else _rows(key)
    queries = None if query is None else _rows(query)
    if key is None or keys is None or not bool(keys.any()):
        between = key is not None and keys is None and key.along(-2) is not None
        reason = "its rows are channels and not places" if between else "no grid of the picture was found in it"
        return Layout(_heads_of(query or key, batch), reason=reason)
    group = _groups(keys, math.prod(key.grid), batch)
    if group is None:
        return Layout(max(1, len(keys) // batch), reason="its windows are not the same for every head")
    heads, windows = int(group.head.max()) + 1, int(group.window.max()) + 1
    seen = _dense(keys, key.grid)
    key_rows = None if seen is None else _scattered(group, seen, heads, batch)
    if seen is None or key_rows is None:
        return Layout(heads, reason="windowed, and its windows overlap" if windows > 1 else "its keys are no grid")
    if query is None or queries is None or not bool(queries.any()):
        if windows > 1 or len(keys) != batch * heads:
            return Layout(heads, reason="its keys are windowed and its queries are no places")
        objects = _objects(group, heads, batch, count)
        return Layout(heads, (count, 1), seen.grid, objects, key_rows, cross=True)
    if queries.shape[0] != keys.shape[0]:
        return Layout(heads, reason="query and key are not of the same number of heads")
    looking = _dense(queries, query.grid)
    query_rows = None if looking is None else _scattered(group, looking, heads, batch)
    if looking is None or query_rows is None:
        return Layout(heads, reason="its queries are no grid")
    return Layout(
        heads,
        looking.grid,
        seen.grid,
        query_rows,
        key_rows,
        _tokens(group, looking.cell, heads, batch) if windows == 1 else None,
        _starts((query_rows, count), (key_rows, keys.shape[1])) if windows == 1 else None,
        None if windows == 1 else (_windows(group, looking), _windows(group, seen)),
        cross=query.grid != key.grid or not torch.equal(looking.used, seen.used),
    )


def separated(layout: Layout) -> tuple[Tensor, Tensor] | None:
    """What sets windows apart when it stands behind query and key: (h * w, n) each; None without windows.

    Each binary digit of a window's number is two entries. Their products are 0 within a window, so that its rows stay
    as they are to the bit, and `-APART` for every digit in which two windows differ.
    """
    if layout.windows is None:
        return None
    query, key = layout.windows
    digits = max(1, int(max(query.max(), key.max())).bit_length())
    of_query, of_key = ((w.unsqueeze(-1) >> torch.arange(digits, device=w.device)) & 1 for w in (query, key))
    return torch.cat([of_query - 1, -of_query], -1) * APART, torch.cat([of_key, 1 - of_key], -1).float()


def _rows(numbers: Numbers) -> Tensor | None:
    """The number of each row, int64 (G, N); None where the features of one row are of several places."""
    first = numbers.along(-1)
    return None if first is None or first.ndim < 3 else first[..., 0].reshape(-1, first.shape[-2]).long()


def _heads_of(numbers: Numbers | None, batch: int) -> int:
    return 1 if numbers is None else max(1, math.prod(numbers.of.shape[:-2]) // batch)


def _groups(keys: Tensor, cells: int, batch: int) -> _Groups | None:
    """What each of G is: groups of the same places are heads of one window."""
    picture, head, window, counts = [], [], [], dict[tuple[int, bytes], int]()
    windows: list[dict[bytes, int]] = [{} for _ in range(batch)]
    for row in keys.cpu():
        placed = row[row > 0]
        if not len(placed):
            return None
        number = int(placed[0] - 1) // cells
        name = row.numpy().tobytes()
        picture.append(number)
        window.append(windows[number].setdefault(name, len(windows[number])))
        head.append(counts.get((number, name), 0))
        counts[number, name] = head[-1] + 1
    if len(set(counts.values())) != 1 or len({len(w) for w in windows}) != 1:
        return None
    return _Groups(*(torch.tensor(numbers, device=keys.device) for numbers in (picture, head, window)))


def _dense(rows: Tensor, grid: tuple[int, int]) -> _Cells | None:
    """The cells of rows that may use every second place alone; None where those are no grid."""
    cell = (rows - 1) % math.prod(grid)
    cell[rows < 1] = -1
    used = cell[cell >= 0].unique()
    high, wide = len((used // grid[1]).unique()), len((used % grid[1]).unique())
    if high * wide != len(used):
        return None
    dense = torch.searchsorted(used, cell.clamp_min(0))
    dense[cell < 0] = -1
    return _Cells(dense, (high, wide), used)


def _scattered(group: _Groups, of: _Cells, heads: int, batch: int) -> Tensor | None:
    """The row of every cell, (B, heads, cells); None where a cell is missing or there twice."""
    cell, cells = of.cell, len(of.used)
    placed = cell >= 0
    if int(placed.sum()) != batch * heads * cells:
        return None
    found = torch.full((batch * heads * cells,), -1, device=cell.device)
    at = ((group.picture * heads + group.head) * cells).unsqueeze(-1) + cell
    found[at[placed]] = torch.arange(cell.numel(), device=cell.device).view(cell.shape)[placed]
    return found.view(batch, heads, cells) if int(found.min()) >= 0 else None


def _tokens(group: _Groups, cell: Tensor, heads: int, batch: int) -> Tensor | None:
    count = int((cell[0] < 0).sum())
    if not count or not bool(((cell < 0).sum(1) == count).all()):
        return None
    rows = torch.arange(cell.numel(), device=cell.device).view(cell.shape)[cell < 0].view(-1, count)
    order = (group.picture * heads + group.head).argsort()
    return rows[order].view(batch, heads, count)


def _starts(*rows_of: tuple[Tensor, int]) -> tuple[int, int] | None:
    """The first row of queries and keys; None where the others do not follow in order, head by head."""
    starts = []
    for rows, length in rows_of:
        start, (batch, heads, count) = int(rows.flatten()[0]), rows.shape
        groups = torch.arange(batch * heads, device=rows.device).view(batch, heads, 1) * length
        if not torch.equal(rows, groups + torch.arange(count, device=rows.device) + start):
            return None
        starts.append(start)
    return starts[0], starts[1]


def _windows(group: _Groups, of: _Cells) -> Tensor:
    """The window of every cell."""
    found = torch.zeros(len(of.used), dtype=torch.int64, device=of.cell.device)
    placed = of.cell >= 0
    found[of.cell[placed]] = group.window.unsqueeze(-1).expand(of.cell.shape)[placed]
    return found


def _objects(group: _Groups, heads: int, batch: int, count: int) -> Tensor:
    """The rows of queries that are no places, (B, heads, count)."""
    order = (group.picture * heads + group.head).argsort()
    rows = order.unsqueeze(-1) * count + torch.arange(count, device=order.device)
    return rows.view(batch, heads, count)
