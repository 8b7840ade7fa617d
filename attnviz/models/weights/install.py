"""Weights from elsewhere onto this machine: fetched or given as a file, checked, converted, with a model card."""

import difflib
import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from attnviz.errors import CheckpointError, DownloadError, OptionError, UnknownModelError, reason
from attnviz.models.sites import sites_of, views_of
from attnviz.models.weights.cache import cached_folder, downloads_folder, locked
from attnviz.models.weights.card import ModelCard, card_fields, read_card
from attnviz.models.weights.categories import CategorySet, categories_of
from attnviz.models.weights.checkpoint import load_checkpoint, save_checkpoint
from attnviz.models.weights.download import fetch
from attnviz.models.weights.file_hash import file_hash, member_hash
from attnviz.models.weights.published import PUBLISHED, Address, Algorithm, Published
from attnviz.models.weights.registry import cached_cards, check_file, from_network, list_models
from attnviz.models.weights.transfer import Progress, RetryPolicy

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True)
class PullCallbacks:
    """Who is told what happens.

    Attributes:
        progress: Called with bytes so far, and bytes in all where that is known.
        waiting: Called once where another process is fetching the same weights.
    """

    progress: Progress | None = None
    waiting: Callable[[], None] | None = None


def pull(
    name: str,
    *,
    accept_unlicensed: bool = False,
    dtype: torch.dtype = torch.float32,
    callbacks: PullCallbacks | None = None,
    retry: RetryPolicy | None = None,
) -> ModelCard:
    """Fetch published weights, check them, convert them and keep them on this machine.

    Two processes may pull the same weights at once: one waits, and finds them there.

    Args:
        name: A name in `attnviz.models.weights.published.PUBLISHED`.
        accept_unlicensed: Whether weights without a stated licence may be fetched.
        dtype: Of the file that is kept, float32 or float16.
        callbacks: Who is told.
        retry: How long to try.

    Raises:
        UnknownModelError: No such published weights.
        OptionError: They have no licence and that was not accepted.
        DownloadError: They could not be fetched; the message says what to do by hand.
        CheckpointError: They are not what they should be.
    """
    published = _find(name)
    if not (published.licensed or accept_unlicensed):
        raise OptionError(
            f"expected --accept-unlicensed for {name}, got weights whose publisher ({published.card.source}) "
            "states no licence"
        )
    callbacks = callbacks or PullCallbacks()
    with _folder_locked(name, callbacks.waiting):
        there = _cached(name)
        if there is not None:
            return there
        try:
            original = fetch(published.address, downloads_folder(), progress=callbacks.progress, retry=retry)
        except DownloadError as error:
            raise DownloadError(f"{error}; {_by_hand(published)}") from error
        try:
            net = load_checkpoint(original, published.card.config)
        except CheckpointError:
            original.unlink(missing_ok=True)  # whole, but not what it should be: the next attempt begins anew
            raise
        card = _install(net, _described(published), original, dtype)
        original.unlink(missing_ok=True)
        return card


def import_file(
    path: str | Path,
    *,
    name: str | None = None,
    classes: CategorySet | None = None,
    dtype: torch.dtype = torch.float32,
) -> ModelCard:
    """Take a checkpoint that is already on this machine into the list of weights.

    Args:
        path: Any file that `attnviz.models.weights.checkpoint.load_checkpoint` reads.
        name: What to call it. A published name makes it those weights, after comparing the publisher's hash. None
            recognises a published file by its name or hash, and else takes the file's name.
        classes: Data set whose classes the network predicts, where the file is no published one; None numbers them.
        dtype: Of the file that is kept, float32 or float16.

    Raises:
        OptionError: The name is taken, or no name; or the data set has another number of classes.
        CheckpointError: The file fits no network exactly, or is not the published one.
    """
    path = Path(path)
    published = PUBLISHED.get(name) if name else _recognised(path)
    if published is not None:
        net, address = load_checkpoint(path, published.card.config), published.address
        if address.digits is not None and not _is_that_file(_hashes(path, address.algorithm), address):
            raise CheckpointError(
                f"expected {path.name} with {address.algorithm} {address.digits}, as {published.card.source} tells, "
                "got another; --as OTHER_NAME imports it as a file of your own"
            )
        described = _described(published)
        with _folder_locked(described.name):
            return _install(net, described, path, dtype)
    chosen = name or re.sub(r"[^A-Za-z0-9_.-]+", "_", path.name.split(".")[0]).lstrip("_.-")
    if _NAME.fullmatch(chosen) is None:
        raise OptionError(f"expected a name of letters, digits, _ . and -, got {chosen!r:.90}; give one with --as")
    net = load_checkpoint(path)
    with _folder_locked(chosen):
        if chosen in list_models():
            raise OptionError(f"expected a name that is free, got {chosen!r}; give another with --as")
        return _install(net, _of_file(net, chosen, path, classes), path, dtype)


def verify(name: str | None = None) -> list[tuple[str, str | None]]:
    """Check weights on this machine: their hash, and that they fit their network exactly.

    Args:
        name: Which; None: all that are shipped or cached.

    Returns:
        Name and what is wrong with it, None where nothing is.

    Raises:
        UnknownModelError: The name is unknown, or of weights that are not on this machine.
    """
    known = {card.name: card for card in list_models().values() if card.status != "available"}
    damaged = {path.stem: message for path in cached_cards() if (message := _card_problem(path)) is not None}
    if name is not None and name not in known and name not in damaged:
        raise UnknownModelError(f"expected weights on this machine, one of {', '.join(known)}, got {name!r:.90}")
    chosen = {name: known[name]} if name in known else known if name is None else {}
    found = [(card.name, _problem(card)) for card in chosen.values()]
    return found + [(stem, message) for stem, message in damaged.items() if name in (None, stem)]


