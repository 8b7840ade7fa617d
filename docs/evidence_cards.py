"""The short of docs/evidence.md, in the card of each network that it measures.

    python -m docs.evidence_cards

`docs/make_evidence.py` does it too, after it has filled the page's tables: a card says nothing that the page does not.
"""

import json
from pathlib import Path

from docs.evidence_tables import column, parts_of, photos, section

PAGE = Path(__file__).resolve().parent / "evidence.md"
CARDS = PAGE.parents[1] / "weights"

_PEOPLE = "AUC-Judd (0 to 1, chance 0.5)"


def short_of(page: str, model: str) -> list[str]:
    """What the page says of a network in a few sentences, each with its unit, interval and what to compare it with.

    Args:
        page: Text of docs/evidence.md.
        model: Name of the weights; of one that the page does not measure there is nothing to say.
    """
    return [*_on_people(_part(page, "osie", model)), *_on_gates(page, model), *_on_attentions(page, model)]


def _on_people(part: str) -> list[str]:
    found = {name: value for name, (value, _, _) in column(part, _PEOPLE).items() if not name.startswith("shuffled")}
    stages = [name for name in found if name.startswith("stage")]
    if not stages:
        return []
    best = max(stages, key=lambda name: float(found[name]))
    others = ", ".join(f"{name} {found[name]}" for name in ("centre prior", "Grad-CAM", "other viewers"))
    return [
        f"Where people look, {photos(part)} photos of OSIE: AUC {found[best]} by {best}, 0 to 1, chance 0.5; {others}."
    ]


def _on_gates(page: str, model: str) -> list[str]:
    part = _part(page, "imagenette", model)
    found = [column(part, f"costs, {what}") for what in ("top-1 (points)", "log-likelihood (nats)")]
    for key, title in (("all.flat", "All gates flattened"), ("all.even", "All channel gates evened")):
        costs = [costs[key] for costs in found if key in costs]
        if len(costs) == len(found):
            points, nats = (_with_interval(*cost) for cost in costs)
            return [
                f"{title}, {photos(part)} photos of Imagenette: costs {points} points of top-1 and {nats} nats of "
                "log-likelihood."
            ]
    return []


def _on_attentions(page: str, model: str) -> list[str]:
    names = {"position.gamma0": "position attention", "channel.gamma0": "channel attention"}
    for data, what in (("camvid", "frames of CamVid"), ("everyday", "photos of MSRC")):
        part = _part(page, data, model)
        costs = column(part, "costs, mean IoU (points)")
        told = [f"without the {title} {_with_interval(*costs[name])}" for name, title in names.items() if name in costs]
        if told:
            return [f"Points of mean IoU lost on {photos(part)} {what}: {'; '.join(told)}."]
    return []


def _part(page: str, data: str, model: str) -> str:
    """The tables of one network on one set; empty where there are none."""
    return parts_of(section(page, data)).get(model, (None, ""))[1]


def _with_interval(value: str, low: str, high: str) -> str:
    """A cost with its interval; one that holds 0 is not shown to be one."""
    doubt = "; not shown to cost anything" if float(low) <= 0 <= float(high) else ""
    return f"{value} ({low} to {high}{doubt})"


def write_cards() -> None:
    """Put the short of the page into every card."""
    page = PAGE.read_text(encoding="utf-8")
    for path in sorted(CARDS.glob("*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        card["evidence"] = short_of(page, card["name"])
        path.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_cards()
