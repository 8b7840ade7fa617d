"""The short of docs/evidence.md, in the card of each network that it measures.

    python -m docs.evidence_cards

`docs/make_evidence.py` does it too, after it has filled the page's tables: a card says nothing that the page does not.
"""

import json
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "evidence.md"
CARDS = PAGE.parents[1] / "weights"

_PEOPLE = "AUC-Judd (0 to 1, chance 0.5)"
_NUMBER = re.compile(r"(-?[\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)")


def short_of(page: str, model: str) -> list[str]:
    """What the page says of a network in a few sentences, each with its unit, interval and what to compare it with.

    Args:
        page: Text of docs/evidence.md.
        model: Name of the weights; of one that the page does not measure there is nothing to say.
    """
    return [*_on_people(_part(page, "osie", model)), *_on_gates(page, model), *_on_attentions(page, model)]


def _on_people(part: str) -> list[str]:
    found = {name: value for name, (value, _, _) in _column(part, _PEOPLE).items() if not name.startswith("shuffled")}
    stages = [name for name in found if name.startswith("stage")]
    if not stages:
        return []
    best = max(stages, key=lambda name: float(found[name]))
    others = ", ".join(f"{name} {found[name]}" for name in ("centre prior", "Grad-CAM", "other viewers"))
    return [
        f"Where people look, {_count(part)} photos of OSIE: AUC {found[best]} by {best}, 0 to 1, chance 0.5; {others}."
    ]


def _on_gates(page: str, model: str) -> list[str]:
    part = _part(page, "imagenette", model)
    costs = [_column(part, f"costs, {what}").get("all.flat") for what in ("top-1 (points)", "log-likelihood (nats)")]
    if None in costs:
        return []
    points, nats = (_with_interval(*cost) for cost in costs if cost is not None)
    return [
        f"All gates flattened, {_count(part)} photos of Imagenette: costs {points} points of top-1 and {nats} nats of "
        "log-likelihood."
    ]


def _on_attentions(page: str, model: str) -> list[str]:
    names = {"position.gamma0": "position attention", "channel.gamma0": "channel attention"}
    for data, photos in (("camvid", "frames of CamVid"), ("everyday", "photos of MSRC")):
        part = _part(page, data, model)
        costs = _column(part, "costs, mean IoU (points)")
        told = [f"without the {title} {_with_interval(*costs[name])}" for name, title in names.items() if name in costs]
        if told:
            return [f"Points of mean IoU lost on {_count(part)} {photos}: {'; '.join(told)}."]
    return []


def _part(page: str, data: str, model: str) -> str:
    """The tables of one network on one set; empty where there are none."""
    section = page.partition(f"<!-- {data}: ")[2].partition(f"<!-- end of {data} -->")[0]
    return section.partition(f"**`{model}`**")[2].partition("**`")[0]


def _column(part: str, title: str) -> dict[str, tuple[str, str, str]]:
    """A column of one of the tables: its rows' names -> value and both ends of its 95 % interval, as written."""
    found, place = {}, None
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| |"):
            place = cells.index(title) if title in cells else None
        elif place is not None and len(cells) > place and (number := _NUMBER.fullmatch(cells[place])):
            found[cells[0]] = (number[1], number[2], number[3])
    return found


def _count(part: str) -> str:
    found = re.search(r"\(([\d,]+) photos\)", part)
    return found[1] if found else "some"


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
