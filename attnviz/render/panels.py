"""Which pictures of an explanation there are, by name, and what each of them shows."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.position_attention import PositionAttention, attention_title
from attnviz.reduce.rollout import LABEL as ROLLOUT
from attnviz.reduce.rollout import Rollout, layers_of, rollout_of
from attnviz.render.figure_options import MAX_PANELS
from attnviz.render.head_panels import head_names
from attnviz.render.panel_fields import field_of_panel
from attnviz.results import (
    AttentionMap,
    ChannelGate,
    Explanation,
    FloatArray,
    LabelArray,
)

Pins = tuple[tuple[float, float], ...]

GROUPS = ("stages", "position", "channel", "groups")  # names that stand for several panels at once


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
        field: What the cells of `values` see of the network image; None: not known.
    """

    name: str
    title: str
    kind: str = "photo"
    unit: str = ""
    values: FloatArray | None = None
    classes: LabelArray | None = None
    bare: bool = False
    pins: tuple[int, ...] = ()
    field: ReceptiveField | None = None


def panel_names(explanation: Explanation, pins: int = 2) -> tuple[str, ...]:
    """Names of all single panels that a figure of this explanation can have.

    ``row:N`` is where pin number N looks, ``column:N`` who looks at it, by the first position attention;
    ``LABEL.row:N`` and ``LABEL.column:N`` by any further one, of several heads the mean. ``LABEL.token:1`` is where the
    first token looks that is no location, the class token for one. ``rollout.`` before them stands for the attention
    rollout of a vision transformer. Not listed, but there: ``LABEL.headK.`` before them, one head alone, as in
    ``LABEL.headK.received``; of ``gate:S:K`` (gate of channel K after stage S) and ``channel:K`` (output of the channel
    module) every channel but the first; ``LABEL:K`` (gate of group K of SGE); every further token.

    Args:
        explanation: What there is to show.
        pins: Number of pins there will be.
    """
    found = ["photo", *explanation.maps]
    found += [f"gate:{stage.stage}:0" for stage in explanation.stages]
    for prefix, label in _attentions(explanation).items():
        found += [f"{prefix}{way}:{number + 1}" for way in ("row", "column") for number in range(pins)]
        found += [f"{prefix}token:1"] if explanation.positions[label].others else []
    if layers := layers_of(explanation.positions):
        found += [f"{ROLLOUT}.{way}:{number + 1}" for way in ("row", "column") for number in range(pins)]
        found += [f"{ROLLOUT}.token:1"] if explanation.positions[layers[-1]].others else []
        found.append(f"{ROLLOUT}.received")
    if explanation.segmentation is not None:
        found += ["segmentation", *(f"segmentation:{head}" for head in explanation.segmentation.labels)]
    if explanation.channel is not None:
        found += ["channel_matrix", "channel:0"]
    return (*found, *explanation.channel_gates)


def all_panels(explanation: Explanation, pins: Pins) -> tuple[Panel, ...]:
    """Every panel of `panel_names` and `head_names`, to choose from: more than one figure has room for.

    Args:
        explanation: What there is to show.
        pins: (x, y) in photo pixels.

    Raises:
        OptionError: A pin lies where the network saw nothing.
    """
    names = (*panel_names(explanation, len(pins)), *head_names(explanation, len(pins)))
    return tuple(_panel(explanation, name, pins) for name in names)


def default_panels(explanation: Explanation) -> tuple[str, ...]:
    """The panels that tell most about the network at hand."""
    if explanation.stages:
        return ("stages",)
    if explanation.positions:
        return ("position",)
    if explanation.other_maps:
        return ("stages",)
    return ("channel",) if explanation.channel_gates else ("photo",)


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
    if group == "stages" and explanation.stages:
        return ["photo", *(stage.gain.label for stage in explanation.stages)]
    if group == "stages" and explanation.other_maps:
        return ["photo", *deepest_of_stages(explanation.other_maps)]
    if group == "position" and explanation.positions:
        return _position_members(explanation, pins)
    if group == "channel" and explanation.channel is not None:
        strongest = np.argsort(-explanation.channel.effect, kind="stable")[:2]
        return ["photo", "channel_matrix", *(f"channel:{channel}" for channel in strongest)]
    if group == "channel" and explanation.channel_gates:
        return ["photo", *deepest_of_stages(explanation.channel_gates.values())]
    if group == "groups" and explanation.group_gates:
        last = list(explanation.group_gates.values())[-1]
        return [f"{last.label}:{number}" for number in range(min(len(last.values), MAX_PANELS))]
    raise OptionError(f"expected panels that {explanation.model.name} has, got {group!r}")


