"""Which pictures of an explanation there are, by name, and what each of them shows."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.position_attention import PositionAttention
from attnviz.render.figure_options import MAX_PANELS
from attnviz.results import (
    AttentionMap,
    Explanation,
    FloatArray,
    LabelArray,
    Segmentation,
)

Pins = tuple[tuple[float, float], ...]

GROUPS = ("stages", "position", "channel")  # names that stand for several panels at once

QUANTITIES = {
    "effective_gain": "effective gain",
    "spatial_logit": "spatial logit",
    "gate": "gate",
    "spatial_gate": "spatial gate",
    "group_gate": "group gate",
    "position_row": "attention of a query",
    "position_column": "attention to a location",
    "position_received": "attention received",
    "channel_output": "channel output",
    "channel_matrix": "channel attention",
}


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a figure, before it has a size.

    Attributes:
        name: The name it was asked for by; unique within a figure.
        title: For people.
        kind: What the numbers are; panels of one kind can share one scale.
        unit: Of the numbers.
        values: float32 (h, w), raw: drawn over the photo, or bare where `bare` is true; None: no numbers.
        classes: uint8 or uint16 (h, w) over what the network saw, drawn in the colours of the classes.
        bare: Whether the numbers have nothing to do with places on the photo (the channel matrix).
        pins: Numbers (from 0) of the pins to be marked.
    """

    name: str
    title: str
    kind: str = "photo"
    unit: str = ""
    values: FloatArray | None = None
    classes: LabelArray | None = None
    bare: bool = False
    pins: tuple[int, ...] = ()


def quantity(kind: str) -> str:
    """What the numbers of a kind are, for people."""
    return QUANTITIES.get(kind, kind.replace("_", " "))


def panel_names(explanation: Explanation, pins: int = 2) -> tuple[str, ...]:
    """Names of all single panels that a figure of this explanation can have.

    ``row:N`` is where pin number N looks, ``column:N`` who looks at it. For ``gate:S:K`` (gate of channel K after stage
    S) and ``channel:K`` (output of the channel module) only the first channel is listed.

    Args:
        explanation: What there is to show.
        pins: Number of pins there will be.
    """
    found = ["photo", *explanation.maps]
    found += [f"gate:{stage.stage}:0" for stage in explanation.stages]
    if explanation.position is not None:
        found += [f"{way}:{number + 1}" for way in ("row", "column") for number in range(pins)]
    if explanation.segmentation is not None:
        found += ["segmentation", *(f"segmentation:{head}" for head in explanation.segmentation.labels)]
    if explanation.channel is not None:
        found += ["channel_matrix", "channel:0"]
    return tuple(found)


def default_panels(explanation: Explanation) -> tuple[str, ...]:
    """The panels that tell most about the network at hand."""
    if explanation.stages:
        return ("stages",)
    if explanation.position is not None:
        return ("position",)
    last_of_stage = {m.stage: m.label for m in explanation.other_maps}
    return ("photo", *last_of_stage.values())


