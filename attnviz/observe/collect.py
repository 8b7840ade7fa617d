"""From a recording to results, by kind of site: predictions, stages, attentions, segmentations, as plain arrays."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from attnviz.errors import ModelError, RecordError
from attnviz.models.sites import Site, SiteKind
from attnviz.observe.recorder import Recording, as_numpy
from attnviz.position_attention import PositionAttention
from attnviz.results import (
    AttentionMap,
    ChannelAttention,
    ChannelGate,
    FloatArray,
    GroupGates,
    LabelArray,
    Prediction,
    Segmentation,
    StageAttention,
)

_UNITS = {"feature_norm": "norm"}
_MEAN_OF = {"group_gate": " (mean of groups)", "gate": " (mean of channels)"}


def check_finite(recording: Recording, name: str) -> None:
    """Refuse a recording with numbers that are none.

    Raises:
        ModelError: The output or a site holds NaN or infinity.
    """
    for label, tensor in {"output": recording.output, **recording.sites}.items():
        if isinstance(tensor, Tensor) and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"expected finite numbers at {label} of {name}, got NaN or infinity; are its weights whole?"
            )


def logits_of(output: object) -> Tensor | None:
    """Logits (B, classes) in what a classifier gave: itself, its first part, its ``logits`` or ``out``; else None."""
    if isinstance(output, (tuple, list)) and output and not hasattr(output, "_fields"):
        output = output[0]
    for name in ("logits", "out"):
        found = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        output = found if isinstance(found, Tensor) else output
    return output if isinstance(output, Tensor) and output.ndim == 2 and output.is_floating_point() else None


def predictions(logits: Tensor, categories: tuple[str, ...], top: int) -> tuple[Prediction, ...]:
    """The most probable categories of the first picture, from logits (B, classes); those without a name by number."""
    probabilities = logits[0].float().softmax(dim=0)
    best = probabilities.topk(min(top, len(probabilities)))
    numbers = [int(i) for i in best.indices]
    names = [categories[i] if i < len(categories) else f"class {i}" for i in numbers]
    return tuple(Prediction(name, float(p)) for name, p in zip(names, best.values, strict=True))


def stages(recording: Recording) -> tuple[StageAttention, ...]:
    """What each BAM of the network computed about the first picture; empty where it has none."""
    return tuple(_stage(recording, site) for site in _of_kind(recording, "effective_gain"))


def _stage(recording: Recording, site: Site) -> StageAttention:
    if site.fusion is None or site.stage is None:
        raise RecordError(f"expected the site {site.label} to tell its fusion and its stage, got one that does not")

    def single(name: str, kind: SiteKind, title: str, unit: str) -> AttentionMap:
        return AttentionMap(
            label=f"{site.group}.{name}",
            title=f"Stage {site.stage} · {title}",
            kind=kind,
            values=as_numpy(recording.sites[f"{site.group}.{name}"][0, 0]),
            unit=unit,
            bounds=(1.0, 2.0) if kind == "effective_gain" else (None, None),
            stage=site.stage,
            stride=site.stride,
        )

    return StageAttention(
        stage=site.stage,
        stride=site.stride,
        fusion=site.fusion,
        spatial_logit=single("spatial_logit", "spatial_logit", "spatial logit", "logit"),
        channel_logit=as_numpy(recording.sites[f"{site.group}.channel_logit"][0, :, 0, 0]),
        gain=single("gain", "effective_gain", "effective gain", "×"),
    )


def position_attentions(recording: Recording, batch: int = 0) -> dict[str, PositionAttention]:
    """Every position attention of one picture of the batch, by the label that its sites share; in order."""
    return _attentions(recording, "query", batch)


def cross_attentions(recording: Recording, batch: int = 0) -> dict[str, PositionAttention]:
    """Those of one picture whose queries are not the places of their keys, by the label that their sites share."""
    return _attentions(recording, "cross_query", batch)


def _attentions(recording: Recording, kind: SiteKind, batch: int) -> dict[str, PositionAttention]:
    def tensor(group: str, name: str) -> FloatArray | None:
        found = recording.sites.get(f"{group}.{name}")
        return None if found is None else as_numpy(found[batch])

    return {
        site.group: PositionAttention(
            query=as_numpy(recording.sites[site.label][batch]),
            key=as_numpy(recording.sites[f"{site.group}.key"][batch]),
            gamma=_gamma(recording, site.group),
            stride=site.stride,
            other_query=tensor(site.group, "other_query"),
            other_key=tensor(site.group, "other_key"),
            class_token=recording.class_token and f"{site.group}.other_query" in recording.sites,
            extra=recording.extra.get(site.group, 0),
        )
        for site in _of_kind(recording, kind)
    }


def channel_attention(recording: Recording) -> ChannelAttention | None:
    """DANet's attention between channels of the first picture; None where the network has none."""
    for site in _of_kind(recording, "channel_matrix"):
        if not {f"{site.group}.input", f"{site.group}.output"} <= recording.sites.keys():
            continue  # the matrix alone was chosen
        before, after = (recording.sites[f"{site.group}.{end}"][0] for end in ("input", "output"))
        return ChannelAttention(
            matrix=as_numpy(recording.sites[site.label][0]),
            output=as_numpy(after),
            effect=as_numpy((after - before).abs().mean(dim=(1, 2))),
            gamma=_gamma(recording, site.group),
            stride=site.stride,
        )
    return None


