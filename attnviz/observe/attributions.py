"""What spoke for a category, by gradients and by covering: the only place with captum.

Attention says where a network looks; an attribution says what changed its mind about one category. The two often
differ, which is the point of showing them beside each other.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from attnviz.errors import ModelError, OptionError, RecordError
from attnviz.extras import needs
from attnviz.observe.collect import logits_of
from attnviz.observe.recorder import as_numpy, evaluating, lock_of
from attnviz.results import AttentionMap

with needs("captum", extra="attributions"):
    from captum.attr import IntegratedGradients, LayerGradCam, Occlusion, Saliency

Method = Literal["grad_cam", "integrated_gradients", "saliency", "occlusion"]

_PIXELS_AT_ONCE = 8 * 224 * 224  # of the copies of the input in one forward pass: bounds the memory
_WINDOWS_PER_SIDE = 8  # of the short side that one occluding window covers; they overlap by half
_LEAST_WINDOW = 8  # pixels
SPARING_STEPS = 16  # of the path integral, in few passes
_STEPS = 32  # of the path integral; captum's default is 50, its sum here is within a few percent of the logit's change


@dataclass(frozen=True)
class _How:
    """What the methods need beside the input: the network, the path of Grad-CAM's layer, how many passes to take."""

    net: nn.Module
    layer: str
    sparing: bool
    at_once: int


