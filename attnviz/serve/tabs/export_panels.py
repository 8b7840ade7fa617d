"""Which panels the figure builder offers and has ticked: those of what the visitor looks at in the position view."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from attnviz.errors import OptionError, quoted
from attnviz.language import Say
from attnviz.reduce.rollout import LABEL as ROLLOUT
from attnviz.reduce.rollout import layers_of
from attnviz.render.figure_options import MAX_PINS
from attnviz.render.head_panels import names_of_one
from attnviz.render.panels import Pins, all_panels, default_pins, resolve
from attnviz.results import Explanation

_MANY = 24  # panels


@dataclass(frozen=True)
class Chosen:
    """What was chosen in the position view.

    Attributes:
        pins: Middles of cells in photo pixels; empty where there are no pins, or they are of another photo.
        attention: Label of a position attention of this photo, of one of its heads, or ``"rollout"``; empty where the
            view shows what it shows first.
    """

    pins: Pins = ()
    attention: str = ""


def chosen_in(explanation: Explanation, sent: Any) -> Chosen:  # noqa: ANN401 - what the browser sent
    """What a visitor chose, of what this photo has.

    Args:
        explanation: Of the photo.
        sent: ``{"pins": [[row, column], ...], "label": LABEL, "head": "mean" or a number}``; pins are cells of the
            first attention's grid.

    Raises:
        OptionError: A pin is no cell of the grid.
    """
    told = sent if isinstance(sent, dict) else {}
    return Chosen(
        _photo_pins(explanation, told.get("pins")), _attention(explanation, told.get("label"), told.get("head"))
    )


def panel_choice(explanation: Explanation, chosen: Chosen, say: Say) -> Any:  # noqa: ANN401 - an update of a component
    """The list of panels, with the ones ticked that tell most, or those of the attention that was chosen."""
    pins = chosen.pins or default_pins(explanation)
    own = ("photo", *names_of_one(explanation, chosen.attention, len(pins))) if chosen.attention else ()
    ticked = resolve(explanation, own, pins)
    panels = {panel.name: panel for panel in (*all_panels(explanation, pins), *ticked)}
    first = [panel.name for panel in ticked]
    titles = [(say(panel.title), name) for name, panel in panels.items()]
    if len(titles) > _MANY:  # those that are ticked must not be far down a list that scrolls
        titles.sort(key=lambda entry: entry[1] not in first)
    return gr.update(choices=_distinct(titles), value=first)


def _photo_pins(explanation: Explanation, cells: Any) -> Pins:  # noqa: ANN401 - what the browser sent
    position = explanation.position
    if position is None or not isinstance(cells, list):
        return ()
    rows, columns = position.grid
    found = []
    for cell in cells[:MAX_PINS]:
        whole = isinstance(cell, list) and len(cell) == 2 and all(type(number) is int for number in cell)
        if not whole or not (0 <= cell[0] < rows and 0 <= cell[1] < columns):
            raise OptionError(f"expected pins as [row, column] within {rows} x {columns}, got {quoted(cell)}")
        left, top, right, bottom = explanation.geometry.cell_to_photo_box(cell[0], cell[1], position.grid)
        found.append(((left + right) / 2, (top + bottom) / 2))
    return tuple(found)


def _attention(explanation: Explanation, label: object, head: object) -> str:
    stack = layers_of(explanation.positions)
    if label == ROLLOUT:
        return ROLLOUT if stack else ""
    if not isinstance(label, str) or label not in explanation.positions:
        return ""
    if isinstance(head, str) and head.isdecimal() and int(head) < explanation.positions[label].heads > 1:
        return f"{label}.head{int(head)}"
    shown_first = stack[-1] if stack else next(iter(explanation.positions))
    return "" if label == shown_first else label


def _distinct(titles: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Panels under titles that differ: of two with one title the first is kept."""
    return list({title: (title, name) for title, name in reversed(titles)}.values())[::-1]
