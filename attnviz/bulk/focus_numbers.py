"""How concentrated each map of an explanation is: the numbers that tables, time lines and the gallery sort by."""

import numpy as np

from attnviz.errors import InputError
from attnviz.reduce.focus import border_share, entropy, gini
from attnviz.results import AttentionMap, Explanation

FOCUS = {"entropy": entropy, "gini": gini, "border_share": border_share}


def focus_numbers(explanation: Explanation) -> dict[str, dict[str, float]]:
    """Label -> ``"entropy"`` (nats), ``"gini"`` and ``"border_share"`` (0 to 1) of each map that can be read as mass.

    The mass is what lies above the quantity's floor: of an effective gain in (1, 2) what is added. Maps without a
    floor (logits) and maps without any mass have no such numbers.
    """
    found = {label: _focus(entry) for label, entry in explanation.maps.items()}
    return {label: numbers for label, numbers in found.items() if numbers}


def _focus(entry: AttentionMap) -> dict[str, float]:
    floor = entry.bounds[0]
    if floor is None:
        return {}
    mass = np.maximum(entry.values - np.float32(floor), np.float32(0))
    try:
        return {name: measure(mass) for name, measure in FOCUS.items()}
    except InputError:  # all of it is at the floor
        return {}