def attribute(
    net: nn.Module,
    x: Tensor,
    target: int,
    method: Method = "grad_cam",
    *,
    stage: int = 4,
    layer: str | None = None,
    sparing: bool = False,
    at_once: int | None = None,
) -> AttentionMap:
    """Which locations of the input spoke for a category of a classifier.

    The reference input, where a method needs one, is 0: the mean colour of the data the network was trained on.

    - ``"grad_cam"`` (arXiv 1610.02391): mean gradient of the category's logit over each channel of a stage's output,
      times the activation, summed over channels, negative parts set to 0. On the stage's grid, in logits.
    - ``"integrated_gradients"`` (arXiv 1703.01365): gradients along the straight path from the reference to the input,
      times the difference, summed over the colours; departs from captum's default in taking 32 Gauss-Legendre points
      instead of 50. On the input's pixels, in logits, signed; its sum approximates how far the logit is from the
      reference's.
    - ``"saliency"`` (arXiv 1312.6034): absolute gradient of the logit, the largest of the three colours. On the input's
      pixels, in logits per standard deviation of the colour.
    - ``"occlusion"`` (arXiv 1311.2901): how far the logit falls where a square of the reference covers the input, the
      mean of all squares over a pixel; a square has an eighth of the short side (8 pixels at least) and they overlap by
      half. Departs from the paper in attributing the logit instead of the probability. On the input's pixels, signed.

    No hook is left behind; every module's ``training`` flag, every parameter's ``.grad`` and the caller's input are as
    before, also after an exception. Works inside of ``torch.no_grad()`` and ``torch.inference_mode()``. Two threads may
    use one network, to attribute or to record: one waits for the other.

    Args:
        net: A classifier that gives logits (1, categories), or something with such ``logits``.
        x: Its input, (1, 3, H, W), mean and std removed; moved to the network's device and dtype.
        target: Number of the category, from 0.
        method: As above.
        stage: For Grad-CAM: of which stage, from 1, the module ``layer<N>``; later ones are coarser and closer to the
            category.
        layer: For Grad-CAM, instead of a stage: the path of a module that returns (1, C, h, w).
        sparing: In few forward passes, for many maps in a row: 16 points of the path, windows beside each other, and
            four times as many copies of the input at once.
        at_once: So many copies of the input in one forward pass; None: as many as fit a bound on their pixels.

    Returns:
        A map of float32 values (h, w) with label ``"<method>"``, ``"grad_cam.stage<N>"`` or ``"<layer>.grad_cam"``.

    Raises:
        OptionError: An unknown method, a stage or layer the network has not, or a category that does not exist.
        RecordError: The input has another shape, the output is not logits of one picture, or the stage not a map.
        ModelError: The attribution is not finite.
    """
    attributor = _METHODS.get(method)
    if attributor is None:
        raise OptionError(f"expected method to be one of {', '.join(get_args(Method))}, got {method!r}")
    if x.ndim != 4 or x.shape[:2] != (1, 3):
        raise RecordError(f"expected an input of shape (1, 3, H, W), got {tuple(x.shape)}")
    parameter = next(net.parameters(), x)
    with lock_of(net), evaluating(net), _gradients_on():
        usual = max(1, (4 if sparing else 1) * _PIXELS_AT_ONCE // x[0, 0].numel())
        how = _How(net, layer or f"layer{stage}", sparing, at_once or usual)
        own = x.detach().to(parameter.device, parameter.dtype, copy=True).requires_grad_()
        values = attributor(_logits_of(net, target), own, target, how)
    return _map(values, method, stage if layer is None else layer, x.shape[2])


def _grad_cam(logits: Callable[[Tensor], Tensor], x: Tensor, target: int, how: _How) -> Tensor:
    try:
        module = how.net.get_submodule(how.layer)
    except AttributeError as error:
        stage = how.layer.removeprefix("layer")
        if stage == how.layer:
            raise OptionError(f"expected a module, got {stage!r}") from error
        raise OptionError(f"expected stage {stage} of the network as {how.layer}, got one without it") from error
    attributor: Any = LayerGradCam(logits, module)  # its method is decorated without a type
    try:
        found = attributor.attribute(x, target, relu_attributions=True)
    except AssertionError as error:  # captum's word for a layer that was not reached
        raise RecordError(f"expected the forward pass to reach {how.layer}, but it did not") from error
    if not isinstance(found, Tensor) or found.ndim != 4:
        raise RecordError(f"expected {how.layer} to return a tensor (1, C, h, w), got another output")
    return found[0, 0]


def _integrated_gradients(logits: Callable[[Tensor], Tensor], x: Tensor, target: int, how: _How) -> Tensor:
    attributor: Any = IntegratedGradients(logits)
    steps = SPARING_STEPS if how.sparing else _STEPS
    found: Tensor = attributor.attribute(x, 0.0, target, n_steps=steps, internal_batch_size=how.at_once)
    return found[0].sum(dim=0)


def _saliency(logits: Callable[[Tensor], Tensor], x: Tensor, target: int, how: _How) -> Tensor:
    attributor: Any = Saliency(logits)
    found: Tensor = attributor.attribute(x, target)
    return found[0].amax(dim=0)


def _occlusion(logits: Callable[[Tensor], Tensor], x: Tensor, target: int, how: _How) -> Tensor:
    side = _window(min(x.shape[2:]))
    step = side if how.sparing else max(1, side // 2)
    attributor: Any = Occlusion(logits)
    with torch.no_grad():
        found = attributor.attribute(
            x.detach(),
            sliding_window_shapes=(3, side, side),
            strides=(3, step, step),
            baselines=0.0,
            target=target,
            perturbations_per_eval=how.at_once,
        )
    first_color: Tensor = found[0, 0]  # a window covers the three together: their attributions are the same
    return first_color


def occlusion_windows(size: tuple[int, int]) -> int:
    """How many windows occlusion covers one by one where it spares passes, on an input of (height, width)."""
    side = _window(min(size))
    return math.prod(-(-length // side) for length in size)


def _window(short: int) -> int:
    return min(short, max(_LEAST_WINDOW, round(short / _WINDOWS_PER_SIDE)))


def _logits_of(net: nn.Module, target: int) -> Callable[[Tensor], Tensor]:
    """The network as captum calls it, its output checked before a category is picked from it."""

    def logits(x: Tensor) -> Tensor:
        output = net(x)
        found = None if isinstance(output, (tuple, list)) else logits_of(output)  # one of several is not told
        if found is None or found.shape[0] != x.shape[0]:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise RecordError(f"expected a classifier's logits of shape (1, categories), got {got}")
        if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < found.shape[1]:
            raise OptionError(f"expected a category from 0 to {found.shape[1] - 1}, got {target!r}")
        return found

    return logits


@contextmanager
def _gradients_on() -> Iterator[None]:
    """Within it gradients are computed, wherever the caller is; `enable_grad` alone does not leave inference mode."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def _map(values: Tensor, method: str, where: int | str, height: int) -> AttentionMap:
    title, unit, low = _WORDS[method]
    array = as_numpy(values)
    if not np.isfinite(array).all():
        raise ModelError(f"expected finite attributions by {method}, got NaN or infinity")
    label = method
    if method == "grad_cam":
        of_stage = isinstance(where, int)
        label = f"{method}.stage{where}" if of_stage else f"{where}.{method}"
        title = f"Stage {where} · {title}" if of_stage else f"{where} · {title}"
    return AttentionMap(
        label=label,
        title=title,
        kind="attribution",
        values=np.ascontiguousarray(array),
        unit=unit,
        bounds=(low, None),
        stage=where if isinstance(where, int) and method == "grad_cam" else None,
        stride=max(1, round(height / array.shape[0])),
    )


_METHODS: dict[str, Callable[[Callable[[Tensor], Tensor], Tensor, int, _How], Tensor]] = {
    "grad_cam": _grad_cam,
    "integrated_gradients": _integrated_gradients,
    "saliency": _saliency,
    "occlusion": _occlusion,
}
_WORDS: dict[str, tuple[str, str, float | None]] = {  # title, unit, lower bound
    "grad_cam": ("Grad-CAM", "logit", 0.0),
    "integrated_gradients": ("Integrated gradients", "logit", None),
    "saliency": ("Saliency", "logit per σ", 0.0),
    "occlusion": ("Occlusion", "logit", None),
}
