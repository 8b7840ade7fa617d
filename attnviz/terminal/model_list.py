"""``attnviz models``, also known as ``attnviz weights list``: what there is to choose from."""

import json
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from attnviz.errors import one_line
from attnviz.terminal.output import say

if TYPE_CHECKING:
    from attnviz.models.weights.card import ModelCard

_GROUPS = {
    "shipped": "Shipped with the program",
    "cached": "Cached on this machine",
    "available": "Published elsewhere: fetch with `attnviz weights pull NAME`",
}
_METRICS_SHOWN = 3
_WIDTH = 120  # characters of a line of the evidence


def print_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array, and nothing else.")] = False,
) -> None:
    """List models: those that can be used and those that can be fetched, with scores and licence."""
    say(models_as_json() if as_json else models_as_text())


def models_as_text() -> str:
    """The models in groups, a few lines each.

    Raises:
        CheckpointError: A model card is damaged.
    """
    from attnviz.models.weights.registry import list_models

    cards = list_models().values()
    groups = []
    for status, heading in _GROUPS.items():
        members = [f"  {line}" for card in cards if card.status == status for line in _described(card)]
        if members:
            groups.append("\n".join([heading, *members]))
    return "\n\n".join(groups)


def models_as_json() -> str:
    """The cards of all models as one JSON array, ASCII; each also says whether it is the default.

    Raises:
        CheckpointError: A model card is damaged.
    """
    from attnviz.models.weights.card import card_as_json
    from attnviz.models.weights.registry import DEFAULT_MODEL, list_models

    cards = list_models().values()
    return json.dumps([{**card_as_json(card), "default": card.name == DEFAULT_MODEL} for card in cards], indent=1)


def _described(card: "ModelCard") -> list[str]:
    from attnviz.models.weights.registry import DEFAULT_MODEL

    default = " (default)" if card.name == DEFAULT_MODEL else ""
    licence = card.licence or "NO LICENCE STATED"
    about = f"{card.title}; {card.task}, input {card.preprocessing.size} px; licence: {licence}"
    scores = [f"{name}: {value:g}" for name, value in list(card.metrics.items())[:_METRICS_SHOWN]]
    evidence = "evidence: " + (" ".join(card.evidence) or "not measured")
    lines = (about, *scores, *textwrap.wrap(one_line(evidence), _WIDTH, break_on_hyphens=False))
    return [f"{one_line(card.name)}{default}", *(f"    {one_line(line)}" for line in lines)]
