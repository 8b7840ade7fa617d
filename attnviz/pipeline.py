"""One photo through one network: the whole way, in the order it happens."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from torch import nn

from attnviz.errors import OptionError
from attnviz.inputs.decode import Source, decode
from attnviz.inputs.preprocess import ResizeMode, preprocess
from attnviz.models.danet import DANet
from attnviz.models.weights.registry import DEFAULT_MODEL, LoadedModel, from_network, load_model, was_trained
from attnviz.observe.collect import check_finite, other_maps, predictions, segmentation, stages
from attnviz.observe.recorder import record
from attnviz.results import Explanation, ModelInfo


def explain(
    image: Source,
    model: str | Path | nn.Module | LoadedModel = DEFAULT_MODEL,
    *,
    device: str = "auto",
    size: int | None = None,
    resize_mode: ResizeMode = "keep",
    top: int = 5,
) -> Explanation:
    """Run a network on a photo and keep what its attention did.

    Args:
        image: A path, the bytes of an image file, a Pillow image, or an array: uint8 or uint16 HW or HWC.
        model: A name from `attnviz.models.weights.registry.list_models`, the path of a checkpoint, or a network.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        size: Shorter side that the network sees, pixels; None: what the weights were trained for.
        resize_mode: ``"keep"``: the whole photo in its own aspect ratio; ``"stretch"``: the whole photo made square;
            ``"center_crop"``: the central square only.
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
    options = entry.preprocessing(size, resize_mode)
    with _timed(seconds, "preprocess"):
        x, network_image, geometry = preprocess(photo, options, min_size=entry.min_size)
    with _timed(seconds, "forward"):
        recording = record(loaded.net, x)
    check_finite(recording, entry.name)
    net = loaded.net
    danet = net if isinstance(net, DANet) else None
    with _timed(seconds, "collect"):
        return Explanation(
            photo=photo,
            network_image=network_image,
            geometry=geometry,
            model=_info(loaded),
            predictions=predictions(recording.output, entry.categories, top) if danet is None else (),
            stages=stages(net, recording),
            position=None if danet is None else recording.position,
            channel=None if danet is None else recording.channel,
            segmentation=None
            if danet is None
            else segmentation(danet, recording, network_image.shape[:2], entry.categories),
            other_maps=other_maps(net, recording),
            preprocessing=asdict(options),
            seconds=seconds,
        )


def _loaded(model: str | Path | nn.Module | LoadedModel, device: str) -> LoadedModel:
    if isinstance(model, LoadedModel):
        return model
    if isinstance(model, nn.Module):
        return from_network(model, device=device, trained=was_trained(model))
    return load_model(model, device)


def _info(loaded: LoadedModel) -> ModelInfo:
    entry = loaded.entry
    return ModelInfo(
        name=entry.name,
        architecture=entry.architecture,
        task=entry.task,
        sha256=entry.sha256,
        trained=loaded.trained,
        device=str(loaded.device),
    )


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start
