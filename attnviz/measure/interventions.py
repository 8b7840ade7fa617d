"""What can be taken from a network's attention, and the network's answer without it.

Each intervention changes one thing for the length of one forward pass: by hooks on the modules of a network that names
its sites, or where the code of any other network computes the attention. The network is as before afterwards, to the
bit, also after an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.errors import RecordError
from attnviz.measure.changed_outputs import Change, flattened, outputs_changed, parameters_replaced
from attnviz.measure.found_edits import Edit, FoundEdit, exchanged, found_changed
from attnviz.models.sites import Site, SiteKind, names_sites, sites_of
from attnviz.observe.discover import find_attention
from attnviz.observe.recorder import evaluating, lock_of
from attnviz.observe.watched_pass import FoundAttention

_ATTENTIONS = ("position", "cross")
_MOST_HEADS = 24  # switched off one by one: a ViT of twelve layers has 144, each a forward pass
_SPATIAL: tuple[SiteKind, ...] = ("spatial_gate", "group_gate")


@dataclass(frozen=True)
class Intervention:
    """One thing that is taken from a network's attention.

    Attributes:
        key: Stable name: the label of the attention or of its stage, and what is done: ``"stage3.flat"``.
        title: For people.
        outputs: Path of a module -> what it gives instead.
        zeroed: Paths of parameters that are 0.
        found: Number of a found attention -> what is done with it; for networks that name no sites.
    """

    key: str
    title: str
    outputs: Mapping[str, Change] = field(default_factory=dict)
    zeroed: tuple[str, ...] = ()
    found: Mapping[int, FoundEdit] = field(default_factory=dict)


def interventions_on(net: nn.Module, x: Tensor) -> tuple[Intervention, ...]:
    """Everything that can be taken from a network's attention, in order of depth; empty where none was found.

    Args:
        net: A network that names its sites, or any other.
        x: An input, (B, 3, H, W), with which attention is looked for in a network that names no sites.

    Raises:
        RecordError: The input has another shape.
    """
    if not names_sites(net):
        return tuple(_on_found(list(find_attention(net, x))))
    sites = sites_of(net)
    return (*_on_bams(sites), *_on_gates(sites), *_on_attentions(sites))


def answer(net: nn.Module, x: Tensor, intervention: Intervention | None = None) -> Any:  # noqa: ANN401 - its own
    """What a network gives for an input, in evaluation mode and without gradients; with None, untouched.

    A network that names no sites is watched also where nothing is changed, so that the two runs differ in the
    intervention alone: being watched turns PyTorch's fast path for transformers off, which rounds otherwise.

    Args:
        net: Any network.
        x: Its input, (B, 3, H, W); moved to the network's device and dtype.
        intervention: One of `interventions_on` this network.

    Raises:
        RecordError: The input has another shape, or the network lacks what is to be changed.
    """
    if x.ndim != 4:
        raise RecordError(f"expected an input of shape (B, 3, H, W), got {tuple(x.shape)}")
    parameter = next(net.parameters(), x)
    x = x.to(parameter.device, parameter.dtype)
    change = intervention or Intervention("", "")
    zeros = {path: torch.zeros_like(net.get_parameter(path)) for path in change.zeroed}
    with ExitStack() as stack:
        for context in (lock_of(net), evaluating(net), torch.no_grad()):
            stack.enter_context(context)
        stack.enter_context(outputs_changed(net, change.outputs))
        stack.enter_context(parameters_replaced(net, zeros))
        if not names_sites(net):
            stack.enter_context(found_changed(x, change.found))
        return net(x)


def _on_bams(sites: Sequence[Site]) -> Iterator[Intervention]:
    """A BAM's gate is flattened, set to 1, left with one branch, or fused the other way."""
    every: dict[str, Change] = {}
    for site in sites:
        if site.kind != "effective_gain":
            continue
        name, start = site.group, f"Stage {site.stage}:"
        channel, spatial = (_path(sites, site.group, kind) for kind in ("channel_logit", "spatial_logit"))
        neutral, other = (0.0, "product") if site.fusion == "sum" else (1.0, "sum")
        every[site.path] = _flat
        yield Intervention(f"{name}.flat", f"{start} gate flattened to its mean over locations", {site.path: _flat})
        yield Intervention(f"{name}.one", f"{start} gate set to 1 everywhere", {site.path: _one})
        yield Intervention(f"{name}.spatial_alone", f"{start} spatial part alone", {channel: _constant(neutral)})
        yield Intervention(f"{name}.channel_alone", f"{start} channel part alone", {spatial: _constant(neutral)})
        yield Intervention(f"{name}.{other}", f"{start} logits joined by {other}", {site.path: _fused_by(other)})
    if len(every) > 1:
        yield Intervention("all.flat", "All stages: gates flattened to their means", every)


