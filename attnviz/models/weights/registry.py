"""The weights that are known by name: shipped with the program, cached on this machine, or published elsewhere."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attnviz.errors import CheckpointError, UnknownModelError
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.device import pick_device
from attnviz.models.sites import names_sites, sites_of, views_of
from attnviz.models.weights.cache import cached_folder
from attnviz.models.weights.card import ModelCard, read_card
from attnviz.models.weights.checkpoint import load_checkpoint
from attnviz.models.weights.file_hash import file_hash
from attnviz.models.weights.published import PUBLISHED

DEFAULT_MODEL = "bam_resnet18"
_PACKAGE = Path(__file__).resolve().parents[2]
_FOLDERS = (_PACKAGE / "_weights", _PACKAGE.parent / "weights")  # in a wheel; in a checkout


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network on its device, and what is known about its weights.

    Attributes:
        card: What is known about them.
        net: The network, in evaluation mode where attnviz loaded it.
        device: Where it is.
        trained: False: random weights.
    """

    card: ModelCard
    net: nn.Module
    device: torch.device
    trained: bool = True


def list_models() -> dict[str, ModelCard]:
    """Every known set of weights by name: shipped ones, then cached ones, then those published elsewhere.

    A name that is cached is no longer listed as available. A damaged card among the cached ones is logged and left
    out, so that it cannot stop the program.

    Raises:
        CheckpointError: A shipped card is damaged, or two sets of weights have the same name.

    Example:
        >>> import attnviz
        >>> shipped = {name: card for name, card in attnviz.list_models().items() if card.status == "shipped"}
        >>> [name for name, card in shipped.items() if card.task == "segmentation"]
        ['danet_resnet18', 'danet_resnet18_w32_camvid']
    """
    found: dict[str, ModelCard] = {}
    for path in _shipped_cards():
        _add(found, read_card(path))
    for name in PUBLISHED:
        if name in found:
            raise CheckpointError(f"expected every name once, got {name!r} both shipped and published")
    for path in cached_cards():
        try:
            card = read_card(path, status="cached")
        except CheckpointError as error:
            logging.getLogger(__name__).warning("left out: %s", error)
            continue
        _add(found, card)
    for name, published in PUBLISHED.items():
        found.setdefault(name, published.card)
    return found


def _add(found: dict[str, ModelCard], card: ModelCard) -> None:
    if card.name in found:
        raise CheckpointError(f"expected every name once, got {card.name!r} twice: see {card.path}")
    found[card.name] = card


def cached_cards() -> list[Path]:
    """Model cards of the weights cached on this machine."""
    folder = cached_folder()
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def load_model(name: str | Path, device: str = "auto") -> LoadedModel:
    """Load weights by name, or a checkpoint by its path: a network of the caller's own, to keep and to change.

    Args:
        name: A name in `list_models`, or the path of a checkpoint file.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.

    Raises:
        UnknownModelError: No such name and no such file, or weights that must be fetched first.
        CheckpointError: The file is not what its card says.
        DeviceError: No such device.

    Example:
        >>> import attnviz
        >>> loaded = attnviz.load_model("bam_resnet18_w32", device="cpu")
        >>> loaded.card.task, loaded.card.preprocessing.size
        ('classification', 128)
    """
    card = _card_on_this_machine(name)
    return _from_path(Path(name), device) if card is None else _load(card, pick_device(device))


def shared_model(name: str | Path, device: str = "auto") -> LoadedModel:
    """As `load_model`, but one network for all who ask for the same file by name: nobody may change it.

    Raises:
        UnknownModelError: As for `load_model`.
        CheckpointError: As for `load_model`.
        DeviceError: As for `load_model`.
    """
    card = _card_on_this_machine(name)
    if card is None:
        return _from_path(Path(name), device)
    return _shared(card.name, str(pick_device(device)), card.sha256, card.path)


