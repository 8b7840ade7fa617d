"""From a recording to results: predictions, stages, segmentations and single maps, as plain arrays."""

import numpy as np
import torch
from torch import Tensor, nn

from attnviz.errors import ModelError, RecordError
from attnviz.models.attention.bam import FusedGate
from attnviz.models.danet import DANet
from attnviz.models.sites import Site, sites_of
from attnviz.observe.recorder import Recording, as_numpy
from attnviz.results import AttentionMap, ByteArray, Prediction, Segmentation, StageAttention


def check_finite(recording: Recording, name: str) -> None:
    """Refuse a recording with numbers that are none.

    Raises:
        ModelError: The output or a site holds NaN or infinity.
    """
    for label, tensor in {"output": recording.output, **recording.sites}.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"expected finite numbers at {label} of {name}, got NaN or infinity; are its weights whole?"
            )


def predictions(logits: Tensor, categories: tuple[str, ...], top: int) -> tuple[Prediction, ...]:
    """The most probable categories of the first picture, from logits (B, classes)."""
    probabilities = logits[0].float().softmax(dim=0)
    best = probabilities.topk(min(top, len(probabilities)))
    return tuple(Prediction(categories[int(i)], float(p)) for p, i in zip(best.values, best.indices, strict=True))


def stages(net: nn.Module, recording: Recording) -> tuple[StageAttention, ...]:
    """What each BAM of the network computed about the first picture; empty where it has none."""
    gains = [site for site in sites_of(net) if site.kind == "effective_gain"]
    return tuple(_stage(net, recording, site) for site in gains)


def _stage(net: nn.Module, recording: Recording, site: Site) -> StageAttention:
    def single(label: str, title: str, unit: str, bounds: tuple[float | None, float | None]) -> AttentionMap:
        return AttentionMap(
            label=f"stage{site.stage}.{label}",
            title=f"Stage {site.stage} · {title}",
            kind="effective_gain" if label == "gain" else label,
            values=as_numpy(recording.sites[f"stage{site.stage}.{label}"][0, 0]),
            unit=unit,
            bounds=bounds,
            stage=site.stage,
            stride=site.stride,
        )

    gate = net.get_submodule(site.module)
    if not isinstance(gate, FusedGate):
        raise RecordError(f"expected {site.module} to be a BAM's gate, got a {type(gate).__name__}")
    return StageAttention(
        stage=site.stage or 0,
        stride=site.stride,
        fusion=gate.fusion,
        spatial_logit=single("spatial_logit", "spatial logit", "logit", (None, None)),
        channel_logit=as_numpy(recording.sites[f"stage{site.stage}.channel_logit"][0, :, 0, 0]),
        gain=single("gain", "effective gain", "×", (1.0, 2.0)),
    )


def other_maps(net: nn.Module, recording: Recording) -> tuple[AttentionMap, ...]:
    """Spatial gates of other attention modules (CBAM, SGE): one map per site, the mean where it has several."""
    return tuple(
        AttentionMap(
            label=site.label,
            title=f"{site.label} (mean of groups)" if site.kind == "group_gate" else site.label,
            kind=site.kind,
            values=as_numpy(recording.sites[site.label][0].mean(dim=0)),
            unit="gate",
            bounds=(0.0, 1.0),
            stage=site.stage,
            stride=site.stride,
        )
        for site in sites_of(net)
        if site.kind in ("spatial_gate", "group_gate")
    )


def segmentation(net: DANet, recording: Recording, size: tuple[int, int], categories: tuple[str, ...]) -> Segmentation:
    """The classes that DANet's three classifiers give the first picture, upsampled as the network does it."""

    def upsampled(head: str) -> Tensor:
        logits = recording.sites[f"segmentation.{head}"]
        return nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=net.align_corners)

    return Segmentation(
        categories=categories,
        labels={head: _classes(upsampled(head)) for head in ("fused", "position", "channel")},
        cells=_classes(recording.sites["segmentation.fused"]),
    )


def _classes(logits: Tensor) -> ByteArray:
    return np.asarray(logits.argmax(dim=1)[0].to("cpu", torch.uint8).numpy())