def deepest_of_stages(entries: Iterable[AttentionMap | ChannelGate]) -> list[str]:
    """Labels of the last entry of each stage; where networks count no stages, of each size of their features."""
    last = {(entry.stage, entry.stride if entry.stage is None else None): entry.label for entry in entries}
    return list(last.values())


def _position_members(explanation: Explanation, pins: int) -> list[str]:
    """Every attention's rows and what it receives; of more attentions than a figure has room for, the deepest.

    Of a vision transformer the last layer and the rollout of all.
    """
    tail = [] if explanation.segmentation is None else ["segmentation"]
    prefixes = _attentions(explanation)
    layers = layers_of(explanation.positions)
    if layers:
        prefixes = {prefix: label for prefix, label in prefixes.items() if label == layers[-1]} | {
            f"{ROLLOUT}.": ROLLOUT
        }
    most = (MAX_PANELS - 1 - len(tail)) // (pins + 2)
    found = ["photo"]
    for prefix, label in list(prefixes.items())[-most:]:
        found += [f"{prefix}token:1"] if layers and explanation.positions[layers[-1]].others else []
        found += [f"{prefix}row:{number + 1}" for number in range(pins)]
        found.append(f"{label}.received")
    return found + tail


def _attentions(explanation: Explanation) -> dict[str, str]:
    """What stands before ``row:N`` -> label of the position attention: nothing for the first."""
    return {f"{label}." if number else "": label for number, label in enumerate(explanation.positions)}


def _panel(explanation: Explanation, name: str, pins: Pins) -> Panel:
    panel = _made(explanation, name, pins)
    return panel if panel.bare else replace(panel, field=field_of_panel(explanation, name))


def _made(explanation: Explanation, name: str, pins: Pins) -> Panel:
    if name == "photo":
        title = "Photo" if explanation.geometry.whole else "Photo · frame: what the network saw"
        return Panel(name, title, pins=tuple(range(len(pins))) if explanation.positions else ())
    if name in explanation.maps:
        return map_panel(explanation.maps[name])
    if name in explanation.channel_gates:
        return _gates_panel(explanation.channel_gates[name])
    for pattern, make in _MAKERS.items():
        match = re.fullmatch(pattern, name, flags=re.ASCII)
        if match and (panel := make(explanation, match, pins)) is not None:
            return panel
    known = ", ".join((*panel_names(explanation, len(pins)), *GROUPS))
    raise OptionError(f"expected a panel out of {known}, got {name!r}")


def map_panel(attention: AttentionMap) -> Panel:
    """The panel of one of an explanation's maps."""
    return Panel(attention.label, attention.title, attention.kind, attention.unit, attention.values)


def _gates_panel(gate: ChannelGate) -> Panel:
    """Gates as stripes: they belong to channels, from left to right, and to no place on the photo."""
    title = f"{gate.title} · {len(gate.values)} channels"
    return Panel(gate.label, title, "channel_gate", "gate", gate.values[None], bare=True)


def _attention_named(explanation: Explanation, name: str) -> PositionAttention | Rollout | None:
    """An attention by its label, ``LABEL.headK``, ``"rollout"``, or nothing for the first; None: there is none."""
    if name == ROLLOUT:
        return rollout_of(explanation.positions)
    if name in _attentions(explanation).values():
        return None if name == next(iter(explanation.positions)) else explanation.positions[name]
    try:
        return explanation.attention(name) if name else explanation.position
    except OptionError:
        return None


