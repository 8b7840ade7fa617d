"""One run for the page: which weights there are, what a run will take, and the run itself, one at a time."""

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import torch

from attnviz import pipeline
from attnviz.errors import AttnvizError, DownloadError, OptionError, UnknownModelError, quoted
from attnviz.inputs.decode import Source
from attnviz.inputs.preprocess import ResizeMode
from attnviz.models.families import families_here
from attnviz.models.own.running import said_plainly
from attnviz.models.sites import names_sites, views_of
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, LoadedModel, list_models
from attnviz.observe.cost import free_memory, in_words
from attnviz.observe.discover import record_found
from attnviz.pipeline import Forecast
from attnviz.results import Explanation

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence, Progress
    from attnviz.measure.focus_table import Box, Mask

SECONDS_WITHOUT_ASKING = 20.0  # a run expected to take longer waits for the button
_LABELS: dict[ResizeMode, str] = {"keep": "Whole", "stretch": "Squashed", "center_crop": "Centre"}
RESIZE_MODES: dict[ResizeMode, str] = {mode: _LABELS[mode] for mode in get_args(ResizeMode)}
SIZES = (128, 192, 256, 320, 384, 512, 768, 1024)
_GROUPS = {
    "own": "Your own",
    "shipped": "Come with the program",
    "cached": "Downloaded to this machine",
    "available": "Published elsewhere, to download first",
}

# The networks run one at a time, whoever asks: two that were each found to fit into the free memory may not together.
_turn = threading.Lock()
_own: dict[str, LoadedModel] = {}  # what whoever started the page gave it; nothing a visitor sends gets in


@dataclass(frozen=True)
class Choice:
    """What a visitor chose.

    Attributes:
        model: One of `known_models`.
        resize_mode: As in `attnviz.inputs.preprocess.Preprocessing`.
        size: Shorter side that the network sees, pixels; None for what the weights were trained for.
    """

    model: str = DEFAULT_MODEL
    resize_mode: ResizeMode = "keep"
    size: int | None = None


def offer(networks: Sequence[LoadedModel]) -> None:
    """Have the page offer these networks before all others, and no longer those of an earlier call.

    Args:
        networks: As whoever started the page gave them; each is chosen by the name on its card.

    Raises:
        OptionError: Two networks, or a network and known weights, have the same name.
    """
    taken = set(list_models())
    for network in networks:
        if network.card.name in taken:
            raise OptionError(f"expected networks with names of their own, got {quoted(network.card.name)} twice")
        taken.add(network.card.name)
    _own.clear()
    _own.update({network.card.name: _with_views(network) for network in networks})


def _with_views(network: LoadedModel) -> LoadedModel:
    """The network with the views on its card that there is something to show in: of one without sites what is found.

    A network that takes no such picture keeps the card that it has; the first photo will say why.
    """
    card = network.card
    if card.views or names_sites(network.net):
        return network
    side = card.preprocessing.size
    try:
        with said_plainly(card.name, (side, side)):
            watched = record_found(network.net, torch.zeros(1, 3, side, side)).watched
    except AttnvizError:
        return network
    return replace(network, card=replace(card, views=views_of(watched)))


def known_models() -> dict[str, ModelCard]:
    """Everything the page can be asked for by name: the networks it was given, then the registry's."""
    return {name: network.card for name, network in _own.items()} | list_models()


def families() -> dict[str, str]:
    """Family of attention -> name of the model that stands for it, of what is on this machine."""
    return {family: card.name for family, card in families_here(known_models().values()).items()}


def first_model() -> str:
    """Name of the model that is chosen when the page opens."""
    return next(iter(_own), DEFAULT_MODEL)


def model_groups() -> list[dict[str, Any]]:
    """Every known model for `attnviz.serve.page.components.model_select`, in groups; empty groups left out."""
    known = known_models().values()
    groups = [(label, [entry for entry in known if entry.status == status]) for status, label in _GROUPS.items()]
    return [{"label": label, "models": [_listed(entry) for entry in found]} for label, found in groups if found]


def _listed(entry: ModelCard) -> dict[str, Any]:
    note = command_to_get(entry) if entry.status == "available" else None
    return {"name": entry.name, "title": entry.title, "note": note, "shows": list(entry.views)}


