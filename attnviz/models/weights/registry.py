"""The weights that are known by name: shipped with the program, cached on this machine, or published elsewhere."""

import logging
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attnviz.errors import CheckpointError, UnknownModelError
from attnviz.models.device import pick_device
from attnviz.models.weights.cache import cached_folder, file_hash
from attnviz.models.weights.card import Status, Task, WeightsEntry, read_card
from attnviz.models.weights.checkpoint import load_checkpoint
from attnviz.models.weights.published import PUBLISHED

__all__ = ["DEFAULT_MODEL", "LoadedModel", "Status", "Task", "WeightsEntry", "list_models", "load_model", "read_card"]

DEFAULT_MODEL = "bam_resnet18_w64"
_PACKAGE = Path(__file__).resolve().parents[2]
_FOLDERS = (_PACKAGE / "_weights", _PACKAGE.parent / "weights")  # in a wheel; in a checkout


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network on its device, and what is known about its weights."""

    entry: WeightsEntry
    net: nn.Module
    device: torch.device
    trained: bool = True


def list_models() -> dict[str, WeightsEntry]:
    """Every known set of weights by name: shipped ones, then cached ones, then those published elsewhere.

    A name that is cached is no longer listed as available. A damaged card among the cached ones is logged and left
    out, so that it cannot stop the program.

    Raises:
        CheckpointError: A shipped card is damaged, or two sets of weights have the same name.
    """
    found: dict[str, WeightsEntry] = {}
    for card in _cards():
        _add(found, read_card(card))
    for name in PUBLISHED:
        if name in found:
            raise CheckpointError(f"expected every name once, got {name!r} both shipped and published")
    for card in cached_cards():
        try:
            entry = read_card(card, status="cached")
        except CheckpointError as error:
            logging.getLogger(__name__).warning("left out: %s", error)
            continue
        _add(found, entry)
    for name, published in PUBLISHED.items():
        found.setdefault(name, published.entry)
    return found


def _add(found: dict[str, WeightsEntry], entry: WeightsEntry) -> None:
    if entry.name in found:
        raise CheckpointError(f"expected every name once, got {entry.name!r} twice: see {entry.path}")
    found[entry.name] = entry


def cached_cards() -> list[Path]:
    """Model cards of the weights cached on this machine."""
    folder = cached_folder()
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def load_model(name: str | Path, device: str = "auto") -> LoadedModel:
    """Load weights by name, or a checkpoint by its path.

    Args:
        name: A name in `list_models`, or the path of a checkpoint file.
        device: As in `pick_device`.

    Raises:
        UnknownModelError: No such name and no such file, or weights that must be fetched first.
        CheckpointError: The file is not what its entry says.
        DeviceError: No such device.
    """
    known = list_models()
    if str(name) in known:
        entry = known[str(name)]
        if entry.status == "available":
            consent = "" if entry.licence else " --accept-unlicensed"
            raise UnknownModelError(
                f"expected weights on this machine, got {entry.name}, which is published elsewhere: "
                f"run `attnviz weights pull {entry.name}{consent}` first"
            )
        return _load(entry.name, str(pick_device(device)), entry.sha256, entry.path)
    if os.path.isfile(name):  # unlike Path.is_file, it also takes names that no file can have
        net, path = load_checkpoint(name), Path(name)
        loaded = from_network(net, name=path.name, device=str(pick_device(device)), trained=True)
        return replace(loaded, entry=replace(loaded.entry, path=path, sha256=file_hash(path)))
    here = ", ".join(entry.name for entry in known.values() if entry.status != "available")
    raise UnknownModelError(f"expected one of {here}, or a checkpoint file, got {str(name)[:200]!r}")


def from_network(net: nn.Module, *, name: str = "network", device: str = "auto", trained: bool = False) -> LoadedModel:
    """A network of one's own, with ImageNet's preprocessing and numbered categories.

    Its mode is left as it is, and with device "auto" it stays where it is.
    """
    parameter = next(net.parameters(), None)
    place = parameter.device if device == "auto" and parameter is not None else pick_device(device)
    config: dict[str, Any] = getattr(net, "config", {})
    segmentation = config.get("architecture") == "DANet"
    entry = WeightsEntry(
        name=name,
        title=name,
        task="segmentation" if segmentation else "classification",
        architecture=str(config.get("architecture", type(net).__name__)),
        config=config,
        size=224,
        multiple=max((site.stride for site in getattr(net, "sites", tuple)()), default=32),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        min_size=int(getattr(net, "min_size", 32)),
        categories=tuple(f"class {i}" for i in range(int(config.get("num_classes", 0)))),
        source="given as a network or a file",
    )
    return LoadedModel(entry, net.to(place), place, trained)


def was_trained(net: nn.Module) -> bool:
    """Whether its weights came from a file, or any batch norm ever saw a training batch; False: they are random."""
    if getattr(net, "loaded_from", None) is not None:
        return True
    norms = (part for part in net.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
    return any(n.num_batches_tracked is not None and n.num_batches_tracked.item() > 0 for n in norms)


def _cards() -> list[Path]:
    folders = [Path(os.environ["ATTNVIZ_WEIGHTS"])] if os.environ.get("ATTNVIZ_WEIGHTS") else _FOLDERS
    return sorted(card for folder in folders if folder.is_dir() for card in folder.glob("*.json"))


@cache
def _load(name: str, device: str, sha256: str | None, path: Path | None) -> LoadedModel:
    """The weights of an entry; hash and path are part of the key, so that another file is loaded anew."""
    entry = list_models()[name]
    check_file(entry)
    if entry.path is None:
        raise CheckpointError(f"expected a file of the weights of {name}, got none")
    return LoadedModel(entry, load_checkpoint(entry.path, entry.config).to(device), torch.device(device))


def check_file(entry: WeightsEntry) -> None:
    """Compare the file of an entry with the hash in its card.

    Raises:
        CheckpointError: It is not there or not the same.
    """
    if entry.path is None or not entry.path.is_file():
        raise CheckpointError(f"expected the weights of {entry.name} at {entry.path}, got no file there")
    found = file_hash(entry.path)
    if found != entry.sha256:
        raise CheckpointError(f"expected {entry.path.name} with SHA-256 {entry.sha256}, got {found}")
