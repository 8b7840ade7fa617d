"""Criss-cross attention: one softmax over the energies of a location with its row and with its column, side by side.

Query and key are kept as of any other position attention; what stands behind them (`attnviz.observe.layouts.separated`)
hides all other places. Which entry of the softmax is of which two places is read from how the energies were moved.
Paper: arXiv 1811.11721; its authors hide the location itself in its column, since it is in its row as well. Where
nobody does, it counts twice.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from attnviz.observe.energies import Folded, Kept
from attnviz.observe.layouts import APART, Crossing, Layout, layout_of
from attnviz.observe.places import Numbers
from attnviz.observe.products import Product

_HIDDEN = -APART / 2  # what is added to an energy that the softmax is not to see is less
_CHECKED = 32  # places of each head, whose rows are compared with the network's


def crossing_of(joined: Product, out: Tensor, batch: int) -> Layout:
    """The layout of energies with the own row and the own column; with a reason where they are anything else.

    Args:
        joined: Products that were put side by side.
        out: Their softmax.
        batch: How many pictures.
    """
    first, other = joined.joined[0], joined.joined[-1]
    layout = layout_of(*first.places, batch, int(first.query.shape[-2]))
    refused = Layout(layout.heads, reason=layout.reason or f"{joined.changed} stands between product and softmax")
    entries = [_entries(part) for part in joined.joined]
    plain = layout.grid is not None and layout.grid == layout.key_grid and not layout.cross and layout.heads > 0
    if len(entries) != 2 or not plain or layout.grid is None or first.places[0] is None:
        return refused
    known = [entry for entry in entries if entry is not None]
    if len(known) != 2 or known[0][0].shape[:-1] != known[1][0].shape[:-1] or first.places[0].grid != layout.grid:
        return refused
    queries, keys, biases = (torch.cat(parts, -1).flatten(0, -2) for parts in zip(*known, strict=True))
    if queries.shape != (out.numel() // out.shape[-1], out.shape[-1]) or other.query.shape[-1] != first.query.shape[-1]:
        return refused
    height, width = layout.grid
    if not _are_arms(queries, keys, height, width):
        return refused
    own = queries == keys
    counted = (own & (biases > _HIDDEN)).sum(-1)
    times = int(counted[0])
    if bool(biases[~own].any()) or bool((counted != times).any()) or not times:
        return refused
    return replace(layout, prefix=None, windows=None, crossing=_checked(first, layout, keys, times > 1))


def crossing_difference(crossing: Crossing, own: Kept, out: Tensor) -> float:
    """Largest difference of the network's softmax from what is kept, in the rows that are compared.

    Args:
        crossing: Which rows those are.
        own: What is kept.
        out: The network's softmax, (..., h + w).
    """
    query, key = own.query.flatten(0, 1)[:, crossing.places], own.key.flatten(0, 1)
    energy = query @ key.transpose(-1, -2)
    theirs = out.detach().reshape(-1, out.shape[-1]).float()[crossing.rows]
    shares = torch.zeros_like(energy).scatter_add_(-1, crossing.cells, theirs)
    largest = float(energy.masked_fill(energy < _HIDDEN, 0).abs().max())
    return float((energy.softmax(-1) - shares).abs().max()) - 2 * torch.finfo(torch.float32).eps * largest


def _entries(part: Product) -> tuple[Tensor, Tensor, Tensor] | None:
    """Of each energy, as they lie now, the places of its query and of its key, and what was added to it."""
    of_query, of_key = part.places
    rows, columns = (None if numbers is None else _numbered(numbers) for numbers in (of_query, of_key))
    if rows is None or columns is None:
        return None
    added = Folded(part.steps, (part.shape[:-2].numel(), *part.shape[-2:])).bias
    bias = torch.zeros((), device=rows.device) if added is None else added.reshape(part.shape)
    spread = (rows.unsqueeze(-1), columns.unsqueeze(-2), bias)
    queries, keys, biases = (part.moved(tensor.expand(part.shape)) for tensor in spread)
    return queries, keys, biases


def _numbered(numbers: Numbers) -> Tensor | None:
    first = numbers.along(-1)
    return None if first is None else first[..., 0].long()


def _are_arms(queries: Tensor, keys: Tensor, height: int, width: int) -> bool:
    """Whether each row of (rows, h + w) is of one query, and of the keys in its column and in its row."""
    cells = height * width
    query, place = queries[:, :1] - 1, keys - 1
    mixed = (queries != queries[:, :1]) | (query < 0) | (place // cells != query // cells)
    if bool(mixed.any()):
        return False
    y, x = (query % cells) // width, (query % cells) % width
    column = torch.arange(height, device=keys.device) * width + x
    row = y * width + torch.arange(width, device=keys.device)
    expected = torch.cat([column, row], -1).sort(-1).values
    found = (place % cells).sort(-1).values
    return found.shape == expected.shape and bool(torch.equal(found, expected))


def _checked(first: Product, layout: Layout, keys: Tensor, twice: bool) -> Crossing | None:
    """Some places of each head, the rows of the softmax that are theirs, and the cells that those rows are of."""
    if layout.grid is None or layout.query_rows is None:
        return None
    cells = layout.grid[0] * layout.grid[1]
    shape = first.shape
    numbers = torch.arange(shape[:-1].numel(), device=keys.device).view(*shape[:-1], 1).expand(shape)
    at = first.moved(numbers)[..., 0].flatten().argsort()  # of each query of the first product its row
    places = torch.linspace(0, cells - 1, min(cells, _CHECKED), device=keys.device).long()
    rows = at[layout.query_rows.flatten(0, 1)[:, places]]
    return Crossing(places, rows, (keys[rows] - 1) % cells, twice)
