"""What the tables of docs/evidence.md say of a network: a plain verdict for each set, whichever way it went.

    python -m docs.evidence_words

writes them anew; `docs/make_evidence.py` does it too. They are read off the tables as they are written, so that words
and numbers cannot differ.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from attnviz.measure.definitions import FOCUS
from attnviz.measure.photo_scores import SHUFFLED
from attnviz.measure.tables import TITLES
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import list_models
from docs.evidence_cards import PAGE
from docs.evidence_tables import Number, column, filled, numbers, part_as_text, parts_of, photos, section

COMPARED = ("centre prior", "Grad-CAM", "uniform", "other viewers")
QUESTIONS: Mapping[str, str] = {
    "osie": "do people look there?",
    "persons": "does it find persons?",
    "salient": "does it find salient objects?",
    "imagenette": "does the answer need it?",
    "camvid": "does the answer need it? (CamVid)",
    "everyday": "does the answer need it? (MSRC)",
}
# The fair ones: what keeps the scale of the features. Others change it too.
_FAIR: Mapping[str, str] = {
    "all.flat": "with all gates flattened to their means over locations",
    "all.even": "with all channel gates evened",
    "all.gamma0": "with γ of both attentions at 0",
    "position.gamma0": "without the position attention",
    "channel.gamma0": "without the channel attention",
    "position.shuffled": "with the position attention's rows exchanged between queries",
}


@dataclass(frozen=True)
class Words:
    """A verdict.

    Attributes:
        short: In a few words, for a table.
        long: As a sentence, with what it is compared with.
    """

    short: str
    long: str


NOTHING = Words("–", "nothing could be measured on this set.")
NO_MAP = Words("has no map", "has gates for channels alone: there is no map of places to measure here.")


def words_on(name: str, tables: str) -> Words:
    """The verdict on one network.

    Args:
        name: Of the set.
        tables: Of the network on it, as Markdown; empty where it has no map of places.
    """
    return _WORDS[name](tables) if tables else NO_MAP


def people(tables: str) -> Words:
    """Whether a map tells where people look."""
    found = numbers(tables, TITLES["gaze_auc"])
    maps = _maps(found)
    if not maps or "centre prior" not in found:
        return NOTHING
    best, worst = _best(found, maps), min(maps, key=lambda name: found[name][0])
    (value, low, high), centre = found[best], found["centre prior"]
    words = "tells where people look no better than the middle of the picture does"
    if value > centre[0]:
        words = "tells where people look better than the middle of the picture does"
        words += "" if low > centre[2] else ", but their intervals overlap"
    text = f"`{best}` {words}: AUC {value:.3f} ({low:.3f} to {high:.3f}) on {photos(tables)} photos; "
    text += _beside(found, best)
    order = ", ".join(f"{found[name][0]:.3f}" for name in maps)
    text += f". From the first stage to the last: {order}."
    if found[worst][2] < centre[1]:
        below = " and below chance" if found[worst][2] < 0.5 else ""
        text += f" The worst, `{worst}`, is worse than the middle{below}: {found[worst][0]:.3f}."
    return Words(_against(found[best], centre, "AUC"), text)


def objects(tables: str) -> Words:
    """Whether a map finds objects, and whether it does within rings, where the middle earns nothing."""
    found, rings = (numbers(tables, FOCUS[name].title) for name in ("roc_auc", "ring_auc"))
    maps = _maps(found)
    if not maps or "centre prior" not in found:
        return NOTHING
    best, worst = _best(found, maps), min(maps, key=lambda name: found[name][0])
    (value, low, high), centre = found[best], found["centre prior"]
    better = "better than" if low > centre[2] else "no better than" if high >= centre[1] else "worse than"
    text = f"`{best}` finds the objects {better} the middle of the picture does: ROC-AUC {value:.3f} ({low:.3f} to "
    text += f"{high:.3f}); {_beside(found, best)}"
    if best in rings and "centre prior" in rings:
        text += f". Within rings {rings[best][0]:.3f}, the centre prior {rings['centre prior'][0]:.3f}"
    if worst != best:
        below = ", below chance" if found[worst][2] < 0.5 else ""
        text += f". The worst, `{worst}`: {found[worst][0]:.3f}{below}"
    return Words(_against(found[best], centre, "ROC-AUC"), f"{text}.")


def answers(tables: str) -> Words:
    """Whether taking the attention away costs anything."""
    unit = "mean IoU" if column(tables, "costs, mean IoU (points)") else "top-1"
    costs = numbers(tables, f"costs, {unit} (points)")
    nats = numbers(tables, "costs, log-likelihood (nats)")
    fair = [key for key in _FAIR if key in costs]
    key = next(iter(fair), max(costs, key=lambda name: costs[name][0], default=None))
    if key is None:
        return NOTHING
    seen = {f"{costs[key][0]:.1f} points of {unit}": costs[key]}
    told = "{:.1f} ({:.1f} to {:.1f}) points of {}".format(*costs[key], unit)
    if key in nats:
        seen[f"{nats[key][0]:.3f} nats of log-likelihood"] = nats[key]
        told += " and {:.3f} ({:.3f} to {:.3f}) nats".format(*nats[key])
    dearer = [words for words, (_, low, _) in seen.items() if low > 0]
    cheaper = [words for words, (_, _, high) in seen.items() if high < 0]
    if dearer:
        verdict, short = "the answer depends on its attention", "yes"
    elif cheaper:
        verdict, short = "the answer is better without its attention", "better without"
    else:
        verdict, short = "the answer is not shown to depend on its attention", "not shown"
    how = _FAIR.get(key, f"with `{key}`")
    idle = sum(low <= 0 <= high for _, low, high in costs.values())
    text = f"{verdict}: {how} it loses {told}. Not shown to cost any {unit}: {idle} of {len(costs)} "
    text += f"interventions{_on_positions(tables)}."
    return Words(f"{short}: {next(iter([*dearer, *cheaper, *seen]))}", text)  # what the verdict rests on


def _on_positions(tables: str) -> str:
    """What the table of position attentions adds."""
    variation, own = (numbers(tables, TITLES[name]) for name in ("total_variation", "own_class"))
    before, after = (numbers(tables, TITLES[name]) for name in ("compactness_before", "compactness_after"))
    name = next(iter(variation), None)
    if name is None:
        return ""
    text = f". Rows of different queries differ by {variation[name][0]:.2f} (0: not at all, 1: nothing in common)"
    if name in own:
        text += f" and fall on the query's own class {own[name][0]:.1f} times as much as its share"
    if name in before and name in after:
        tighter = "closer" if after[name][2] < before[name][1] else "not shown to be closer"
        text += f"; features of a class are {tighter} together after it, {before[name][0]:.2f} to {after[name][0]:.2f}"
    return text


def merged(page: str, name: str, measured_now: Mapping[str, str], shipped: Mapping[str, ModelCard]) -> str:
    """The page with a set's tables: what was measured now, and of the other networks what is there.

    Tables of networks that are no longer shipped go, and of those whose weights have become others.

    Args:
        page: The page.
        name: Of the set.
        measured_now: Network -> its tables, as Markdown.
        shipped: The networks that there are, in the order of the page.
    """
    there = parts_of(section(page, name))
    parts = []
    for model, card in shipped.items():
        weights = str(card.sha256)[:8]
        old, tables = there.get(model, (None, None))
        if model in measured_now:
            tables = measured_now[model]
        elif old not in (None, weights):
            print(f"{name}: {model} has other weights than those measured; left out", file=sys.stderr)
            continue
        else:
            weights = old
        if tables is not None:
            parts.append(part_as_text(model, words_on(name, tables).long, weights, tables))
    return filled(page, name, "\n".join(parts))


def worded(page: str, shipped: Mapping[str, ModelCard]) -> str:
    """The page with all of its words anew, and its tables as they are."""
    for name in QUESTIONS:
        page = merged(page, name, {}, shipped)
    return filled(page, "verdicts", short_table(page, shipped))


def short_table(page: str, shipped: Iterable[str]) -> str:
    """All verdicts of the page as one table, a line per network, and which networks it says nothing of."""
    verdicts: dict[str, dict[str, str]] = {}
    for name in QUESTIONS:
        for model, (_, tables) in parts_of(section(page, name)).items():
            verdicts.setdefault(model, {})[name] = words_on(name, tables).short
    used = [name for name in QUESTIONS if any(name in found for found in verdicts.values())]
    head = [f"| | {' | '.join(QUESTIONS[name] for name in used)} |", f"| --- |{' --- |' * len(used)}"]
    lines = [
        f"| `{model}` | {' | '.join(found.get(name, '–') for name in used)} |" for model, found in verdicts.items()
    ]
    missing = [f"`{model}`" for model in shipped if model not in verdicts]
    told = ["", f"Shipped, but not measured yet: {', '.join(missing)}."] if missing else []
    return "\n".join([*head, *lines, *told]) + "\n"


def _maps(found: Mapping[str, Number]) -> list[str]:
    """The rows that are maps of the attention."""
    return [name for name in found if name not in COMPARED and not name.startswith(SHUFFLED)]


def _best(found: Mapping[str, Number], maps: list[str]) -> str:
    return max(maps, key=lambda name: found[name][0])


def _beside(found: Mapping[str, Number], best: str) -> str:
    """What a map is compared with, its twin with shuffled weights last."""
    called = {name: name for name in COMPARED} | {f"{SHUFFLED}{best}": "with shuffled weights"}
    return ", ".join(f"{words} {found[name][0]:.3f}" for name, words in called.items() if name in found)


def _against(best: Number, centre: Number, unit: str) -> str:
    """Whether the best map beats the centre prior, in a few words."""
    word = "yes" if best[1] > centre[2] else "no" if best[2] < centre[1] else "not shown"
    return f"{word}: {unit} {best[0]:.3f}, centre prior {centre[0]:.3f}"


_WORDS: Mapping[str, Callable[[str], Words]] = {
    "osie": people,
    "persons": objects,
    "salient": objects,
    "imagenette": answers,
    "camvid": answers,
    "everyday": answers,
}


if __name__ == "__main__":
    shipped = {name: card for name, card in list_models().items() if card.status == "shipped"}
    PAGE.write_text(worded(PAGE.read_text(encoding="utf-8"), shipped), encoding="utf-8")
