"""The four families of attention inside a ResNet classifier, BAM, CBAM, SGE and SE: one network of each, to compare."""

from collections.abc import Iterable, Mapping
from typing import Any

from attnviz.models.weights.card import ModelCard

FAMILIES = ("BAM", "CBAM", "SGE", "SE")
_TRUNK = (18, 64)  # depth and width of the trunk that the networks made for this comparison share


def family_of(config: Mapping[str, Any]) -> str | None:
    """The family of a network by its description, as `attnviz.models.build` takes it; None: it is of none of them."""
    if config.get("architecture") == "BamResNet":
        return "BAM"
    kind = _within(_within(config, "trunk"), "attention").get("kind")
    return str(kind).upper() if str(kind).upper() in FAMILIES else None


def families_here(cards: Iterable[ModelCard]) -> dict[str, ModelCard]:
    """One network of each family that is on this machine: where there are several, one with the trunk they share.

    Args:
        cards: Of everything known.

    Returns:
        Family -> card, in the order of `FAMILIES`.
    """
    here = [card for card in cards if card.status != "available"]
    here.sort(key=lambda card: _trunk(card.config) != _TRUNK)  # stable: else the first known
    found: dict[str, ModelCard] = {}
    for card in here:
        family = family_of(card.config)
        if family is not None:
            found.setdefault(family, card)
    return {family: found[family] for family in FAMILIES if family in found}


def _trunk(config: Mapping[str, Any]) -> tuple[Any, Any]:
    trunk = _within(config, "trunk")
    return trunk.get("depth"), trunk.get("width")


def _within(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = config.get(name)
    return part if isinstance(part, Mapping) else {}
