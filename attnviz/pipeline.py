"""One photo through one network: the whole way, in the order it happens, and the one door to it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.inputs.decode import Source, decode
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.preprocess import Preprocessing, ResizeMode, plan, preprocess
from attnviz.models.own.load import given_network, names_network, shared_network
from attnviz.models.own.running import said_plainly
from attnviz.models.sites import names_sites
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, LoadedModel, shared_model
from attnviz.module_steps import ModuleSteps, of_found
from attnviz.observe import collect
from attnviz.observe.cost import Cost, Throughput, check_fits, estimate, free_memory
from attnviz.observe.receptive_fields import fields_of_maps
from attnviz.observe.recorder import Recording, lock_of
from attnviz.observe.select_sites import Selected, Sites, record_selected
from attnviz.observe.step_watch import StepWatch, watching_steps
from attnviz.results import AttentionMap, ByteArray, ChannelGate, Explanation, ModelInfo, Prediction

Model = str | Path | nn.Module | LoadedModel
_throughput = Throughput()  # of all runs of this process


@dataclass(frozen=True, eq=False)
class Forecast:
    """A run that is ready to start, and what it will take: the photo is decoded, the network loaded.

    Attributes:
        photo: The whole photo, RGB uint8 (H, W, 3), upright.
        loaded: The network.
        preprocessing: How the photo becomes the network's input.
        geometry: Between photo, network pixels and cells.
        cost: Memory, multiplications and seconds that the run will take, estimated.
        seconds: Stage of the work so far -> wall-clock seconds.
        sites: Which sites are recorded; None: all.
        inside: Whether the tensors inside the attention modules are kept.
    """

    photo: ByteArray
    loaded: LoadedModel
    preprocessing: Preprocessing
    geometry: Geometry
    cost: Cost
    seconds: dict[str, float]
    sites: Sites | None = None
    inside: bool = False


def explain(
    image: Source,
    model: Model = DEFAULT_MODEL,
    *,
    device: str = "auto",
    size: int | None = None,
    resize_mode: ResizeMode | None = None,
    preprocessing: Preprocessing | None = None,
    top: int = 5,
    sites: Sites | None = None,
    inside: bool = False,
) -> Explanation:
    """Run a network on a photo and keep what its attention did.

    Args:
        image: A path, the bytes of an image file, a Pillow image, or an array: uint8 or uint16 HW or HWC.
        model: A name from `attnviz.list_models`, the path of a checkpoint, or from `attnviz.load_model`; or
            any network: the attention of one that names no sites is found as by `attnviz.find_attention`; or one of a
            library by name, as for `attnviz.load_network` (``"timm:NAME"``), or what that returns.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        size: Shorter side that the network sees, pixels; None: what the weights were trained for.
        resize_mode: ``"keep"``: the whole photo in its own aspect ratio; ``"stretch"``: the whole photo made square;
            ``"center_crop"``: the central square only; None: ``"keep"``, or what the model needs.
        preprocessing: All of it, instead of the model's own with `size` and `resize_mode`.
        top: How many predictions to keep.
        sites: What to record; None: all attention of the network. A pattern or several, as of files (``"layer2*"``,
            ``"blocks.?.attn*"``): the attention whose label matches, or the part of it before a dot. The path of a
            module that gives features (B, C, h, w), such as ``"layer4"``: their norm at each location;
            ``"layer4.grad_cam"``: Grad-CAM there (arXiv 1610.02391), of the first prediction. Or a list of own
            `attnviz.Site`.
        inside: Keep what happens inside the attention modules, step by step, for `Explanation.inside` and the viewer.

    Returns:
        What the network did, as plain arrays that draw and save themselves.

    Raises:
        ImageError: The photo cannot be used.
        OptionError: An option is impossible.
        ModelError: The model cannot be had or computed something that is not a number.
        DeviceError: The device is not there, or the run would take more memory than is free.

    Example:
        >>> import attnviz
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
        >>> explanation.maps["stage3.gain"].values.shape
        (8, 12)
    """
    _check_top(top)
    ready = forecast(image, model, device=device, size=size, resize_mode=resize_mode, preprocessing=preprocessing)
    return run(replace(ready, sites=sites, inside=inside), top=top)


def forecast(
    image: Source,
    model: Model = DEFAULT_MODEL,
    *,
    device: str = "auto",
    size: int | None = None,
    resize_mode: ResizeMode | None = None,
    preprocessing: Preprocessing | None = None,
) -> Forecast:
    """Everything up to the forward pass: arguments and errors as for `explain`; `run` does the rest."""
    seconds: dict[str, float] = {}
    with _timed(seconds, "decode"):
        photo = decode(image)
    with _timed(seconds, "load"):
        loaded = _loaded(model, device, size)
    options = preprocessing or _prepared(loaded.card, size, resize_mode)
    photo_size = (photo.shape[0], photo.shape[1])
    with _timed(seconds, "plan"), ExitStack() as stack:
        geometry = plan(photo_size, options, min_size=loaded.card.min_size)
        if loaded.card.status == "own":  # it is walked
            stack.enter_context(said_plainly(loaded.card.name, geometry.network_size))
        cost = estimate(
            loaded.net, geometry.network_size, photo_size, device=str(loaded.device), throughput=_throughput
        )
    return Forecast(photo, loaded, options, geometry, cost, seconds)


def run(ready: Forecast, *, top: int = 5) -> Explanation:
    """Run what `forecast` made ready, where the machine can hold it.

    Args:
        ready: From `forecast`.
        top: How many predictions to keep.

    Raises:
        DeviceError: The run would take more memory than is free.
        ModelError: The network failed, or computed something that is not a number.
        OptionError: No prediction is to be kept.
    """
    _check_top(top)
    loaded, card, seconds = ready.loaded, ready.loaded.card, dict(ready.seconds)
    check_fits(ready.cost, free_memory(str(loaded.device)))
    with _timed(seconds, "preprocess"):
        x, network_image, geometry = preprocess(ready.photo, ready.preprocessing, min_size=card.min_size)
    with _timed(seconds, "forward"), ExitStack() as stack:
        steps = stack.enter_context(watching_steps(loaded.net)) if ready.inside else None
        if card.status == "own":
            stack.enter_context(said_plainly(card.name, geometry.network_size))
        selected = record_selected(loaded.net, x, ready.sites, inside=ready.inside)
    _throughput.learn(str(loaded.device), ready.cost.macs, seconds["forward"])
    collect.check_finite(selected.recording, card.name)
    found = collected(
        selected.recording,
        loaded,
        photo=ready.photo,
        network_image=network_image,
        geometry=geometry,
        preprocessing=ready.preprocessing,
        top=top,
        seconds=seconds,
    )
    cams = _grad_cams(loaded.net, x, selected)
    if cams:
        found = replace(found, other_maps=(*found.other_maps, *cams))
    if steps is not None:
        found = replace(found, modules=_modules(found, loaded.net, selected.recording, steps))
    return found


def _modules(found: Explanation, net: nn.Module, recording: Recording, steps: StepWatch) -> dict[str, ModuleSteps]:
    """What happened inside attention modules; of those found in somebody's own network what is known of them."""
    if names_sites(net):
        return steps.collected([site.group for site in recording.watched], found.geometry.network_size)
    maps = [found_map for found_map in found.other_maps if found_map.unit == "gate"]
    gates: list[AttentionMap | ChannelGate] = [*maps, *found.channel_gates.values()]
    return of_found(found.positions, gates, found.receptive_fields, recording.around)


