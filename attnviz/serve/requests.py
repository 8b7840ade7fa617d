"""One run for the page: which weights there are, what a run will take, and the run itself, one at a time."""

import threading
from dataclasses import dataclass
from typing import Any, get_args

from attnviz import pipeline
from attnviz.errors import DownloadError, OptionError, UnknownModelError, quoted
from attnviz.inputs.decode import Source
from attnviz.inputs.preprocess import ResizeMode
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models
from attnviz.observe.cost import free_memory, in_words
from attnviz.pipeline import Forecast
from attnviz.results import Explanation

SECONDS_WITHOUT_ASKING = 20.0  # a run expected to take longer waits for the button
_LABELS: dict[ResizeMode, str] = {"keep": "Whole", "stretch": "Squashed", "center_crop": "Centre"}
RESIZE_MODES: dict[ResizeMode, str] = {mode: _LABELS[mode] for mode in get_args(ResizeMode)}
SIZES = (128, 192, 256, 320, 384, 512, 768, 1024)
_GROUPS = {
    "shipped": "Come with the program",
    "cached": "Downloaded to this machine",
    "available": "Published elsewhere, to download first",
}

# The networks run one at a time, whoever asks: two that were each found to fit into the free memory may not together.
_turn = threading.Lock()


@dataclass(frozen=True)
class Choice:
    """What a visitor chose.

    Attributes:
        model: A name in the registry.
        resize_mode: As in `attnviz.inputs.preprocess.Preprocessing`.
        size: Shorter side that the network sees, pixels; None for what the weights were trained for.
    """

    model: str = DEFAULT_MODEL
    resize_mode: ResizeMode = "keep"
    size: int | None = None


def model_groups() -> list[dict[str, Any]]:
    """Every known model for `attnviz.serve.page.components.model_select`, in groups; empty groups left out."""
    known = list_models().values()
    groups = [(label, [entry for entry in known if entry.status == status]) for status, label in _GROUPS.items()]
    return [{"label": label, "models": [_listed(entry) for entry in found]} for label, found in groups if found]


def _listed(entry: ModelCard) -> dict[str, Any]:
    note = command_to_get(entry) if entry.status == "available" else None
    return {"name": entry.name, "title": entry.title, "note": note, "shows": list(entry.views)}


def short_title(name: str) -> str:
    """The first part of a model's title, for a line of text."""
    return list_models()[name].title.partition(" · ")[0]


def card_of(name: str) -> ModelCard:
    """The registry's entry, which must be on this machine.

    Raises:
        UnknownModelError: No such name.
        DownloadError: Its weights are not here yet; the message has the command to get them.
    """
    known = list_models()
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
    card_of(choice.model)
    return pipeline.forecast(photo, choice.model, size=choice.size, resize_mode=choice.resize_mode)


def forecast_words(ready: Forecast) -> str:
    """The forecast as one line, with what is free."""
    free = free_memory(str(ready.loaded.device))
    room = "" if free is None else f"; {in_words(free)} free"
    return f"Takes about {seconds_in_words(ready.cost.seconds)} and {in_words(ready.cost.nbytes)}{room}"


def run(ready: Forecast) -> Explanation:
    """Explain a photo; waits for its turn.

    Raises:
        AttnvizError: Whatever `attnviz.pipeline.run` refuses.
    """
    with _turn:
        return pipeline.run(ready)


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
