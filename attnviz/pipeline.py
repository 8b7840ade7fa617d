"""One photo through one network: the whole way, in the order it happens."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from attnviz.errors import ModelError, OptionError
from attnviz.inputs.decode import Source, decode
from attnviz.inputs.preprocess import Fit, Preprocessing, preprocess
from attnviz.models.registry import DEFAULT_MODEL, LoadedModel, from_network, load_model
from attnviz.observe.recorder import Recording, as_numpy, record
from attnviz.results import (
    AttentionMap,
    Explanation,
    ModelInfo,
    Prediction,
    Segmentation,
    StageAttention,
)


def explain(
    image: Source,
    model: str | Path | nn.Module | LoadedModel = DEFAULT_MODEL,
    *,
    device: str = "auto",
    size: int | None = None,
    fit: Fit = "keep",
    top: int = 5,
) -> Explanation:
    """Run a network on a photo and keep what its attention did.

    Args:
        image: A path, the bytes of an image file, a Pillow image, or an array: uint8 or uint16 HW or HWC.
        model: A name from `attnviz.models.registry.entries`, the path of a checkpoint, or a network.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        size: Shorter side that the network sees, pixels; None: what the weights were trained for.
        fit: ``"keep"``: the whole photo in its own aspect ratio; ``"squash"``: the whole photo made square;
            ``"crop"``: the central square only.
        top: How many predictions to keep.

    Raises:
        ImageError: The photo cannot be used.
        OptionError: An option is impossible.
        ModelError: The model cannot be had or computed something that is not a number.
        DeviceError: The device is not there.
    """
    if top < 1:
        raise OptionError(f"expected at least 1 prediction, got top={top}")
    seconds: dict[str, float] = {}
    with _timed(seconds, "decode"):
        photo = decode(image)
    with _timed(seconds, "load"):
        loaded = _loaded(model, device)
    entry = loaded.entry
    options = Preprocessing(size=size or entry.size, fit=fit, multiple=entry.multiple, mean=entry.mean, std=entry.std)
    with _timed(seconds, "preprocess"):
        x, seen, geometry = preprocess(photo, options, smallest_input=entry.smallest_input)
    with _timed(seconds, "forward"):
        recording = record(loaded.net, x)
    _check_finite(recording, entry.name)
    with _timed(seconds, "collect"):
        has_position = "position.query" in recording.sites
        return Explanation(
            photo=photo,
            seen=seen,
            geometry=geometry,
            model=ModelInfo(
                name=entry.name,
                architecture=entry.architecture,
                task=entry.task,
                sha256=entry.sha256,
                trained=loaded.trained,
                device=str(loaded.device),
            ),
            predictions=_predictions(recording.output, entry.categories, top)
            if entry.task == "classification"
            else (),
            stages=_stages(loaded.net, recording),
            position=recording.position if has_position else None,
            channel=recording.channel if has_position else None,
            segmentation=_segmentation(loaded.net, recording, seen.shape[:2], entry.categories)
            if has_position
            else None,
            extra_maps=_extra_maps(loaded.net, recording),
            preprocessing=asdict(options),
            seconds=seconds,
        )


def _loaded(model: str | Path | nn.Module | LoadedModel, device: str) -> LoadedModel:
    if isinstance(model, LoadedModel):
        return model
    if isinstance(model, nn.Module):
        trained = any(
            int(part.num_batches_tracked or 0) > 0
            for part in model.modules()
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.num_batches_tracked is not None
        )
        return from_network(model, device=device, trained=trained)
    return load_model(model, device)


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start


def _check_finite(recording: Recording, name: str) -> None:
    for label, tensor in {"output": recording.output, **recording.sites}.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"expected finite numbers at {label} of {name}, got NaN or infinity: its weights are damaged")


def _predictions(logits: Tensor, categories: tuple[str, ...], top: int) -> tuple[Prediction, ...]:
    probabilities = logits[0].float().softmax(dim=0)
    best = probabilities.topk(min(top, len(probabilities)))
    return tuple(
        Prediction(categories[int(i)], float(p)) for p, i in zip(best.values, best.indices, strict=True)
    )


def _stages(net: nn.Module, recording: Recording) -> tuple[StageAttention, ...]:
    found = []
    for site in net.sites():
        if site.kind != "effective_gain":
            continue
        label = f"stage{site.stage}"
        bam = net.get_submodule(site.module.rpartition(".")[0])
        spatial = as_numpy(recording.sites[f"{label}.spatial_logit"][0, 0])
        gain = as_numpy(recording.sites[site.label][0, 0])
        found.append(
            StageAttention(
                stage=site.stage,
                stride=site.stride,
                fusion=bam.gate.fusion,
                spatial_logit=AttentionMap(
                    label=f"{label}.spatial_logit",
                    title=f"Stage {site.stage} · spatial logit",
                    kind="spatial_logit",
                    values=spatial,
                    unit="logit",
                    bounds=(None, None),
                    stage=site.stage,
                    stride=site.stride,
                ),
                channel_logit=as_numpy(recording.sites[f"{label}.channel_logit"][0, :, 0, 0]),
                gain=AttentionMap(
                    label=site.label,
                    title=f"Stage {site.stage} · effective gain",
                    kind="effective_gain",
                    values=gain,
                    unit="×",
                    bounds=(1.0, 2.0),
                    stage=site.stage,
                    stride=site.stride,
                ),
            )
        )
    return tuple(found)


def _extra_maps(net: nn.Module, recording: Recording) -> tuple[AttentionMap, ...]:
    """Spatial maps of other attention modules: one per site that is one map, or the mean of its groups' maps."""
    maps = []
    for site in net.sites():
        if site.kind not in ("spatial_gate", "group_gate"):
            continue
        values = as_numpy(recording.sites[site.label][0].mean(dim=0))
        mean = " (mean of groups)" if site.kind == "group_gate" else ""
        maps.append(
            AttentionMap(
                label=site.label,
                title=f"{site.label}{mean}",
                kind=site.kind,
                values=values,
                unit="gate",
                bounds=(0.0, 1.0),
                stage=site.stage,
                stride=site.stride,
            )
        )
    return tuple(maps)


def _segmentation(
    net: nn.Module, recording: Recording, size: tuple[int, int], categories: tuple[str, ...]
) -> Segmentation:
    def labels(logits: Tensor) -> np.ndarray:
        return np.asarray(logits.argmax(dim=1)[0].to("cpu", torch.uint8).numpy())

    def upsampled(head: str) -> Tensor:
        return nn.functional.interpolate(
            recording.sites[f"segmentation.{head}"], size=size, mode="bilinear", align_corners=net.align_corners
        )

    return Segmentation(
        categories=categories,
        labels={head: labels(upsampled(head)) for head in ("fused", "position", "channel")},
        cells=labels(recording.sites["segmentation.fused"]),
    )