def _find(name: str) -> Published:
    if name in PUBLISHED:
        return PUBLISHED[name]
    if name in list_models():
        raise UnknownModelError(f"expected published weights, got {name}, which is on this machine already")
    near = difflib.get_close_matches(name, PUBLISHED, n=3, cutoff=0)
    raise UnknownModelError(f"expected a name from `attnviz weights list`, such as {', '.join(near)}, got {name!r:.90}")


def _folder_locked(name: str, waiting: Callable[[], None] | None = None) -> AbstractContextManager[None]:
    """Within it no other process installs weights of that name.

    Raises:
        CheckpointError: The folder cannot be made.
    """
    folder = cached_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"expected to make the folder {folder}, got: {reason(error)}") from error
    return locked(folder / name, waiting)


def _cached(name: str) -> ModelCard | None:
    card = list_models().get(name)
    if card is None or card.status != "cached":
        return None
    try:
        check_file(card)
    except CheckpointError:
        return None  # damaged since: fetch it again
    return card


def _by_hand(published: Published) -> str:
    file_name = published.address.file_name
    return (
        f"without a network, open {published.address.page} elsewhere, bring the file here as {file_name}, and run "
        f"`attnviz weights import {file_name} --as {published.card.name}`"
    )


def _is_that_file(hashes: tuple[str, str], address: Address) -> bool:
    """Whether a file of these `_hashes` is the published one, packed or unpacked, as far as the publisher tells."""
    return address.digits is not None and any(found.startswith(address.digits) for found in hashes)


def _hashes(path: Path, algorithm: str) -> tuple[str, str]:
    """Of a file, and of the one file inside it; the latter empty where it is no zip."""
    return file_hash(path, algorithm), member_hash(path, algorithm)


def _recognised(path: Path) -> Published | None:
    """The published weights that a file holds, by its name or its hash."""
    by_file_name = {published.address.file_name: published for published in PUBLISHED.values()}
    if path.name in by_file_name or not path.is_file():
        return by_file_name.get(path.name)
    try:
        hashes = {algorithm: _hashes(path, algorithm) for algorithm in get_args(Algorithm)}
    except OSError:
        return None  # it cannot be read: loading it will say why
    found = (p for p in PUBLISHED.values() if _is_that_file(hashes[p.address.algorithm], p.address))
    return next(found, None)


def _described(published: Published) -> ModelCard:
    return replace(published.card, categories=categories_of(published.category_set))


def _of_file(net: nn.Module, name: str, path: Path, classes: CategorySet | None) -> ModelCard:
    """What is known about a file of one's own.

    Raises:
        OptionError: The data set has another number of classes.
        CheckpointError: A card beside the file is damaged.
    """
    beside = path.with_suffix(".json")
    if path.suffix == ".safetensors" and beside.is_file() and classes is None:
        card = read_card(beside)
        if card.path == path:
            return replace(card, name=name)
    card = from_network(net, name=name, device="cpu").card
    if classes is not None:
        named = categories_of(classes)
        if len(named) != len(card.categories):
            raise OptionError(f"expected {len(named)} classes for {classes}, got a network of {len(card.categories)}")
        card = replace(card, categories=named)
    else:
        card = replace(card, notes=("Its classes are numbered: the file does not name them.",))
    size = 512 if card.task == "segmentation" else 224
    preprocessing = replace(card.preprocessing, size=size)
    return replace(card, preprocessing=preprocessing, source=f"imported from {path.name}")


def _install(net: nn.Module, card: ModelCard, original: Path, dtype: torch.dtype) -> ModelCard:
    """Write weights, then the card that makes them known; no card ever tells of a file that is not whole.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    folder = cached_folder()
    weights, target = folder / f"{card.name}.safetensors", folder / f"{card.name}.json"
    try:
        target.unlink(missing_ok=True)
        save_checkpoint(net, weights, dtype)
        installed = replace(
            card,
            config=dict(getattr(net, "config", card.config)),
            min_size=int(getattr(net, "min_size", card.min_size)),
            views=views_of(sites_of(net)),
            parameters=sum(p.numel() for p in net.parameters()),
            status="cached",
            path=weights,
            sha256=file_hash(weights),
            bytes=weights.stat().st_size,
        )
        fields = {
            **card_fields(installed),
            "original": {"file": original.name, "sha256": file_hash(original), "bytes": original.stat().st_size},
        }
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
        unfinished.write_text(json.dumps(fields, indent=1, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(target)
    except OSError as error:
        raise CheckpointError(f"expected to write {card.name} into {folder}, got: {reason(error)}") from error
    return read_card(target, status="cached")


def _problem(card: ModelCard) -> str | None:
    try:
        check_file(card)
        if card.path is not None:
            load_checkpoint(card.path, card.config)
    except CheckpointError as error:
        return str(error)
    return None


def _card_problem(path: Path) -> str | None:
    try:
        read_card(path)
    except CheckpointError as error:
        return str(error)
    return None
