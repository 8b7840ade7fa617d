"""What is known about one set of weights, and the card (JSON) beside the file that says it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from attnviz.errors import CheckpointError
from attnviz.inputs.preprocess import Preprocessing, ResizeMode

Task = Literal["classification", "segmentation"]
Status = Literal["shipped", "cached", "available"]


@dataclass(frozen=True)
class WeightsEntry:
    """One set of weights, everything known about it.

    Attributes:
        name: What people type.
        title: What people read.
        task: What the network was trained for.
        architecture: For people, for example ``"BAM-ResNet18, width 32"``.
        config: What `attnviz.models.build.build_model` builds.
        size: Shorter side of the input, pixels, that the weights were trained for.
        multiple: Both sides of the input are multiples of it, so that cells tile the picture.
        mean: Per RGB channel, of values in [0, 1].
        std: Per RGB channel, of values in [0, 1].
        detail: Share of the input's sides that a photo is reduced to first (`attnviz.inputs.preprocess`).
        jpeg_quality: Of the JPEG that the reduced photo passes through; None: it does not.
        aliased: Whether the photo is reduced without antialiasing at the last step.
        min_size: Shortest side the network can take, pixels.
        categories: Names of the classes, in order.
        metrics: Name with unit and data set -> value.
        parameters: Number of trained parameters.
        source: Where the weights come from.
        licence: Of the weights; None: the publisher states none.
        paper: Addresses of the papers.
        notes: What a user should know, a sentence each.
        status: Shipped with the program, cached on this machine, or available elsewhere.
        path: The file; None while it is only available.
        sha256: Of the file.
        bytes: Size of the file.
    """

    name: str
    title: str
    task: Task
    architecture: str
    config: Mapping[str, Any]
    size: int
    multiple: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    min_size: int
    categories: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: int | None = None
    source: str = ""
    licence: str | None = None
    paper: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    status: Status = "shipped"
    path: Path | None = None
    sha256: str | None = None
    bytes: int | None = None
    detail: float = 1.0
    jpeg_quality: int | None = None
    aliased: bool = False

    def preprocessing(self, size: int | None = None, resize_mode: ResizeMode = "keep") -> Preprocessing:
        """How a photo becomes this network's input.

        Args:
            size: Side in pixels; None: what the weights were trained for.
            resize_mode: How the photo is fitted.

        Raises:
            OptionError: A number or name out of its range.
        """
        return Preprocessing(
            size=self.size if size is None else size,
            resize_mode=resize_mode,
            multiple=self.multiple,
            mean=self.mean,
            std=self.std,
            detail=self.detail,
            jpeg_quality=self.jpeg_quality,
            aliased=self.aliased,
        )


def read_card(card: Path, status: Status = "shipped") -> WeightsEntry:
    """The entry that a model card (JSON) describes; its weights lie beside it.

    Args:
        card: The file.
        status: What the entry is then.

    Raises:
        CheckpointError: The card is damaged or lacks a field.
    """
    try:
        fields = json.loads(card.read_text(encoding="utf-8"))
        pre = fields["preprocessing"]
        return WeightsEntry(
            name=fields["name"],
            title=fields["title"],
            task=fields["task"],
            architecture=fields["architecture"],
            config=fields["config"],
            size=int(pre["size"]),
            multiple=int(pre["multiple"]),
            mean=tuple(pre["mean"]),
            std=tuple(pre["std"]),
            min_size=int(fields["min_size"]),
            categories=tuple(fields["categories"]),
            metrics=fields["metrics"],
            parameters=int(fields["parameters"]),
            source=fields["source"],
            licence=fields["licence"],
            paper=tuple(fields["paper"]),
            notes=tuple(fields.get("notes", ())),
            path=card.with_name(fields["file"]),
            sha256=fields["sha256"],
            bytes=int(fields["bytes"]),
            status=status,
            detail=float(pre.get("detail", 1)),
            jpeg_quality=pre.get("jpeg_quality"),
            aliased=pre.get("aliased", False),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"expected a whole model card, got {card.name}: {error!r}") from error


def card_fields(entry: WeightsEntry) -> dict[str, Any]:
    """What a model card says of an entry whose file is there, as `read_card` reads it.

    Raises:
        ValueError: The entry has no file.
    """
    if entry.path is None:
        raise ValueError(f"expected an entry with a file, got {entry.name} without one")
    return {
        "name": entry.name,
        "title": entry.title,
        "file": entry.path.name,
        "sha256": entry.sha256,
        "bytes": entry.bytes,
        "architecture": entry.architecture,
        "config": dict(entry.config),
        "task": entry.task,
        "preprocessing": {
            "size": entry.size,
            "multiple": entry.multiple,
            "mean": entry.mean,
            "std": entry.std,
            "detail": entry.detail,
            "jpeg_quality": entry.jpeg_quality,
            "aliased": entry.aliased,
        },
        "min_size": entry.min_size,
        "categories": entry.categories,
        "metrics": dict(entry.metrics),
        "source": entry.source,
        "licence": entry.licence,
        "paper": entry.paper,
        "notes": entry.notes,
        "parameters": entry.parameters,
    }
