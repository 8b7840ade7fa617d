"""The tensors inside attention modules, kept small: watched in the same forward pass as the sites.

Of features (C, h, w) the length or the mean over channels and the strongest channels are kept, of maps the strongest
(of groups of channels all of them), of matrices of many channels the means of blocks. What is kept stays on the
network's device until it is collected, so that watching a GPU does not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.models.attention.steps import StepSite, steps_of
from attnviz.models.sites import Site, names_sites, sites_of
from attnviz.module_steps import ModuleSteps, Step
from attnviz.observe.gates import GatedFeatures
from attnviz.observe.receptive_fields import Point, fields_at
from attnviz.observe.recorder import as_numpy

_CHANNELS = 8  # of features or maps that are kept beside the picture of all, at most
_NUMBERS = 10_000  # of the pictures of one step together, about; one picture is kept however large
_MATRIX = 128  # rows and columns of a matrix that are kept; a larger one becomes the means of blocks


_COMES_IN = StepSite("F", "Features that come in", "", "", "features", "norm")
_GOES_OUT = StepSite("F'", "Features that go out", "F' = F × M", "", "features", "norm")


@dataclass(frozen=True)
class _Watched:
    """An attention module of the network, and what is watched in it."""

    label: str
    name: str
    path: str
    module: nn.Module
    sites: tuple[StepSite, ...]
    stride: int


@dataclass(frozen=True, eq=False)
class _Kept:
    """One tensor, reduced: its shape, extremes (2,), pictures, and the numbers of the channels they show."""

    shape: tuple[int, ...]
    extremes: Tensor
    values: Tensor
    channels: Tensor | None


class StepWatch:
    """What was kept of the first pass through a network."""

    def __init__(self, net: nn.Module) -> None:
        self._net, self._kept = net, dict[tuple[str, int], _Kept]()
        self._modules = list(_attention_modules(net))

    def hooks(self) -> Iterator[RemovableHandle]:
        """Hooks every module that has a tensor to keep."""
        thread = threading.get_ident()
        for watched in self._modules:
            chosen: dict[int, Tensor] = {}
            for number, site in enumerate(watched.sites):
                module = watched.module.get_submodule(site.path)
                keep = self._keeper((watched.path, number), site, chosen, thread)
                yield _hook(module, site, keep)

    def _keeper(
        self, key: tuple[str, int], site: StepSite, chosen: dict[int, Tensor], thread: int
    ) -> Callable[[object], None]:
        def keep(tensor: object) -> None:
            if isinstance(tensor, Tensor) and key not in self._kept and threading.get_ident() == thread:
                self._kept[key] = _reduced(site, tensor.detach(), chosen)

        return keep

    def collected(self, labels: Sequence[str], size: tuple[int, int]) -> dict[str, ModuleSteps]:
        """What was kept, by the label of the module, as plain arrays.

        Args:
            labels: What may be collected: those that sites which were chosen share.
            size: (height, width) of the network's input, pixels.
        """
        points = [
            Point(f"{watched.path}|{number}", f"{watched.path}.{site.path}".strip("."), site.end)
            for watched in self._modules
            for number, site in enumerate(watched.sites)
            if site.kind in ("features", "maps")
        ]
        fields = fields_at(self._net, points, size) if points and self._kept else {}
        found: dict[str, ModuleSteps] = {}
        for watched in self._modules:
            if watched.label in labels and (watched.path, 0) in self._kept:
                steps = tuple(
                    _step(site, self._kept[watched.path, number], fields.get(f"{watched.path}|{number}"))
                    for number, site in enumerate(watched.sites)
                )
                gamma = getattr(watched.module, "gamma", None)
                weight = None if gamma is None else float(gamma.detach())
                found[watched.label] = ModuleSteps(watched.label, watched.name, steps, watched.stride, weight)
        return found


@contextmanager
def watching_steps(net: nn.Module) -> Iterator[StepWatch]:
    """Within it, the first forward pass of this thread is watched inside the attention modules that attnviz knows.

    Args:
        net: Any network; of one that names no sites nothing is kept, for its calls are watched otherwise.
    """
    watch = StepWatch(net)
    handles: list[RemovableHandle] = []
    try:
        handles.extend(watch.hooks())
        yield watch
    finally:
        for handle in handles:
            handle.remove()


class GateFeatures:
    """What the gates of a network that names no sites multiply, and what comes out: of the first picture.

    Args:
        batch: How many pictures go through the network.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._kept: dict[int, tuple[list[_Kept], bool]] = {}
        self._open: tuple[int, GatedFeatures, dict[int, Tensor]] | None = None

    def before(self, find: int, features: GatedFeatures | None) -> None:
        """A gate is about to multiply; None: what it multiplies is not known.

        Args:
            find: Number of the gate among all that is found.
            features: What it multiplies, not changed in place yet.
        """
        if features is None:
            return
        chosen: dict[int, Tensor] = {}
        self._open = find, features, chosen
        kept = _reduced(_COMES_IN, features.laid(features.tensor.detach(), self._batch), chosen)
        self._kept[find] = [kept], features.plain

    def after(self, outs: Sequence[Tensor]) -> None:
        """The multiplication was made."""
        if self._open is not None and outs:
            find, features, chosen = self._open
            self._kept[find][0].append(_reduced(_GOES_OUT, features.laid(outs[0].detach(), self._batch), chosen))
        self._open = None

    def steps(self, find: int) -> tuple[Step, ...]:
        """What was kept of a gate: what comes in and what goes out; nothing of what is not known."""
        kept, plain = self._kept.get(find, ([], False))
        sites = _COMES_IN, _GOES_OUT if plain else replace(_GOES_OUT, formula="")
        return tuple(_step(site, one, None) for site, one in zip(sites, kept, strict=False))


