"""What the numbers of one photo say, in words, with the numbers that say it and those of chance beside them."""

import math
from collections.abc import Sequence

from attnviz.measure.effects import Effect, overall
from attnviz.measure.faithfulness import Faithfulness, MapFaithfulness
from attnviz.measure.focus_table import FocusTable
from attnviz.measure.query_dependence import QueryDependence

# A map is called focused where half of its mass is on less than this share of what the even map needs; faithful, and
# one that finds the object, where its ROAD and ROC-AUC beat chance and the centre prior by more than this: scales to
# read by, not tests.
FOCUSED = 0.8
BETTER = 0.02
_NO_ANSWERS = "Whether the attention matters was not measured: the network gives no classes that could change."


def sentences(
    focus: FocusTable,
    effects: Sequence[Effect],
    faithfulness: Faithfulness | None,
    positions: Sequence[QueryDependence],
    *,
    answers: bool = True,
) -> list[str]:
    """One sentence each on focus, the object where one was given, effect, faithfulness and the position attentions.

    Args:
        focus: Of one photo.
        effects: Of the interventions on the same photo.
        faithfulness: The same; None where it was not measured.
        positions: The same.
        answers: Whether the network gives classes, of the picture or of its pixels.
    """
    found = [_on_focus(focus)] if len(focus) else []
    if focus.inside and len(focus):
        found.append(_on_object(focus))
    found.append(overall(effects) if answers else _NO_ANSWERS)
    attention = [] if faithfulness is None else [m for m in faithfulness.maps if m.role == "attention"]
    if faithfulness is not None and attention:
        found.append(_on_faithfulness(faithfulness, attention))
    return found + [f"{each.label}: {each.verdict}" for each in positions]


def _on_focus(focus: FocusTable) -> str:
    """On the map that is the most focused."""
    best = min(focus, key=lambda entry: entry.values["half_mass_area"])
    area, even = best.values["half_mass_area"], best.baselines["uniform"]["half_mass_area"]
    numbers = f"half of its mass lies on {100 * area:.0f} % of the area (even: {100 * even:.0f} %"
    shuffled = best.baselines.get("shuffled")
    if shuffled is not None:
        numbers = f"{numbers}; with shuffled weights: {100 * shuffled['half_mass_area']:.0f} %"
    if area >= FOCUSED * even:
        return f"No map is focused: of the most focused, {best.title}, {numbers})."
    if shuffled is not None and area >= shuffled["half_mass_area"]:
        return f"{best.title} is focused, but so it is with weights that know nothing: {numbers})."
    return f"{best.title} is focused: {numbers})."


def _on_object(focus: FocusTable) -> str:
    """On the map that tells the object's places from the others best."""
    known = [entry for entry in focus if not math.isnan(entry.values["roc_auc"])]
    if not known:
        return "Whether the maps find the object cannot be told: no cell lies mostly inside of it, or none outside."
    best = max(known, key=lambda entry: entry.values["roc_auc"])
    area, centre = best.values["roc_auc"], best.baselines["centre"]["roc_auc"]
    numbers = f"ROC-AUC {area:.3f} (by chance 0.500; centre prior {centre:.3f}"
    shuffled = best.baselines.get("shuffled")
    if shuffled is not None:
        numbers = f"{numbers}; with shuffled weights {shuffled['roc_auc']:.3f}"
    if area <= max(0.5, centre) + BETTER:
        return f"No map finds the object better than chance and the centre do: of the best, {best.title}, {numbers})."
    if shuffled is not None and area <= shuffled["roc_auc"] + BETTER:
        return f"{best.title} finds the object, but so it does with weights that know nothing: {numbers})."
    return f"{best.title} finds the object: {numbers})."


def _on_faithfulness(found: Faithfulness, attention: Sequence[MapFaithfulness]) -> str:
    """On the map whose places the answer rests on the most."""
    best = max(attention, key=lambda entry: entry.road)
    others = {entry.label: entry.road for entry in found.maps if entry.role != "attention"}
    chance = max(others["random"], others["centre"])
    beside = ", ".join(f"{label.replace('_', ' ')} {road:+.3f}" for label, road in others.items())
    if best.road <= chance + BETTER:
        return (
            f"On this picture no map of the attention marks what the answer rests on better than chance and the centre "
            f"do: ROAD of the best, {best.title}, {best.road:+.3f} ({beside})."
        )
    return f"{best.title} marks places that the answer rests on: ROAD {best.road:+.3f} ({beside})."
