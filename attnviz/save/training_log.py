"""Explanations in the log of a training: pictures and focus numbers for TensorBoard and Weights & Biases."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import Any

from attnviz.errors import OptionError
from attnviz.extras import needs
from attnviz.results import ByteArray, Explanation

_FOCUS = ("entropy", "gini", "half_mass_area", "centroid_x", "centroid_y", "border_share")


def log(
    explanation: Explanation,
    *,
    to: Any,  # noqa: ANN401 - of a library that may not be installed
    step: int | None = None,
    name: str = "attnviz",
    maps: str = "*",
    **options: Any,
) -> None:
    """Write the maps of an explanation, laid over the photo, and how focused they are, to the log of a training.

    Args:
        explanation: From `attnviz.explain`.
        to: A `torch.utils.tensorboard.SummaryWriter` (or another with its ``add_image`` and ``add_scalar``), or a run
            of Weights & Biases, from ``wandb.init()``.
        step: Number of the step; None: as the log counts.
        name: What stands before every tag: ``"attnviz/stage3.gain"``, ``"attnviz/stage3.gain/entropy"``.
        maps: Pattern of the labels of the maps that are logged.
        **options: Of the pictures: ``colormap``, ``map_opacity``, ``interpolation``, ``scaling``.

    Raises:
        OptionError: It is no such log, no map has such a label, or an option is impossible.
        MissingExtraError: wandb is not installed.

    Example:
        >>> import attnviz, tempfile
        >>> from torch.utils.tensorboard import SummaryWriter
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     attnviz.log(explanation, to=writer, step=0, maps="stage3.gain")
    """
    to_tensorboard = hasattr(to, "add_image") and hasattr(to, "add_scalar")
    if not to_tensorboard and not (hasattr(to, "log") and hasattr(to, "project")):
        raise OptionError(
            f"expected a SummaryWriter of TensorBoard or a run of Weights & Biases, got a {type(to).__name__}"
        )
    labels = [label for label in explanation.maps if fnmatchcase(label, maps)]
    if not labels:
        known = ", ".join(explanation.maps) or "none"
        raise OptionError(f"expected maps to match one of {known}, got {maps!r}")
    pictures = {f"{name}/{label}": explanation.overlay(label, **options) for label in labels}
    numbers = {
        f"{name}/{entry.label}/{measure}": entry.values[measure]
        for entry in explanation.focus()
        for measure in _FOCUS
        if entry.label in labels and math.isfinite(entry.values.get(measure, math.nan))
    }
    write = _to_tensorboard if to_tensorboard else _to_wandb
    write(to, pictures, numbers, step)


def _to_tensorboard(to: Any, pictures: dict[str, ByteArray], numbers: dict[str, float], step: int | None) -> None:  # noqa: ANN401
    for tag, picture in pictures.items():
        to.add_image(tag, picture, step, dataformats="HWC")
    for tag, number in numbers.items():
        to.add_scalar(tag, number, step)


def _to_wandb(to: Any, pictures: dict[str, ByteArray], numbers: dict[str, float], step: int | None) -> None:  # noqa: ANN401
    with needs("wandb", extra="wandb"):
        import wandb
    to.log({tag: wandb.Image(picture) for tag, picture in pictures.items()} | numbers, step=step)