def _attention_modules(net: nn.Module) -> Iterator[_Watched]:
    if not names_sites(net):
        return
    sites = sites_of(net)
    for path, module in net.named_modules():
        found = steps_of(module)
        site = _site_within(path, sites) if found else None
        if found and site:
            yield _Watched(site.group, found[0], path, module, found[1], site.stride)


def _site_within(path: str, sites: Sequence[Site]) -> Site | None:
    """The first site that reads something in a module: it tells the module's label and stride."""
    return next((site for site in sites if site.path.startswith(f"{path}.")), None)


def _hook(module: nn.Module, site: StepSite, keep: Callable[[object], None]) -> RemovableHandle:
    if site.end == "output":
        return module.register_forward_hook(lambda module, inputs, output: keep(output))
    return module.register_forward_pre_hook(lambda module, inputs: keep(inputs[0] if inputs else None))


def _reduced(site: StepSite, tensor: Tensor, chosen: dict[int, Tensor]) -> _Kept:
    """What is kept of a tensor of one photo; channels chosen once stay chosen for tensors of as many channels."""
    extremes = torch.stack(tensor.aminmax())
    if site.kind == "vector":
        flat = tensor.reshape(-1)
        return _Kept(tuple(flat.shape), extremes, flat.clone(), None)
    if site.kind == "matrix":
        matrix = tensor.reshape(tensor.shape[-2:])
        small = matrix if len(matrix) <= _MATRIX else nn.functional.adaptive_avg_pool2d(matrix[None], _MATRIX)[0]
        return _Kept(tuple(matrix.shape), extremes, small.clone(), None)
    pictures = tensor.reshape(-1, *tensor.shape[-2:])
    count = len(pictures)
    if site.whole:
        return _Kept(tuple(pictures.shape), extremes, pictures.clone(), torch.arange(count))
    if count not in chosen:
        most = max(1, min(_CHANNELS, count, _NUMBERS // (pictures.shape[1] * pictures.shape[2])))
        flat = pictures.flatten(1)
        strength = torch.linalg.vector_norm(flat, dim=1) if site.kind == "features" else flat.std(dim=1, correction=0)
        chosen[count] = strength.topk(most).indices.sort().values
    values = pictures.index_select(0, chosen[count])
    if site.kind == "features":
        # not vector_norm, which takes three times as long over the first dimension on a CPU
        whole = pictures.square().sum(dim=0).sqrt() if site.summary == "norm" else pictures.mean(dim=0)
        values = torch.cat([whole[None], values])
    return _Kept(tuple(pictures.shape), extremes, values, chosen[count])


def _step(site: StepSite, kept: _Kept, field: ReceptiveField | None) -> Step:
    low, high = as_numpy(kept.extremes).tolist()
    return Step(
        symbol=site.symbol,
        name=site.name,
        formula=site.formula,
        branch=site.branch,
        kind=site.kind,
        shape=kept.shape,
        range=(low, high),
        values=as_numpy(kept.values),
        summary=site.summary,
        channels=() if kept.channels is None else tuple(int(n) for n in kept.channels),
        field=field,
    )


def formulas_of(net: nn.Module) -> list[tuple[str, str, str]]:
    """Symbol, name and formula of every tensor of the first attention module of a network; empty without one."""
    first = next(_attention_modules(net), None)
    return [] if first is None else [(site.symbol, site.name, site.formula) for site in first.sites]
