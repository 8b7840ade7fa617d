"""The attention of any network, found by what it does in one forward pass and not by what it is called."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.errors import RecordError
from attnviz.models.sites import Site, SiteKind
from attnviz.observe.attention_products import Attention, AttentionWatch
from attnviz.observe.gates import GateWatch
from attnviz.observe.recorder import Recording, evaluating, lock_of
from attnviz.observe.watch_calls import Calls, CallWatcher, ModulePaths, line_of_user

_CLASS_TOKEN = re.compile(r"(^|[._])(cls|class)_(token|embedding|emb)$", re.IGNORECASE)
_TITLES = ("label", "kind", "grid", "stride", "heads", "where")


@dataclass(frozen=True)
class FoundAttention:
    """One attention of a network.

    Attributes:
        label: Of its map or position attention in an explanation; ``.head0``, ``.head1`` after it name one head.
        path: Of the module in whose forward pass it is used; ``""`` is the network.
        kind: ``"spatial_gate"``, ``"group_gate"``, ``"channel_gate"``, ``"gate"`` or ``"position"``.
        grid: (h, w) of its locations; None for a channel gate and where it is not shown.
        stride: Input pixels per location; None as for the grid.
        heads: How many; 1 for gates.
        where: File and line of the code that uses it.
        reason: Why an explanation does not show it; empty where it does.
    """

    label: str
    path: str
    kind: str
    grid: tuple[int, int] | None
    stride: int | None
    heads: int
    where: str
    reason: str = ""


@dataclass(frozen=True)
class AttentionTable(Sequence[FoundAttention]):
    """The attentions of a network, in the order of their use; prints as a table.

    Attributes:
        found: One entry for each.
        modules: Paths of modules that could be watched instead: the last of each size of features.
    """

    found: tuple[FoundAttention, ...]
    modules: tuple[str, ...]

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a number or a slice
        return self.found[index]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[FoundAttention]:
        return iter(self.found)

    def __str__(self) -> str:
        if not self.found:
            return (
                f"No attention was found. Modules that could be watched instead: {', '.join(self.modules) or 'none'}."
            )
        rows = [_TITLES, *(_row(entry) for entry in self.found)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

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
    watch = _watched(net, x)[1]
    return AttentionTable(tuple(entry for entry, _ in watch.finds), tuple(watch.paths.last_of_size.values()))


def record_found(net: nn.Module, x: Tensor) -> Recording:
    """Run a network of any kind once and keep what its attention computed, as `attnviz.record` does for its sites.

    Args:
        net: Any network; it is as before afterwards.
        x: Its input, (B, 3, H, W); moved to the network's device and dtype.

    Raises:
        RecordError: The input has another shape.
    """
    output, watch = _watched(net, x)
    sites: dict[Site, Tensor] = {}
    for entry, value in watch.finds:
        if isinstance(value, Attention):
            sites.update(_sites_of_attention(entry, value))
        elif not entry.reason:
            sites[Site(entry.label, entry.path, _gate_kind(entry), None, entry.stride or 1)] = value
    detached = output.detach() if isinstance(output, Tensor) else output
    return Recording(detached, {site.label: t for site, t in sites.items()}, tuple(sites), has_class_token(net))


class _Watch(CallWatcher):
    """Gathers what was found in one forward pass."""

    def __init__(self, x: Tensor) -> None:
        self.paths = ModulePaths()
        self.finds: list[tuple[FoundAttention, Tensor | Attention]] = []
        self._x_size = int(x.shape[2]), int(x.shape[3])
        self._gates, self._products = GateWatch(int(x.shape[0])), AttentionWatch(x)
        self._labels: Counter[str] = Counter()

    def before(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        gate = self._gates.multiplied(name, args)
        if gate is not None:
            kind, reason, value = gate
            features = max((a for a in args[:2]), key=Tensor.numel)
            grid = (int(features.shape[2]), int(features.shape[3]))
            shown = grid if kind == "channel_gate" else (int(value.shape[2]), int(value.shape[3]))
            entry = self._entry(kind or "gate", shown, 1, reason)
            self.finds.append((replace(entry, grid=None) if kind == "channel_gate" else entry, value))
        attention = self._products.finished(name, args, kwargs)
        if attention is not None:
            self.finds.append((self._entry("position", attention.grid, attention.heads, attention.reason), attention))

    def after(self, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]) -> None:
        self._gates.note(name, args, outs)
        self._products.note(name, args, kwargs, outs)

    def forget(self) -> None:
        """Let go of everything but what was found."""
        del self._gates, self._products

    def _entry(self, kind: str, grid: tuple[int, int] | None, heads: int, reason: str) -> FoundAttention:
        path = self.paths.running[-1] if self.paths.running else ""
        label = ".".join(part for part in (path, "attention" if kind == "position" else kind) if part)
        self._labels[label] += 1
        if self._labels[label] > 1:
            label = f"{label}{self._labels[label]}"
        stride = None if grid is None else max(1, round(self._x_size[0] / grid[0]))
        return FoundAttention(label, path, kind, grid, stride, heads, line_of_user(), reason)


def _watched(net: nn.Module, x: Tensor) -> tuple[Any, _Watch]:
    """The network's own output, and what was found in it."""
    if x.ndim != 4:
        raise RecordError(f"expected an input of shape (B, 3, H, W), got {tuple(x.shape)}")
    parameter = next(net.parameters(), x)
    x = x.to(parameter.device, parameter.dtype)
    watch = _Watch(x)
    with lock_of(net), evaluating(net), torch.no_grad():
        with watch.paths.followed(net), Calls(watch):
            output = net(x)
        if _has_fast_path(net):
            output = net(x)  # being watched turns the fast path off, which rounds otherwise
    watch.forget()
    return output, watch


def _has_fast_path(net: nn.Module) -> bool:
    kinds = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
    return any(isinstance(module, kinds) for module in net.modules())


def _sites_of_attention(entry: FoundAttention, found: Attention) -> Iterator[tuple[Site, Tensor]]:
    """Query and key, with an axis of heads where there are several; nothing of an attention that is not shown."""
    kinds: tuple[SiteKind, ...] = ("query", "key", "other_query", "other_key")
    for kind in kinds:
        tensor: Tensor | None = getattr(found, kind)
        if tensor is not None and found.query is not None:
            kept = tensor[:, 0] if found.heads == 1 else tensor
            yield Site(f"{entry.label}.{kind}", entry.path, kind, None, entry.stride or 1), kept


def has_class_token(net: nn.Module) -> bool:
    """Whether a network has a class token, by the names of its parameters."""
    return any(_CLASS_TOKEN.search(name) for name, _ in net.named_parameters())


def _gate_kind(entry: FoundAttention) -> SiteKind:
    kinds: dict[str, SiteKind] = {
        "spatial_gate": "spatial_gate",
        "group_gate": "group_gate",
        "channel_gate": "channel_gate",
        "gate": "gate",
    }
    return kinds[entry.kind]


def _row(entry: FoundAttention) -> tuple[str, ...]:
    grid = "-" if entry.grid is None else f"{entry.grid[0]} x {entry.grid[1]}"
    stride = "-" if entry.stride is None else str(entry.stride)
    where = os.path.basename(entry.where) + (f" (not shown: {entry.reason})" if entry.reason else "")
    return entry.label, entry.kind, grid, stride, str(entry.heads), where
