"""What was measured about a photo, as lines of text: the verdict, the numbers, and what each number is."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attnviz.errors import one_line
from attnviz.measure.definitions import BASELINES, DEFINITIONS, FOCUS, POSITIONS

if TYPE_CHECKING:
    from attnviz.measure.effects import Effect
    from attnviz.measure.evidence import Evidence
    from attnviz.measure.faithfulness import Faithfulness
    from attnviz.measure.query_dependence import QueryDependence

_SCORES = ("deletion_area", "insertion_area", "road", "infidelity", "sensitivity")
_WRITTEN = {"road": "+.3f", "infidelity": ".3g", "sensitivity": ".3g"}  # else three decimals


def evidence_lines(found: "Evidence") -> Iterator[str]:
    """Everything that `attnviz.evidence` measured: the verdict first, and last what each number is."""
    yield from map(one_line, found.verdict)
    if found.focus:
        yield f"\n{found.focus}"
    if found.box is not None:
        yield f"object: the box {','.join(f'{side:g}' for side in found.box)} in photo pixels"
    if found.mask is not None:
        yield f"object: a mask, {100 * found.mask.share:.1f} % of the photo"
    if found.effects:
        yield ""
        yield from (line for effect in found.effects for line in _effect(effect))
    if found.faithfulness is not None:
        yield ""
        yield from _scores(found.faithfulness)
        yield ""
        yield from _agreement(found.faithfulness)
        probability = f"{100 * found.faithfulness.probability:.1f} %"
        yield one_line(f"{found.faithfulness.passes} forward passes for {found.category} ({probability})")
    if found.positions:
        yield ""
        yield from _positions(found.positions)
    yield "\nWhat the numbers are:"
    yield from _definitions(found)


def _effect(effect: "Effect") -> Iterator[str]:
    """The verdict of one intervention, and the numbers behind it."""
    yield one_line(f"{effect.title}: {effect.verdict}")
    if effect.log_likelihood_change is not None:
        top = ", ".join(f"{each.category} {100 * each.before:.1f} -> {100 * each.after:.1f} %" for each in effect.top)
        yield f"  log-likelihood {effect.log_likelihood_change:+.3f} nats; {one_line(top, 400)}"
    elif effect.mean_iou is not None:
        yield f"  mean IoU {effect.mean_iou:.3f}"


def _scores(found: "Faithfulness") -> list[str]:
    """The faithfulness of every map, a line each."""
    head = ["map", *(DEFINITIONS[name].title for name in _SCORES)]
    rows = [[entry.label, *(_number(getattr(entry, name), name) for name in _SCORES)] for entry in found.maps]
    why = [one_line(f"{method} was left out: {reason}", 300) for method, reason in found.left_out.items()]
    return [*_table([head, *rows]), *why]


def _agreement(found: "Faithfulness") -> list[str]:
    """How the order of each map of the attention agrees with that of the others."""
    others = [entry.label for entry in found.maps if entry.role != "attention"]
    rows = [
        [entry.label, *(f"{entry.agreement[label]:+.2f}" for label in others)]
        for entry in found.maps
        if entry.role == "attention"
    ]
    return _table([[DEFINITIONS["agreement"].title, *others], *rows]) if rows else []


def _positions(found: "Sequence[QueryDependence]") -> list[str]:
    head = ["position attention", *(measure.title for measure in POSITIONS.values())]
    rows = [[entry.label, *(_number(getattr(entry, name), name) for name in POSITIONS)] for entry in found]
    return _table([head, *rows])


def _definitions(found: "Evidence") -> Iterator[str]:
    """A line for each kind of number that was printed."""
    focus = {name for entry in found.focus for name in entry.values}
    effects = {"moved", "mean_iou" if found.category is None else "log_likelihood_change"} if found.effects else set()
    faithful = {*_SCORES, "agreement"} if found.faithfulness is not None else set()
    positions = {*POSITIONS} if found.positions else set()
    for name, measure in DEFINITIONS.items():
        if name in focus | effects | faithful | positions:
            source = "" if measure.source == "attnviz" else f" Source: {measure.source}."
            yield f"  {measure.title}: {measure.definition} {measure.compare}{source}"
    if focus & {*FOCUS}:
        yield from (f"  {name}: {what}" for name, what in BASELINES.items())


def _number(value: float | None, name: str) -> str:
    return "–" if value is None or value != value else format(value, _WRITTEN.get(name, ".3f"))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[one_line(cell, 80) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
