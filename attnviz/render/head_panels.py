"""The panels of one attention or of one of its heads, by name; those of single heads are too many to be all listed."""

from attnviz.reduce.rollout import LABEL as ROLLOUT
from attnviz.results import Explanation

_FEW_LAYERS = 2  # whose heads are all offered


def head_names(explanation: Explanation, pins: int = 2) -> tuple[str, ...]:
    """Names of the panels of single heads: of all layers where there are few, else of the last.

    Args:
        explanation: What there is to show.
        pins: Number of pins there will be.
    """
    several = [label for label, position in explanation.positions.items() if position.heads > 1]
    found = []
    for label in several if len(several) <= _FEW_LAYERS else several[-1:]:
        position = explanation.positions[label]
        ways = ["token:1"] if position.others else []
        ways += [f"{way}:{number + 1}" for way in ("row", "column") for number in range(pins)] + ["received"]
        found += [f"{label}.head{head}.{way}" for head in range(position.heads) for way in ways]
    return tuple(found)


def names_of_one(explanation: Explanation, name: str, pins: int = 2) -> tuple[str, ...]:
    """Names of the panels of one attention: where each pin looks, and what is received.

    Args:
        explanation: What there is to show.
        name: Label of a position attention, with ``.head0``, ``.head1`` ... after it one of its heads; ``"rollout"``.
        pins: Number of pins there will be.

    Raises:
        OptionError: There is no such attention or head.
    """
    others = name != ROLLOUT and explanation.attention(name).others
    first = name == next(iter(explanation.positions), "")
    prefix = "" if first else f"{name}."
    ways = ["token:1"] if others else []
    ways += [f"row:{number + 1}" for number in range(pins)]
    return (*(f"{prefix}{way}" for way in ways), f"{name}.received")