def default_pins(explanation: Explanation) -> Pins:
    """A pin within each of the two largest classes, as far from other classes as it gets; else one in the centre.

    Returns:
        (x, y) in photo pixels; empty for networks without position attention.
    """
    if explanation.position is None:
        return ()
    grid = explanation.position.grid
    cells = [(grid[0] // 2, grid[1] // 2)]
    if explanation.segmentation is not None and explanation.segmentation.cells.shape == grid:
        labels, counts = np.unique(explanation.segmentation.cells, return_counts=True)
        largest = labels[np.argsort(-counts, kind="stable")][:2]
        cells = [_deepest(explanation.segmentation.cells == label) for label in largest]
    boxes = [explanation.geometry.cell_to_photo_box(row, column, grid) for row, column in cells]
    return tuple(((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in boxes)


def _deepest(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """The cell of a mask that survives most erosions; of several, the one nearest to their middle."""
    current = mask
    while True:
        padded = np.pad(current, 1)
        smaller = current & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        if not smaller.any():
            break
        current = smaller
    places = np.argwhere(current)
    middle = places.mean(axis=0)
    row, column = places[np.argmin(((places - middle) ** 2).sum(axis=1))]
    return int(row), int(column)


def resolve(explanation: Explanation, names: tuple[str, ...], pins: Pins) -> tuple[Panel, ...]:
    """Turn names into panels.

    Args:
        explanation: What there is to show.
        names: Names out of `panel_names` and `GROUPS`; empty: `default_panels`.
        pins: (x, y) in photo pixels.

    Returns:
        At least one panel; a name given twice comes once.

    Raises:
        OptionError: There is no such panel, or a pin lies where the network saw nothing.
    """
    wanted: list[str] = []
    for name in names or default_panels(explanation):
        wanted += _members(explanation, name, len(pins)) if name in GROUPS else [name]
    wanted = list(dict.fromkeys(wanted))
    if len(wanted) > MAX_PANELS:
        raise OptionError(f"expected at most {MAX_PANELS} panels, got {len(wanted)}")
    return tuple(_panel(explanation, name, pins) for name in wanted)


def _members(explanation: Explanation, group: str, pins: int) -> list[str]:
    rows = [f"row:{number + 1}" for number in range(pins)]
    if group == "stages" and explanation.stages:
        return ["photo", *(stage.gain.label for stage in explanation.stages)]
    if group == "position" and explanation.position is not None:
        tail = ["segmentation"] if explanation.segmentation is not None else []
        return ["photo", *rows, "position.received", *tail]
    if group == "channel" and explanation.channel is not None:
        strongest = np.argsort(-explanation.channel.effect, kind="stable")[:2]
        return ["photo", "channel_matrix", *(f"channel:{channel}" for channel in strongest)]
    raise OptionError(f"expected panels that {explanation.model.name} has, got {group!r}")


def _panel(explanation: Explanation, name: str, pins: Pins) -> Panel:
    if name == "photo":
        title = "Photo" if explanation.geometry.whole else "Photo · frame: what the network saw"
        return Panel(name, title, pins=tuple(range(len(pins))) if explanation.position is not None else ())
    if name in explanation.maps:
        return _map_panel(explanation.maps[name])
    for pattern, make in _MAKERS.items():
        match = re.fullmatch(pattern, name, flags=re.ASCII)
        if match and (panel := make(explanation, match, pins)) is not None:
            return panel
    known = ", ".join((*panel_names(explanation, len(pins)), *GROUPS))
    raise OptionError(f"expected a panel out of {known}, got {name!r}")


def _map_panel(attention: AttentionMap) -> Panel:
    return Panel(attention.label, attention.title, attention.kind, attention.unit, attention.values)


def _query_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    number = int(match[2]) - 1
    position = explanation.position
    if position is None or not 0 <= number < len(pins):
        return None
    row, column = pin_cell(explanation, position, pins[number])
    name = f"Pin {number + 1}{_class_at(explanation.segmentation, row, column)}"
    if match[1] == "row":
        title, values = f"{name} · where it looks", position.row(row, column)
    else:
        title, values = f"{name} · who looks at it", position.column(row, column)
    return Panel(match[0], title, f"position_{match[1]}", "share", values, pins=(number,))


def pin_cell(explanation: Explanation, position: PositionAttention, pin: tuple[float, float]) -> tuple[int, int]:
    """The location of the position attention under a pin.

    Raises:
        OptionError: The network saw nothing there.
    """
    cell = explanation.geometry.photo_to_cell(*pin, position.grid)
    if cell is None:
        left, top, right, bottom = explanation.geometry.crop
        raise OptionError(
            f"expected a point within x {left} to {right} and y {top} to {bottom}, "
            f"what the network saw of the photo, got ({pin[0]:g}, {pin[1]:g})"
        )
    return cell


def _class_at(segmentation: Segmentation | None, row: int, column: int) -> str:
    if segmentation is None or row >= segmentation.cells.shape[0] or column >= segmentation.cells.shape[1]:
        return ""
    number = int(segmentation.cells[row, column])
    return f" ({segmentation.categories[number]})" if number < len(segmentation.categories) else ""


_HEADS = {"fused": "", "position": " · position branch", "channel": " · channel branch"}


def _segmentation_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    head = match[1] or "fused"
    if explanation.segmentation is None or head not in explanation.segmentation.labels:
        return None
    title = "Segmentation" + _HEADS.get(head, f" · {head}")
    return Panel(match[0], title, "classes", classes=explanation.segmentation.labels[head])


def _matrix_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    if explanation.channel is None:
        return None
    matrix = explanation.channel.matrix
    title = f"Channel attention · {len(matrix)} × {len(matrix)}"
    return Panel(match[0], title, "channel_matrix", "share", matrix, bare=True)


def _channel_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    channel = int(match[1])
    if explanation.channel is None or channel >= len(explanation.channel.output):
        return None
    values = explanation.channel.output[channel]
    return Panel(match[0], f"Channel {channel} · module output", "channel_output", "", values)


def _gate_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    number, channel = int(match[1]), int(match[2])
    for stage in explanation.stages:
        if stage.stage == number and channel < len(stage.channel_logit):
            return Panel(match[0], f"Stage {number} · gate of channel {channel}", "gate", "", stage.gate(channel))
    return None


_Maker = Callable[[Explanation, re.Match[str], Pins], Panel | None]

_MAKERS: dict[str, _Maker] = {
    r"(row|column):(\d{1,3})": _query_panel,
    r"segmentation(?::(\w{1,40}))?": _segmentation_panel,
    r"channel_matrix": _matrix_panel,
    r"channel:(\d{1,6})": _channel_panel,
    r"gate:(\d{1,2}):(\d{1,6})": _gate_panel,
}