def _whose(explanation: Explanation, name: str, found: PositionAttention | Rollout) -> str:
    """Which attention a panel shows, for its title; empty where there is one alone, of one head."""
    if isinstance(found, Rollout):
        return f" · rollout of {len(found.layers)} layers"
    label = name or next(iter(explanation.positions))
    if label not in explanation.positions:
        label, _, head = label.rpartition(".head")
        return f" · {attention_title(label)}, head {head}"
    if found.heads > 1:
        return f" · {attention_title(label)}, mean of {found.heads} heads"
    return f" · {label}" if len(explanation.positions) > 1 else ""


def _query_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    name, way, number = match[1].removesuffix("."), match[2], int(match[3]) - 1
    found = _attention_named(explanation, name)
    count = 0 if found is None else found.others if way == "token" else len(pins)
    if found is None or not 0 <= number < count:
        return None
    of = _whose(explanation, name, found)
    kind = f"{'rollout' if isinstance(found, Rollout) else 'position'}_{'column' if way == 'column' else 'row'}"
    if way == "token":
        token = "Class token" if found.class_token and not number else f"Token {number + 1} that is no location"
        return Panel(match[0], f"{token} · where it looks{of}", kind, "share", found.token_row(number))
    row, column = pin_cell(explanation, found.grid, pins[number])
    category = _class_at(explanation, pins[number])
    title = f"Pin {number + 1} ({category})" if category else f"Pin {number + 1}"
    if way == "row":
        return Panel(match[0], f"{title} · where it looks{of}", kind, "share", found.row(row, column), pins=(number,))
    values = found.column(row, column)
    return Panel(match[0], f"{title} · who looks at it{of}", kind, "share", values, pins=(number,))


def _received_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    """Of a head alone or of the rollout: those of whole attentions are among the maps."""
    found = _attention_named(explanation, match[1])
    if found is None:
        return None
    kind = "rollout_received" if isinstance(found, Rollout) else "position_received"
    return Panel(match[0], f"Received{_whose(explanation, match[1], found)}", kind, "share", found.received)


def pin_cell(explanation: Explanation, grid: tuple[int, int], pin: tuple[float, float]) -> tuple[int, int]:
    """The location under a pin.

    Args:
        explanation: Of the photo.
        grid: (rows, columns) of the attention.
        pin: (x, y) in photo pixels.

    Raises:
        OptionError: The network saw nothing there.
    """
    cell = explanation.geometry.photo_to_cell(*pin, grid)
    if cell is None:
        left, top, right, bottom = explanation.geometry.crop
        raise OptionError(
            f"expected a point within x {left} to {right} and y {top} to {bottom}, "
            f"what the network saw of the photo, got ({pin[0]:g}, {pin[1]:g})"
        )
    return cell


def _class_at(explanation: Explanation, pin: tuple[float, float]) -> str:
    segmentation = explanation.segmentation
    if segmentation is None:
        return ""
    rows, columns = segmentation.cells.shape
    number = int(segmentation.cells[pin_cell(explanation, (rows, columns), pin)])
    return segmentation.categories[number] if number < len(segmentation.categories) else ""


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


def _group_panel(explanation: Explanation, match: re.Match[str], pins: Pins) -> Panel | None:
    gates, number = explanation.group_gates.get(match[1]), int(match[2])
    if gates is None or number >= len(gates.values):
        return None
    return Panel(match[0], f"{gates.title} · group {number}", "group_gate", "gate", gates.values[number])


_Maker = Callable[[Explanation, re.Match[str], Pins], Panel | None]

_MAKERS: dict[str, _Maker] = {
    r"(|.{1,200}\.)(row|column|token):(\d{1,3})": _query_panel,
    r"(.{1,200})\.received": _received_panel,
    r"segmentation(?::(\w{1,40}))?": _segmentation_panel,
    r"channel_matrix": _matrix_panel,
    r"channel:(\d{1,6})": _channel_panel,
    r"gate:(\d{1,2}):(\d{1,6})": _gate_panel,
    r"(.{1,200}):(\d{1,4})": _group_panel,
}