def _card_on_this_machine(name: str | Path) -> ModelCard | None:
    """The card of that name; None where it is the path of a checkpoint instead.

    Raises:
        UnknownModelError: Neither, or weights that must be fetched first.
    """
    known = list_models()
    card = known.get(str(name))
    if card is not None and card.status == "available":
        consent = "" if card.licence else " --accept-unlicensed"
        raise UnknownModelError(
            f"expected weights on this machine, got {card.name}, which is published elsewhere: "
            f"run `attnviz weights pull {card.name}{consent}` first"
        )
    if card is None and not os.path.isfile(name):  # unlike Path.is_file, it also takes names that no file can have
        here = ", ".join(other.name for other in known.values() if other.status != "available")
        raise UnknownModelError(f"expected one of {here}, or a checkpoint file, got {str(name)[:200]!r}")
    return card


def _from_path(path: Path, device: str) -> LoadedModel:
    loaded = from_network(load_checkpoint(path), name=path.name, device=str(pick_device(device)), trained=True)
    return replace(loaded, card=replace(loaded.card, path=path, sha256=file_hash(path)))


def from_network(net: nn.Module, *, name: str = "network", device: str = "auto", trained: bool = False) -> LoadedModel:
    """A network of one's own, with ImageNet's preprocessing and numbered categories.

    Its mode is left as it is, and with device "auto" it stays where it is.
    """
    parameter = next(net.parameters(), None)
    place = parameter.device if device == "auto" and parameter is not None else pick_device(device)
    described = getattr(net, "config", {})
    config: Mapping[str, Any] = described if isinstance(described, Mapping) else {}  # transformers has objects there
    sites = sites_of(net) if names_sites(net) else ()
    card = ModelCard(
        name=name,
        title=name,
        task="segmentation" if any(site.kind == "class_logit" for site in sites) else "classification",
        architecture=str(config.get("architecture", type(net).__name__)),
        config=config,
        preprocessing=Preprocessing(size=224, multiple=max((site.stride for site in sites), default=32)),
        min_size=int(getattr(net, "min_size", 32)),
        views=views_of(sites),
        categories=tuple(f"class {i}" for i in range(int(config.get("num_classes", 0)))),
        source="given as a network or a file",
        status="own",
    )
    return LoadedModel(card, net.to(place), place, trained)


def was_trained(net: nn.Module) -> bool:
    """Whether its weights came from a file, or any batch norm ever saw a training batch; False: they are random."""
    if getattr(net, "loaded_from", None) is not None:
        return True
    norms = (part for part in net.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
    return any(n.num_batches_tracked is not None and n.num_batches_tracked.item() > 0 for n in norms)


def _shipped_cards() -> list[Path]:
    folders = [Path(os.environ["ATTNVIZ_WEIGHTS"])] if os.environ.get("ATTNVIZ_WEIGHTS") else _FOLDERS
    return sorted(card for folder in folders if folder.is_dir() for card in folder.glob("*.json"))


@cache
def _shared(name: str, device: str, sha256: str | None, path: Path | None) -> LoadedModel:
    """The network of a name; hash and path are part of the key, so that another file is loaded anew."""
    return _load(list_models()[name], torch.device(device))


def _load(card: ModelCard, device: torch.device) -> LoadedModel:
    check_file(card)
    if card.path is None:
        raise CheckpointError(f"expected a file of the weights of {card.name}, got none")
    return LoadedModel(card, load_checkpoint(card.path, card.config).to(device), device)


def check_file(card: ModelCard) -> None:
    """Compare the file of weights with the hash in their card.

    Raises:
        CheckpointError: It is not there or not the same.
    """
    if card.path is None or not card.path.is_file():
        raise CheckpointError(f"expected the weights of {card.name} at {card.path}, got no file there")
    found = file_hash(card.path)
    if found != card.sha256:
        raise CheckpointError(f"expected {card.path.name} with SHA-256 {card.sha256}, got {found}")