def channel_gates(recording: Recording) -> dict[str, ChannelGate]:
    """One number per channel of the first picture (SE, CBAM), by label, in order."""
    return {
        site.label: ChannelGate(
            label=site.label,
            title=site.label,
            values=as_numpy(recording.sites[site.label][0, :, 0, 0]),
            stage=site.stage,
            stride=site.stride,
        )
        for site in _of_kind(recording, "channel_gate")
    }


def group_gates(recording: Recording) -> dict[str, GroupGates]:
    """One map per group of channels of the first picture (SGE), by label, in order."""
    return {
        site.label: GroupGates(
            label=site.label,
            title=site.label,
            values=as_numpy(recording.sites[site.label][0]),
            stage=site.stage,
            stride=site.stride,
        )
        for site in _of_kind(recording, "group_gate")
    }


def other_maps(recording: Recording) -> tuple[AttentionMap, ...]:
    """Spatial gates of other attention modules (CBAM, SGE), and feature norms: one map per site, the mean of several.

    A gate for every channel and location is one of them, but not that of a BAM, whose gain says the same.
    """
    single = _of_kind(recording, "spatial_gate", "group_gate", "gate", "feature_norm")
    return tuple(
        AttentionMap(
            label=site.label,
            title=site.label + _MEAN_OF.get(site.kind, ""),
            kind=site.kind,
            values=as_numpy(recording.sites[site.label][0].mean(dim=0)),
            unit=_UNITS.get(site.kind, "gate"),
            bounds=(0.0, None) if site.kind == "feature_norm" else _gate_bounds(recording.sites[site.label][0]),
            stage=site.stage,
            stride=site.stride,
        )
        for site in single
        if site.kind != "gate" or f"{site.group}.gain" not in recording.sites
    )


def _gate_bounds(gate: Tensor) -> tuple[float | None, float | None]:
    """(0, 1), but for a gate made of a tanh, which may be anything."""
    return (0.0, 1.0) if 0.0 <= float(gate.min()) and float(gate.max()) <= 1.0 else (None, None)


def segmentation(
    recording: Recording, size: tuple[int, int], categories: tuple[str, ...], *, align_corners: bool
) -> Segmentation | None:
    """The classes that each classifier gives the first picture, upsampled as the network does it; None without any.

    Args:
        recording: Of a network with sites of kind ``"class_logit"``; the first of them is the network's answer.
        size: (height, width) to upsample to, pixels.
        categories: Names of the classes; those without a name are numbered.
        align_corners: How the network upsamples its logits.
    """
    sites = _of_kind(recording, "class_logit")
    if not sites:
        return None
    logits = {site.label.rpartition(".")[2]: recording.sites[site.label] for site in sites}
    count = int(recording.sites[sites[0].label].shape[1])

    def upsampled(coarse: Tensor) -> Tensor:
        return nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=align_corners)

    return Segmentation(
        categories=(*categories[:count], *(f"class {i}" for i in range(len(categories), count))),
        labels={head: _classes(upsampled(coarse)) for head, coarse in logits.items()},
        cells=_classes(recording.sites[sites[0].label]),
    )


def _of_kind(recording: Recording, *kinds: SiteKind) -> list[Site]:
    return [site for site in recording.watched if site.kind in kinds]


def _gamma(recording: Recording, group: str) -> float:
    """Weight of an attention in its residual sum; 1 where it has none, and is passed on as it is."""
    tensor = recording.sites.get(f"{group}.gamma")
    return 1.0 if tensor is None else float(tensor)


def _classes(logits: Tensor) -> LabelArray:
    """The number of the likeliest class at every place: uint8, or uint16 where there are more than 256 classes."""
    kind = np.uint8 if logits.shape[1] <= 256 else np.uint16
    likeliest = logits.max(dim=1).indices  # the first of equals, as argmax, in a tenth of its time on a CPU
    return likeliest[0].cpu().numpy().astype(kind)