def _on_gates(sites: Sequence[Site]) -> Iterator[Intervention]:
    """The gates of all blocks of a stage together (CBAM, SGE, SE), and of all stages."""
    gates = [site for site in sites if site.kind in (*_SPATIAL, "channel_gate")]
    every: dict[str, list[str]] = {"flat": [], "even": []}
    stages = 0
    for stage, members in groupby(gates, key=lambda site: site.stage):
        of_stage = list(members)
        spatial = [site.path for site in of_stage if site.kind in _SPATIAL]
        channel = [site.path for site in of_stage if site.kind == "channel_gate"]
        every["flat"] += spatial
        every["even"] += channel
        stages += 1
        name, start = f"stage{stage}", f"Stage {stage}:"
        if spatial:
            title = f"{start} spatial gates flattened to their means over locations"
            yield Intervention(f"{name}.flat", title, _each(spatial, _flat))
        if channel:
            title = f"{start} channel gates evened to their means over channels"
            yield Intervention(f"{name}.even", title, _each(channel, _even))
        yield Intervention(f"{name}.one", f"{start} gates set to 1", _each([*spatial, *channel], _one))
        if spatial and channel:
            yield Intervention(f"{name}.spatial_alone", f"{start} channel gates set to 1", _each(channel, _one))
            yield Intervention(f"{name}.channel_alone", f"{start} spatial gates set to 1", _each(spatial, _one))
    if every["flat"] and stages > 1:
        yield Intervention(
            "all.flat", "All stages: spatial gates flattened to their means", _each(every["flat"], _flat)
        )
    if every["even"] and stages > 1:
        yield Intervention("all.even", "All stages: channel gates evened to their means", _each(every["even"], _even))


def _on_attentions(sites: Sequence[Site]) -> Iterator[Intervention]:
    """Gammas at 0, one by one and all; rows of position attention exchanged between queries."""
    gammas = [site for site in sites if site.kind == "gamma"]
    for site in gammas:
        yield Intervention(f"{site.group}.gamma0", f"{_capital(site.group)} attention: γ set to 0", zeroed=(site.path,))
    if len(gammas) > 1:
        yield Intervention("all.gamma0", "All attentions: γ set to 0", zeroed=tuple(site.path for site in gammas))
    for site in sites:
        if site.kind == "query":
            title = f"{_capital(site.group)} attention: rows exchanged between queries"
            yield Intervention(f"{site.group}.shuffled", title, {site.path: _rows_exchanged})


def _on_found(entries: Sequence[FoundAttention]) -> Iterator[Intervention]:
    """The same for attention that was found in a network that names no sites."""
    off = [(i, entry, head) for i, entry in enumerate(entries) if entry.kind in _ATTENTIONS for head in _heads(entry)]
    for i, entry in enumerate(entries):
        if entry.kind in _ATTENTIONS:
            yield _found(i, entry, "shuffle", "rows exchanged between queries", "shuffled")
        else:
            if entry.kind == "channel_gate":
                yield _found(i, entry, "even", "evened to its mean over channels", "even")
            else:
                yield _found(i, entry, "flat", "flattened to its mean over locations", "flat")
            yield _found(i, entry, "one", "left out", "one")
        for number, _, head in off[-_MOST_HEADS:]:
            if number == i:
                yield Intervention(
                    f"{entry.label}.head{head}_off",
                    f"{entry.label}: head {head} switched off",
                    found={i: FoundEdit("head_off", head)},
                )


def _found(number: int, entry: FoundAttention, edit: Edit, words: str, name: str) -> Intervention:
    return Intervention(f"{entry.label}.{name}", f"{entry.label}: {words}", found={number: FoundEdit(edit)})


def _heads(entry: FoundAttention) -> range:
    return range(entry.heads) if entry.heads > 1 else range(0)


def _path(sites: Sequence[Site], group: str, kind: SiteKind) -> str:
    for site in sites:
        if site.group == group and site.kind == kind:
            return site.path
    raise RecordError(f"expected a site of kind {kind} in {group}, got none")


def _each(paths: Iterable[str], change: Change) -> dict[str, Change]:
    return dict.fromkeys(paths, change)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _flat(_inputs: tuple[Any, ...], gate: Tensor) -> Tensor:
    return flattened(gate).expand_as(gate)


def _even(_inputs: tuple[Any, ...], gate: Tensor) -> Tensor:
    return gate.mean(dim=1, keepdim=True).expand_as(gate)


def _one(_inputs: tuple[Any, ...], gate: Tensor) -> Tensor:
    return torch.ones_like(gate)


def _constant(value: float) -> Change:
    return lambda _inputs, output: torch.full_like(output, value)


def _fused_by(fusion: str) -> Change:
    def fused(inputs: tuple[Any, ...], _gate: Tensor) -> Tensor:
        channel, spatial = inputs
        return torch.sigmoid(channel + spatial if fusion == "sum" else channel * spatial)

    return fused


def _rows_exchanged(_inputs: tuple[Any, ...], query: Tensor) -> Tensor:
    flat = query.flatten(2)
    return flat[:, :, exchanged(flat.shape[2]).to(flat.device)].view_as(query)