def collected(
    recording: Recording,
    loaded: LoadedModel,
    *,
    photo: ByteArray,
    network_image: ByteArray,
    geometry: Geometry,
    preprocessing: Preprocessing,
    top: int,
    seconds: dict[str, float],
) -> Explanation:
    """What a recording of one photo says, as plain data: the end of `run`, and of a run of many photos at once.

    Args:
        recording: Of one photo, of finite numbers.
        loaded: The network that was recorded.
        photo: RGB uint8 (H, W, 3), upright.
        network_image: What the network saw, RGB uint8 (h, w, 3).
        geometry: Between photo, network pixels and cells.
        preprocessing: How the photo became the input.
        top: How many predictions to keep, at least 1.
        seconds: Stage of the work -> seconds so far; that of collecting is added.
    """
    card = loaded.card
    with _timed(seconds, "collect"):
        segmentation = collect.segmentation(
            recording,
            geometry.network_size,
            card.categories,
            align_corners=bool(getattr(loaded.net, "align_corners", False)),
        )
        return Explanation(
            photo=photo,
            network_image=network_image,
            geometry=geometry,
            preprocessing=preprocessing,
            model=_info(loaded),
            predictions=() if segmentation else _predictions(recording, card.categories, top),
            stages=collect.stages(recording),
            positions=collect.position_attentions(recording),
            cross_attentions=collect.cross_attentions(recording),
            channel=collect.channel_attention(recording),
            channel_gates=collect.channel_gates(recording),
            group_gates=collect.group_gates(recording),
            segmentation=segmentation,
            other_maps=collect.other_maps(recording),
            receptive_fields=fields_of_maps(loaded.net, recording, geometry.network_size),
            seconds=seconds,
        )


def _prepared(card: ModelCard, size: int | None, resize_mode: ResizeMode | None) -> Preprocessing:
    """The model's own preprocessing with what was chosen instead.

    Raises:
        OptionError: The network takes squares of one size only, and something else was chosen.
    """
    own = card.preprocessing
    chosen = replace(
        own,
        size=own.size if size is None else size,
        resize_mode=own.resize_mode if resize_mode is None else resize_mode,
    )
    if card.one_size and (chosen.size != own.size or chosen.resize_mode == "keep"):
        raise OptionError(
            f"expected stretch or center_crop and size {own.size} for {card.name}, which takes squares of that size "
            f"only, got {chosen.resize_mode} and {chosen.size}"
        )
    return chosen


def _check_top(top: int) -> None:
    if top < 1:
        raise OptionError(f"expected at least 1 prediction, got top={top}")


def _predictions(recording: Recording, categories: tuple[str, ...], top: int) -> tuple[Prediction, ...]:
    logits = collect.logits_of(recording.output)
    return () if logits is None else collect.predictions(logits, categories, top)


def _grad_cams(net: nn.Module, x: Tensor, selected: Selected) -> list[AttentionMap]:
    """Grad-CAM of the first prediction, at every layer where it is asked for."""
    if not selected.grad_cam:
        return []
    from attnviz.observe.attributions import attribute  # only when asked for: it brings captum

    logits = collect.logits_of(selected.recording.output)
    if logits is None:
        raise OptionError("expected a classifier for Grad-CAM, got a network without logits (B, categories)")
    target = int(logits[0].argmax())
    return [attribute(net, x, target, layer=layer) for layer in selected.grad_cam]


def _loaded(model: Model, device: str, size: int | None) -> LoadedModel:
    if isinstance(model, LoadedModel):
        return model
    if isinstance(model, nn.Module):
        with lock_of(model):
            return given_network(model, device, size)
    return shared_network(str(model), device) if names_network(model) else shared_model(model, device)


def _info(loaded: LoadedModel) -> ModelInfo:
    card = loaded.card
    return ModelInfo(
        name=card.name,
        architecture=card.architecture,
        task=card.task,
        sha256=card.sha256,
        trained=loaded.trained,
        device=str(loaded.device),
    )


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start
