"""Many photos through one network: photos of one shape together in a forward pass, each with an explanation of its own.

What a photo's maps are depends, in the last bits, on how many photos shared its pass (PyTorch's kernels sum in another
order). The batches of a part are therefore made of that part's photos alone, in their order: the same photos give the
same bits, whoever computes them and however often a run was interrupted.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn

from attnviz.bulk.prepare import NO_ROOM, Prepared, Refusal
from attnviz.bulk.settings import BulkSettings
from attnviz.errors import AttnvizError, ModelError, first_line, one_line
from attnviz.inputs.preprocess import normalise
from attnviz.models.own.running import said_plainly
from attnviz.models.sites import Site, names_sites, sites_of
from attnviz.models.weights.registry import LoadedModel
from attnviz.observe.collect import check_finite, logits_of
from attnviz.observe.cost import check_fits, estimate, free_memory
from attnviz.observe.discover import record_found
from attnviz.observe.recorder import Recording, record
from attnviz.pipeline import collected
from attnviz.results import Explanation

_PIXELS_AT_ONCE = {"cpu": 8 * 128 * 192, "cuda": 64 * 224 * 224}  # beyond them a larger batch gained nothing


@dataclass(frozen=True, eq=False)
class Explained:
    """A photo and what the network did.

    Attributes:
        path: Its name in tables and reports.
        sha256: As in `Prepared`.
        explanation: Its photo is reduced to what is drawn; its geometry is that of the whole photo.
    """

    path: str
    sha256: str
    explanation: Explanation


Outcome = Explained | Refusal


def batches(
    prepared: Iterable[Prepared | Refusal], loaded: LoadedModel, settings: BulkSettings
) -> Iterator[list[Prepared] | Refusal]:
    """Photos of one shape together, as soon as there are enough of them; refusals pass through.

    Args:
        prepared: The photos of one part, in order.
        loaded: The network.
        settings: How many photos make a batch.
    """
    waiting: dict[tuple[int, int], list[Prepared]] = {}
    for photo in prepared:
        if isinstance(photo, Refusal):
            yield photo
            continue
        size = photo.geometry.network_size
        group = waiting.setdefault(size, [])
        group.append(photo)
        if len(group) >= batch_size(size, loaded, settings.batch):
            yield waiting.pop(size)
    yield from waiting.values()


def batch_size(size: tuple[int, int], loaded: LoadedModel, asked: int | None) -> int:
    """How many photos share a forward pass.

    Args:
        size: (height, width) of what the network sees, pixels.
        loaded: The network; one whose attention has to be found sees one photo at a time.
        asked: How many were asked for; None: as many as have 0.2 million pixels together (3.2 on a GPU), 32 at most.
    """
    if not names_sites(loaded.net):
        return 1
    if asked is not None:
        return asked
    most = _PIXELS_AT_ONCE.get(loaded.device.type, _PIXELS_AT_ONCE["cuda"])
    return max(1, min(32, most // (size[0] * size[1])))


def explain_batch(
    batch: Sequence[Prepared], loaded: LoadedModel, settings: BulkSettings, net: nn.Module | None = None
) -> list[Outcome]:
    """One forward pass for photos of one shape; where it fails, one for each of them, so that one cannot spoil others.

    So is a network given one at a time that takes single pictures only.

    Args:
        batch: From `batches`.
        loaded: The network.
        settings: Preprocessing and number of predictions.
        net: What computes; None: the network itself, else a copy of it.

    Returns:
        One for each photo, in order.
    """
    try:
        recording = _recorded(batch, loaded, settings, loaded.net if net is None else net)
    except (AttnvizError, MemoryError, RuntimeError) as error:
        if len(batch) > 1:
            return [outcome for photo in batch for outcome in explain_batch([photo], loaded, settings, net)]
        return [Refusal(batch[0].path, _sentence(error))]
    return [
        _explained(photo, _of_one(recording, index, len(batch)), loaded, settings) for index, photo in enumerate(batch)
    ]


def _recorded(batch: Sequence[Prepared], loaded: LoadedModel, settings: BulkSettings, net: nn.Module) -> Recording:
    size, device = batch[0].geometry.network_size, str(loaded.device)
    preprocessing = settings.preprocessing(loaded.card)
    x = torch.cat([normalise(photo.network_image, preprocessing) for photo in batch])
    with ExitStack() as stack:
        if loaded.card.status == "own":
            stack.enter_context(said_plainly(loaded.card.name, size))
        cost = estimate(loaded.net, size, (0, 0), device=device)
        check_fits(type(cost)(cost.nbytes * len(batch), cost.macs, cost.seconds), free_memory(device))
        recording = record(net, x, _read_sites(net)) if names_sites(net) else record_found(net, x)
    check_finite(recording, loaded.card.name)
    if len(batch) > 1:
        _check_apart(recording, len(batch))
    return recording


def _read_sites(net: nn.Module) -> list[Site]:
    """All that something is made of: not the gate of every channel and location of a BAM, whose gain says the same."""
    sites = sites_of(net)
    gains = {site.group for site in sites if site.kind == "effective_gain"}
    return [site for site in sites if site.kind != "gate" or site.group not in gains]


def _check_apart(recording: Recording, count: int) -> None:
    """Refuse a recording in which the photos of a batch cannot be told apart: code that sees the first one alone."""
    tensors = {"logits": logits_of(recording.output)} | {
        site.label: recording.sites[site.label] for site in recording.watched if site.kind != "gamma"
    }
    for label, tensor in tensors.items():
        if tensor is not None and (not tensor.ndim or len(tensor) != count):
            raise ModelError(f"expected {label} of {count} photos, got a tensor {tuple(tensor.shape)}")


def _explained(photo: Prepared, recording: Recording, loaded: LoadedModel, settings: BulkSettings) -> Explained:
    explanation = collected(
        recording,
        loaded,
        photo=photo.shown,
        network_image=photo.network_image,
        geometry=photo.geometry,
        preprocessing=settings.preprocessing(loaded.card),
        top=settings.top,
        seconds={},
    )
    return Explained(photo.path, photo.sha256, explanation)


def _of_one(recording: Recording, index: int, count: int) -> Recording:
    """What one photo of a batch has in a recording, as a recording of that photo alone."""
    if count == 1:
        return recording
    gammas = {site.label for site in recording.watched if site.kind == "gamma"}  # of the network, not of a photo
    sites = {
        label: tensor if label in gammas else tensor[index : index + 1] for label, tensor in recording.sites.items()
    }
    logits = logits_of(recording.output)  # of an output nothing else is asked for
    return Recording(None if logits is None else logits[index : index + 1], sites, recording.watched)


def _sentence(error: Exception) -> str:
    """Why a pass failed, in one sentence: also where nobody foresaw it, for one photo must not stop a million."""
    if isinstance(error, AttnvizError):
        return one_line(error)
    if isinstance(error, MemoryError):
        return NO_ROOM
    return f"expected a photo that the network can take, got an error of PyTorch: {first_line(error)}"
