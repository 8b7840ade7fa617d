"""The attention of any network, found by what it does in one forward pass and not by what it is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.errors import RecordError
from attnviz.models.sites import Site, SiteKind
from attnviz.observe.attention_products import Attention
from attnviz.observe.energies import KeptName
from attnviz.observe.gates import FoundGate
from attnviz.observe.held import HeldAttention, HeldGate
from attnviz.observe.recorder import Recording, evaluating, lock_of
from attnviz.observe.watched_pass import FoundAttention, Value, WatchedPass, closed

_TITLES = ("label", "kind", "grid", "stride", "heads", "range used", "where")
_SITE_KINDS: dict[str, SiteKind] = {
    "spatial_gate": "spatial_gate",
    "group_gate": "group_gate",
    "channel_gate": "channel_gate",
    "row_gate": "gate",
    "column_gate": "gate",
    "gate": "gate",
}
_ROWS_MEASURED = 32  # of each head's attention, for its range


@dataclass(frozen=True)
class AttentionTable(Sequence[FoundAttention]):
    """The attentions of a network, in the order of their use; prints as a table.

    Attributes:
        found: One entry for each.
        modules: Paths of modules that could be watched instead: the last of each size of features.
        notes: One sentence for each part of the network that could not be watched.
    """

    found: tuple[FoundAttention, ...]
    modules: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a number or a slice
        return self.found[index]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[FoundAttention]:
        return iter(self.found)

    def __str__(self) -> str:
        if not self.found:
            return " ".join(("No attention was found.", *self.notes, self._instead()))
        rows = [_TITLES, *(_row(entry) for entry in self.found)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join((*lines, *self.notes))

    def _instead(self) -> str:
        if not self.modules:
            return "No module gives features of several places that could be watched instead."
        last = self.modules[-1]
        return (
            f"Modules that could be watched instead: {', '.join(self.modules)}; "
            f'explain(photo, model=net, sites="{last}") shows the norm of their features, '
            f'sites="{last}.grad_cam" Grad-CAM there.'
        )

    __repr__ = __str__


def find_attention(net: nn.Module, x: Tensor) -> AttentionTable:
    """Run a network once and find the attention in it, whoever wrote its classes.

    Gates (a sigmoid, softmax or tanh that multiplies features) and position attention (a softmax over the product of
    two tensors that multiplies a third) are found by what they compute, also inline in a ``forward``.

    Args:
        net: Any network; it is as before afterwards.
        x: Its input, (B, 3, H, W); moved to the network's device and dtype.

    Returns:
        What was found, as rows of a table; without any, the modules that could be watched instead.

    Raises:
        RecordError: The input has another shape.

    Example:
        >>> import attnviz, torch
        >>> trunk = {"depth": 18, "width": 16, "attention": {"kind": "se"}}
        >>> net = attnviz.build_model({"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 10})
        >>> found = attnviz.find_attention(net, torch.zeros(1, 3, 64, 64))
        >>> found[0].kind
        'channel_gate'
    """
    watched = _watched(net, x, whole=True)[1]
    found = tuple(replace(entry, range_used=_range_used(value)) for entry, value in watched.finds)
    notes = tuple(f"{path or 'The network'} is compiled: its calls cannot be watched." for path in closed(net))
    return AttentionTable(found, tuple(watched.last_of_size.values()), notes)


def record_found(net: nn.Module, x: Tensor, *, inside: bool = False) -> Recording:
    """Run a network of any kind once and keep what its attention computed, as `attnviz.record` does for its sites.

    Args:
        net: Any network; it is as before afterwards.
        x: Its input, (B, 3, H, W); moved to the network's device and dtype.
        inside: Keep the features around gates as well.

    Raises:
        RecordError: The input has another shape.
    """
    output, watched = _watched(net, x, inside=inside)
    return recording_of(output, watched)


def recording_of(output: Any, watched: WatchedPass) -> Recording:  # noqa: ANN401 - whatever a network gives
    """What was found in a forward pass, as a recording.

    Args:
        output: The network's.
        watched: The pass, at its end.
    """
    sites: dict[Site, Callable[[], Tensor]] = {}
    for entry, value in watched.finds:
        if isinstance(value, FoundGate | HeldGate):
            site = Site(entry.label, entry.path, _SITE_KINDS[entry.kind], None, entry.stride or 1)
            sites[site] = partial(getattr, value, "value")
        else:
            sites.update(_sites_of_attention(entry, value))
    detached = output.detach() if isinstance(output, Tensor) else output
    tensors = _WhenAsked({site.label: make for site, make in sites.items()})
    around = {entry.label: watched.around(number) for number, (entry, _) in enumerate(watched.finds)}
    extra = {e.label: v.kept.extra for e, v in watched.finds if isinstance(v, Attention) and v.kept is not None}
    return Recording(detached, tensors, tuple(sites), watched.class_token, around, extra)


class _WhenAsked(Mapping[str, Tensor]):
    """Tensors by label, each made when it is first asked for: copies of query and key take longer than watching."""

    def __init__(self, make: dict[str, Callable[[], Tensor]]) -> None:
        self._make = make
        self._made: dict[str, Tensor] = {}

    def __getitem__(self, label: str) -> Tensor:
        if label not in self._made:
            self._made[label] = self._make[label]()
        return self._made[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)


def _watched(net: nn.Module, x: Tensor, *, whole: bool = False, inside: bool = False) -> tuple[Any, WatchedPass]:
    """The network's own output, and what was found in it."""
    if x.ndim != 4:
        raise RecordError(f"expected an input of shape (B, 3, H, W), got {tuple(x.shape)}")
    parameter = next(net.parameters(), x)
    x = x.to(parameter.device, parameter.dtype)
    with lock_of(net), evaluating(net), torch.no_grad():
        with WatchedPass(net, x, whole=whole, inside=inside) as watched:
            output = net(x)
        if watched.strayed:
            with WatchedPass(net, x, whole=True, inside=inside) as watched:
                output = net(x)
        if watched.has_fast_path:
            output = net(x)  # being watched turns the fast path off, which rounds otherwise
    return output, watched


def _sites_of_attention(
    entry: FoundAttention, found: Attention | HeldAttention
) -> Iterator[tuple[Site, Callable[[], Tensor]]]:
    """Query and key, with an axis of heads where there are several; nothing of an attention that is not shown."""
    if found.layout.grid is None or found.layout.key_grid is None:
        return
    for name in found.names:
        if name == "other_query" and entry.kind == "cross":
            continue
        kind: SiteKind = "cross_query" if name == "query" and entry.kind == "cross" else name
        site = Site(f"{entry.label}.{name}", entry.path, kind, None, entry.stride or 1)
        yield site, partial(_laid_out, found, name)


def _laid_out(found: Attention | HeldAttention, name: KeptName) -> Tensor:
    """One tensor of an attention that is shown, (B, [heads,] c, h, w), or (B, [heads,] c, P) of other tokens."""
    layout = found.layout
    tensor: Tensor = getattr(found.kept, name).transpose(-1, -2)
    if layout.heads == 1:
        tensor = tensor[:, 0]
    grids = {"query": layout.grid, "key": layout.key_grid}
    return tensor.unflatten(-1, grids[name]) if name in grids else tensor


def _range_used(value: Value) -> float | None:
    """Largest minus smallest value, as a share of the range: a gate's is (0, 1) or (-1, 1), that of weights (0, 1)."""
    if isinstance(value, FoundGate | HeldGate):
        low, high = float(value.value.min()), float(value.value.max())
        return (high - low) / (2 if low < 0 else 1)
    if value.kept is None:
        return None
    query, keys = value.kept.query, value.kept.key
    if value.kept.other_key is not None:
        keys = torch.cat([value.kept.other_key, keys], dim=2)
    count, others = query.shape[2], keys.shape[2] - value.kept.key.shape[2]
    rows = query[:, :, torch.linspace(0, count - 1, min(count, _ROWS_MEASURED)).long()]
    weights = (rows @ keys.transpose(-1, -2)).softmax(-1)[..., others:]
    return float(weights.max() - weights.min())


def _row(entry: FoundAttention) -> tuple[str, ...]:
    grid = "-" if entry.grid is None else f"{entry.grid[0]} x {entry.grid[1]}"
    stride = "-" if entry.stride is None else str(entry.stride)
    used = "-" if entry.range_used is None else f"{100 * entry.range_used:.0f} %"
    where = os.path.basename(entry.where) + (f" (not shown: {entry.reason})" if entry.reason else "")
    return entry.label, entry.kind, grid, stride, str(entry.heads), used, where