def short_title(name: str) -> str:
    """The first part of a model's title, for a line of text."""
    return known_models()[name].title.partition(" · ")[0]


def card_of(name: str) -> ModelCard:
    """What is known about a model, which must be on this machine.

    Raises:
        UnknownModelError: No such name.
        DownloadError: Its weights are not here yet; the message has the command to get them.
    """
    known = known_models()
    if name not in known:
        raise UnknownModelError(f"expected one of {', '.join(known)}, got {quoted(name)}")
    entry = known[name]
    if entry.status == "available":
        raise DownloadError(
            f"expected weights on this machine, got {entry.title}, which is not: run {command_to_get(entry)}"
        )
    return entry


def command_to_get(entry: ModelCard) -> str:
    """The command that brings published weights onto this machine."""
    return f"python -m attnviz weights pull {entry.name}"


def forecast(photo: Source, choice: Choice) -> Forecast:
    """A run that is ready to start, with what it will take.

    Raises:
        ModelError: The weights are not on this machine.
        ImageError: It is no picture, damaged, too large, or too small or too elongated for the network.
    """
    card = card_of(choice.model)
    fit = None if card.one_size and choice.resize_mode == "keep" else choice.resize_mode  # it cannot take the whole
    model = _own.get(choice.model, choice.model)
    return pipeline.forecast(photo, model, size=choice.size, resize_mode=fit)


def forecast_words(ready: Forecast) -> str:
    """The forecast as one line, with what is free."""
    free = free_memory(str(ready.loaded.device))
    needed = f"Takes about {seconds_in_words(ready.cost.seconds)} and {in_words(ready.cost.nbytes)}"
    return needed if free is None else f"{needed}; {in_words(free)} free"


def run(ready: Forecast) -> Explanation:
    """Explain a photo; waits for its turn.

    Raises:
        AttnvizError: Whatever `attnviz.pipeline.run` refuses.
    """
    with _turn:
        return pipeline.run(replace(ready, inside=True))


def measure(
    explanation: Explanation, box: "Box | None" = None, mask: "Mask | None" = None
) -> "Generator[Progress, None, Evidence]":
    """Measure the attention of an explanation; waits for its turn at each step, so that others are explained meanwhile.

    Args:
        explanation: Of a photo, by a network that the page offers.
        box: (left, top, right, bottom) of an object in photo pixels; None: none is known.
        mask: bool (H, W) of the photo's size, True on an object; of box and mask one at most.

    Yields:
        How far it is.

    Returns:
        The numbers.

    Raises:
        MissingExtraError: captum is not installed.
        AttnvizError: Whatever `attnviz.evidence` refuses.
    """
    from attnviz.measure.evidence import evidence_steps  # only when asked for: it takes captum

    name = explanation.model.name
    model = _own.get(name, name)
    steps = evidence_steps(explanation.photo, model, box=box, mask=mask, preprocessing=explanation.preprocessing)
    with closing(steps):
        while True:
            with _turn:
                try:
                    step = next(steps)
                except StopIteration as end:
                    found: Evidence = end.value
                    return found
            yield step


def choice_from(model: object, resize_mode: object, size: object) -> Choice:
    """A choice from what a client sent.

    Args:
        model: Name of a model.
        resize_mode: One of `RESIZE_MODES`.
        size: One of `SIZES` as text, or "0" for the size of the training.

    Raises:
        OptionError: A value is none of those on the page.
    """
    if not isinstance(model, str) or not model:
        raise OptionError(f"expected the name of a model, got {quoted(model)}")
    known_mode = next((known for known in RESIZE_MODES if known == resize_mode), None)
    if known_mode is None:
        raise OptionError(f"expected one of {', '.join(RESIZE_MODES)} as resize_mode, got {quoted(resize_mode)}")
    known_size = next((known for known in (0, *SIZES) if str(known) == str(size)), None)
    if known_size is None:
        raise OptionError(f"expected one of {', '.join(map(str, SIZES))} as input size, got {quoted(size)}")
    return Choice(model=model, resize_mode=known_mode, size=known_size or None)


def seconds_in_words(seconds: float) -> str:
    """Seconds for people: ``"0.3 s"``, ``"40 s"``, ``"3 min"``."""
    if seconds < 0.1:
        return "0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.0f} min"
