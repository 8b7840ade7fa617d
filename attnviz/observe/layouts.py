"""How the rows of query and key lie on the picture: heads, windows, and tokens that are no places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice

import torch
from torch import Tensor
from torch.nn import functional

from attnviz.observe.places import Numbers

APART = 1e4  # logits by which places of other windows are below all others: exp(-1e4) is 0 in float32


@dataclass(frozen=True)
class Crossing:
    """Of a softmax over the own row and the own column of each place alone.

    Attributes:
        places: Those whose rows are compared with what is kept, int64 (P,).
        rows: Of the softmax, int64 (B * heads, P), that are theirs.
        cells: Which cell each entry of those rows is of, int64 (B * heads, P, h + w).
        twice: Whether a place itself counts twice, in its row and in its column.
    """

    places: Tensor
    rows: Tensor
    cells: Tensor
    twice: bool


@dataclass(frozen=True)
class Layout:
    """Where query and key of every place are, among the rows of (G, N, c), G being pictures, windows and heads.

    Attributes:
        heads: How many.
        grid: (h, w) of the places that look; of object queries (T, 1); None where nothing is shown.
        key_grid: (h, w) of the places that are looked at.
        query_rows: int64 (B, heads, h * w), among G * N.
        key_rows: int64 (B, heads, h * w), among G * M.
        other_rows: int64 (B, heads, P), of queries and of keys that are no places; None without any.
        prefix: How many tokens that are no places stand before all places, in queries and keys alike, where these
            follow in order and nothing else does; None where it is otherwise.
        windows: Numbers of the windows of places that look and are looked at, int64 (h * w,), and of other queries and
            keys, int64 (P,); None without windows.
        crossing: Of criss-cross attention; None of any other.
        cross: Whether queries and keys are of different places.
        reason: Why it is not shown; empty where it is.
    """

    heads: int
    grid: tuple[int, int] | None = None
    key_grid: tuple[int, int] | None = None
    query_rows: Tensor | None = None
    key_rows: Tensor | None = None
    other_rows: tuple[Tensor, Tensor] | None = None
    prefix: int | None = None
    windows: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
    crossing: Crossing | None = None
    cross: bool = False
    reason: str = ""


Form = tuple[torch.Size, torch.Size, tuple[int, ...], tuple[int, ...]]  # shapes and strides of query and key


def form_of(query: Tensor, key: Tensor) -> Form:
    """How query and key lie in memory: where it is another one, a layout that was known may not hold."""
    return query.shape, key.shape, query.stride(), key.stride()


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
    other_keys = _others(group, seen, heads, batch)
    if query is None or queries is None or not bool(queries.any()):
        if windows > 1 or len(keys) != batch * heads:
            return Layout(heads, reason="its keys are windowed and its queries are no places")
        objects = _objects(group, heads, batch, count)
        others = None if other_keys is None else (objects[..., :0], other_keys)
        return Layout(heads, (count, 1), seen.grid, objects, key_rows, others, cross=True)
    if queries.shape[0] != keys.shape[0]:
        return Layout(heads, reason="query and key are not of the same number of heads")
    looking = _dense(queries, query.grid)
    query_rows = None if looking is None else _scattered(group, looking, heads, batch)
    if looking is None or query_rows is None:
        return Layout(heads, reason="its queries are no grid")
    other_queries = _others(group, looking, heads, batch)
    if other_keys is None and not bool((seen.cell >= 0).all()):
        return Layout(heads, reason="its heads have not the same tokens beside the places")
    others = None
    if other_keys is not None:
        others = other_keys[..., :0] if other_queries is None else other_queries, other_keys
    return Layout(
        heads,
        looking.grid,
        seen.grid,
        query_rows,
        key_rows,
        others,
        _prefix(query_rows, key_rows, count) if windows == 1 and count == keys.shape[1] else None,
        None if windows == 1 else _windows(group, (looking, seen), others, (count, keys.shape[1])),
        cross=query.grid != key.grid or not torch.equal(looking.used, seen.used),
    )


def separated(layout: Layout) -> list[Tensor] | None:
    """What sets places apart when it stands behind query and key: (n, entries) for each of `windows`; None without.

    Each binary digit of a window's number is two entries. Their products are 0 within a window, so that its rows stay
    as they are to the bit, and `-APART` for every digit in which two windows differ. Of criss-cross attention they are
    0 within a row and within a column.
    """
    if layout.crossing is not None and layout.grid is not None:
        return _crossing(*layout.grid, twice=layout.crossing.twice, like=layout.crossing.places)
    if layout.windows is None:
        return None
    digits = max(1, max(int(numbers.max()) for numbers in layout.windows[:2]).bit_length())
    found = []
    for number, windows in enumerate(layout.windows):
        bits = (windows.unsqueeze(-1) >> torch.arange(digits, device=windows.device)) & 1
        of_keys = number % 2
        found.append(torch.cat([bits, 1 - bits] if of_keys else [(bits - 1) * APART, -bits * APART], -1).float())
    return found


def _crossing(height: int, width: int, *, twice: bool, like: Tensor) -> list[Tensor]:
    """Entries of queries and of keys, (h * w, n), that hide what is neither in the own row nor in the own column.

    Rows have codes of which none contains another, and so have columns: a bit of one code that another lacks tells the
    two apart. A pair of such bits, one of the rows and one of the columns, is an entry. A place that counts twice has
    log 2 more than the others: once for its row and once for its column.
    """
    rows, columns = (_codes(count).to(like.device) for count in (height, width))
    y, x = (grid.flatten() for grid in torch.meshgrid(*(torch.arange(n) for n in (height, width)), indexing="ij"))
    row, column = rows[y].unsqueeze(2), columns[x].unsqueeze(1)
    query, key = (row * column).flatten(1) * -APART, ((1 - row) * (1 - column)).flatten(1)
    if not twice:
        return [query, key]
    arms = torch.cat([functional.one_hot(y, height), functional.one_hot(x, width)], 1).to(query)
    return [torch.cat([query, arms * math.log(2)], 1), torch.cat([key, arms], 1)]


def _codes(count: int) -> Tensor:
    """So many sets of bits of one size, none of which contains another (Sperner), float32 (count, bits)."""
    bits = next(bits for bits in range(count + 1) if math.comb(bits, bits // 2) >= count)
    chosen = list(islice(combinations(range(bits), bits // 2), count))
    codes = torch.zeros(count, bits)
    for code, ones in zip(codes, chosen, strict=True):
        code[list(ones)] = 1
    return codes


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
    dense = torch.searchsorted(used, cell.clamp_min(0).contiguous())
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


def _others(group: _Groups, of: _Cells, heads: int, batch: int) -> Tensor | None:
    """The rows that are no places, (B, heads, P); None where there are none, or not as many for each head."""
    placed = of.cell >= 0
    rows = torch.arange(of.cell.numel(), device=of.cell.device).view(of.cell.shape)
    owner = group.picture * heads + group.head
    found = [rows[owner == number][~placed[owner == number]] for number in range(batch * heads)]
    counts = {len(part) for part in found}
    return torch.stack(found).view(batch, heads, -1) if len(counts) == 1 and counts != {0} else None


def _prefix(query_rows: Tensor, key_rows: Tensor, length: int) -> int | None:
    """The first row that is a place; None where the others do not follow it in order to the end, head by head."""
    batch, heads, count = query_rows.shape
    groups = torch.arange(batch * heads, device=query_rows.device).view(batch, heads, 1) * length
    expected = groups + torch.arange(length - count, length, device=query_rows.device)
    return length - count if torch.equal(query_rows, expected) and torch.equal(key_rows, expected) else None


def _windows(
    group: _Groups, of: tuple[_Cells, _Cells], others: tuple[Tensor, Tensor] | None, lengths: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The windows of all places, and of all others."""
    found = []
    for cells in of:
        windows = torch.zeros(len(cells.used), dtype=torch.int64, device=cells.cell.device)
        placed = cells.cell >= 0
        windows[cells.cell[placed]] = group.window.unsqueeze(-1).expand(cells.cell.shape)[placed]
        found.append(windows)
    for rows, length in zip(others or (), lengths, strict=False):
        found.append(group.window[rows[0, 0] // length])
    found += [found[0][:0]] * (4 - len(found))
    return found[0], found[1], found[2], found[3]


def _objects(group: _Groups, heads: int, batch: int, count: int) -> Tensor:
    """The rows of queries that are no places, (B, heads, count)."""
    order = (group.picture * heads + group.head).argsort()
    rows = order.unsqueeze(-1) * count + torch.arange(count, device=order.device)
    return rows.view(batch, heads, count)
