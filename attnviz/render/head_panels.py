"""The panels of single heads that a figure can be asked for, by name: too many to be listed among the others."""

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
