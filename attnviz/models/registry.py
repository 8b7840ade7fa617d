"""The weights that can be loaded by name: one typed entry each, read from the card beside the file."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from attnviz.errors import CheckpointError, UnknownModelError
from attnviz.models.checkpoint import load_checkpoint
from attnviz.models.device import pick_device

Task = Literal["classification", "segmentation"]
Status = Literal["shipped", "cached", "available"]

DEFAULT_MODEL = "bam_resnet18_w32"
_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "_weights", _PACKAGE.parent / "weights")  # in a wheel; in a checkout


@dataclass(frozen=True)
class WeightsEntry:
    """One set of weights, everything known about it.

    Attributes:
        name: What people type.
        title: What people read.
        task: What the network was trained for.
        architecture: For people, for example ``"BAM-ResNet18, width 32"``.
        spec: What `attnviz.models.build.build_model` builds.
        size: Shorter side of the input, pixels, that the weights were trained for.
        multiple: Both sides of the input are multiples of it, so that cells tile the picture.
        mean: Per RGB channel, of values in [0, 1].
        std: Per RGB channel, of values in [0, 1].
        smallest_input: Shortest side the network can take, pixels.
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
    spec: Mapping[str, Any]
    size: int
    multiple: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    smallest_input: int
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


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network on its device, and what is known about its weights."""

    entry: WeightsEntry
    net: nn.Module
    device: torch.device
    trained: bool = True


def entries() -> dict[str, WeightsEntry]:
    """Every known set of weights by name.

    Raises:
        CheckpointError: A card is damaged, or two have the same name.
    """
    found: dict[str, WeightsEntry] = {}
    for card in _cards():
        entry = read_card(card)
        if entry.name in found:
            raise CheckpointError(f"expected every name once, got {entry.name!r} twice: see {card.name}")
        found[entry.name] = entry
    return found


def load_model(name: str | Path, device: str = "auto") -> LoadedModel:
    """Load weights by name, or a checkpoint by its path.

    Args:
        name: A name in `entries`, or the path of a checkpoint file.
        device: As in `pick_device`.

    Raises:
        UnknownModelError: No such name and no such file.
        CheckpointError: The file is not what its entry says.
        DeviceError: No such device.
    """
    known = entries()
    if str(name) in known:
        return _load(str(name), str(pick_device(device)))
    if Path(name).is_file():
        net = load_checkpoint(name)
        return from_network(net, name=Path(name).name, device=device, trained=True)
    raise UnknownModelError(f"expected one of {', '.join(known)}, or a checkpoint file, got {str(name)!r}")


def from_network(net: nn.Module, *, name: str = "network", device: str = "auto", trained: bool = False) -> LoadedModel:
    """A network of one's own, with ImageNet's preprocessing and numbered categories."""
    place = pick_device(device)
    spec: dict[str, Any] = getattr(net, "spec", {})
    segmentation = spec.get("architecture") == "DANet"
    entry = WeightsEntry(
        name=name,
        title=name,
        task="segmentation" if segmentation else "classification",
        architecture=str(spec.get("architecture", type(net).__name__)),
        spec=spec,
        size=224,
        multiple=8 if segmentation else 16,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        smallest_input=int(getattr(net, "smallest_input", 32)),
        categories=tuple(f"class {i}" for i in range(int(spec.get("num_classes", 0)))),
        source="given as a network or a file",
    )
    return LoadedModel(entry, net.to(place).eval(), place, trained)


def was_trained(net: nn.Module) -> bool:
    """Whether any batch norm of the network ever saw a training batch; False means its weights are random."""
    norms = (part for part in net.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
    return any(n.num_batches_tracked is not None and n.num_batches_tracked.item() > 0 for n in norms)


def read_card(card: Path) -> WeightsEntry:
    """The entry that a model card (JSON) describes; its weights lie beside it.

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
            spec=fields["spec"],
            size=int(pre["size"]),
            multiple=int(pre["multiple"]),
            mean=tuple(pre["mean"]),
            std=tuple(pre["std"]),
            smallest_input=int(fields["smallest_input"]),
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
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"expected a whole model card, got {card.name}: {error!r}") from error


def _cards() -> list[Path]:
    folders = [Path(os.environ["ATTNVIZ_WEIGHTS"])] if os.environ.get("ATTNVIZ_WEIGHTS") else _FOLDERS
    return sorted(card for folder in folders if folder.is_dir() for card in folder.glob("*.json"))


@cache
def _load(name: str, device: str) -> LoadedModel:
    entry = entries()[name]
    if entry.path is None or not entry.path.is_file():
        raise CheckpointError(f"expected the weights of {name} at {entry.path}, got no file there")
    found = hashlib.sha256(entry.path.read_bytes()).hexdigest()
    if found != entry.sha256:
        raise CheckpointError(f"expected {entry.path.name} with SHA-256 {entry.sha256}, got {found}")
    return LoadedModel(entry, load_checkpoint(entry.path, entry.spec).to(device), torch.device(device))
