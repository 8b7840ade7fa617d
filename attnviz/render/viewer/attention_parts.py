"""Position and cross attention for the viewer: which layers travel with a payload, in which precision, what is said.

A page that can ask for more is sent the first layer that it shows, and a little more where that is small; a file holds
all layers, in half precision where single would make it too large, or else as many as fit.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError, quoted
from attnviz.position_attention import PositionAttention, attention_title
from attnviz.reduce.rollout import LABEL as ROLLOUT
from attnviz.reduce.rollout import layers_of, rollout_of
from attnviz.results import Explanation, received_map

JSON = dict[str, Any]
FloatType = Literal["float32", "float16"]

PAGE_BYTES = 3_000_000  # of queries and keys that are sent before anybody asks
FILE_BYTES = 20_000_000  # of those in a file, which nobody can ask for more; base64 makes a third more of them
CROSS_FILE_BYTES = 10_000_000  # of those of cross attentions in a file, beside the others
_HALF_AT_MOST = 60_000.0  # float16 ends at 65504


def position_parts(explanation: Explanation, *, on_demand: bool) -> tuple[list[JSON], str, str]:
    """The payload's ``positions``, the label of the one to show first, and what a viewer should say was left out.

    Args:
        explanation: Of one photo by one network.
        on_demand: Whether the viewer can ask for what is left out, by `position_part`.
    """
    positions, stack = explanation.positions, layers_of(explanation.positions)
    first = stack[-1] if stack else next(iter(positions), "")
    if on_demand:
        carried = _within(positions, sorted(positions, key=lambda label: label != first))
        parts = [position_part(explanation, label, whole=label in carried) for label in positions]
        return parts + ([_rollout(explanation, stack, whole=False)] if stack else []), first, ""
    square, most = _square(explanation, stack), FILE_BYTES // 4
    exact: FloatType = "float32" if square <= most else "float16"
    rolled = [_rollout(explanation, stack, whole=True, dtype=exact)] if stack and square <= 2 * most else []
    room = FILE_BYTES - (min(square, most) if rolled else 0)
    dtype: FloatType = "float32" if sum(map(_bytes_of, positions.values())) <= room else "float16"
    kept = list(positions) if dtype == "float32" else _spread(positions, room)
    parts = [position_part(explanation, label, dtype=dtype) for label in kept]
    note = _note(len(kept), len(positions), dtype, lacks_rollout=bool(stack) and not rolled)
    return parts + rolled, first if first in kept else next(iter(kept), ""), note


def cross_parts(explanation: Explanation, *, on_demand: bool) -> list[JSON]:
    """The payload's ``cross``: all of them for a viewer that can ask for numbers, else those that fit in a file.

    Args:
        explanation: Of one photo by one network.
        on_demand: Whether the viewer can ask for what is left out, by `position_part`.
    """
    attentions = explanation.cross_attentions
    if on_demand:
        carried = _within(attentions, list(attentions)[::-1])  # the last is shown first
        return [cross_part(explanation, label, whole=label in carried) for label in attentions]
    dtype: FloatType = "float32" if sum(map(_bytes_of, attentions.values())) <= CROSS_FILE_BYTES else "float16"
    kept = list(attentions) if dtype == "float32" else _spread(attentions, CROSS_FILE_BYTES)
    return [cross_part(explanation, label, dtype=dtype) for label in kept]


def cross_part(explanation: Explanation, label: str, *, whole: bool = True, dtype: FloatType = "float32") -> JSON:
    """One of the payload's ``cross``: a position attention whose queries are other places than its keys, or objects.

    Args:
        explanation: Of one photo by one network.
        label: Of one of its cross attentions.
        whole: Whether its numbers come along.
        dtype: Of query and key.
    """
    position = explanation.cross_attentions[label]
    rows, columns = position.grid
    part = {
        "label": label,
        "title": attention_title(label),
        "kind": "cross",
        "grid": list(position.key_grid),
        "queries": [rows, columns],
        "objects": columns == 1 and position.key_grid[1] > 1,
        "channels": int(position.query.shape[-3]),
        "heads": position.heads,
        "others": position.others,
        "class_token": position.class_token,
        "stride": position.stride,
        "dtype": dtype,
    }
    return part | (_numbers(position, dtype) if whole else {"query": None})


def carries_all(payload: JSON) -> bool:
    """Whether a payload holds the numbers of all its position and cross attentions."""
    return all(part.get("query") or part.get("matrix") for part in (*payload["positions"], *payload["cross"]))


def position_part(explanation: Explanation, label: str, *, whole: bool = True, dtype: FloatType = "float32") -> JSON:
    """One of the payload's ``positions``.

    Args:
        explanation: Of one photo by one network.
        label: Of a position or cross attention, or ``"rollout"``.
        whole: Whether its numbers come along.
        dtype: Of query and key.

    Raises:
        OptionError: There is no such attention.
    """
    if label in explanation.cross_attentions:
        return cross_part(explanation, label, whole=whole, dtype=dtype)
    if label == ROLLOUT and (stack := layers_of(explanation.positions)):
        return _rollout(explanation, stack, whole=whole)
    if label not in explanation.positions:
        raise OptionError(f"expected one of the network's position attentions, got {quoted(label)}")
    position = explanation.positions[label]
    part = {
        "label": label,
        "title": attention_title(label),
        "kind": "attention",
        "grid": list(position.grid),
        "channels": int(position.query.shape[-3]),
        "extra": position.extra,
        "heads": position.heads,
        "others": position.others,
        "class_token": position.class_token,
        "stride": position.stride,
        "gamma": position.gamma,
        "received": received_map(label, position).label,
        "dtype": dtype,
    }
    return part | (_numbers(position, dtype) if whole else {"query": None})


def _numbers(position: PositionAttention, dtype: FloatType) -> JSON:
    tensors = {name: getattr(position, name) for name in ("query", "key", "other_query", "other_key")}
    given = [tensor for tensor in tensors.values() if tensor is not None]
    if dtype == "float16" and max(float(np.abs(tensor).max()) for tensor in given) > _HALF_AT_MOST:
        dtype = "float32"
    kind = "<f4" if dtype == "float32" else "<f2"
    sent = {name: None if tensor is None else base64_of(tensor.astype(kind)) for name, tensor in tensors.items()}
    by_head = base64_of(position.received_by_head.astype("<f4")) if position.heads > 1 else None
    lse = base64_of(position.log_sum_exp.astype("<f4"))
    return {**sent, "dtype": dtype, "lse": lse, "received_by_head": by_head}


def _rollout(explanation: Explanation, stack: Sequence[str], *, whole: bool, dtype: FloatType = "float32") -> JSON:
    last = explanation.positions[stack[-1]]
    part: JSON = {
        "label": ROLLOUT,
        "title": f"Attention rollout of {len(stack)} layers",
        "kind": "rollout",
        "grid": list(last.grid),
        "heads": 1,
        "others": last.others,
        "class_token": last.class_token,
        "stride": last.stride,
        "layers": len(stack),
        "dtype": dtype,
        "matrix": None,
    }
    rolled = rollout_of(explanation.positions) if whole else None
    if rolled is None:
        return part
    return part | {"matrix": base64_of(rolled.matrix.astype("<f4" if dtype == "float32" else "<f2"))}


def _within(positions: Mapping[str, PositionAttention], labels: Sequence[str]) -> set[str]:
    """The first labels that together stay within the page's bound, the very first in any case."""
    kept: set[str] = set()
    room = PAGE_BYTES
    for label in labels:
        room -= _bytes_of(positions[label])
        if kept and room < 0:
            break
        kept.add(label)
    return kept


def _spread(positions: Mapping[str, PositionAttention], room: int) -> list[str]:
    """As many labels as fit in half precision, evenly from the first to the last, the last in any case."""
    labels = list(positions)
    largest = max((_bytes_of(position) // 2 for position in positions.values()), default=1)
    if sum(_bytes_of(position) // 2 for position in positions.values()) <= room:
        return labels
    count = max(1, min(len(labels), room // largest))
    chosen = np.linspace(len(labels) - 1, 0, count).round().astype(int) if count > 1 else [len(labels) - 1]
    return [labels[index] for index in sorted({int(index) for index in chosen})]


def _note(kept: int, total: int, dtype: FloatType, *, lacks_rollout: bool) -> str:
    if (kept == total and dtype == "float32") and not lacks_rollout:
        return ""
    layers = f"all {total} layers" if kept == total else f"{kept} of {total} layers"
    precision = "in half precision" if dtype == "float16" else "in single precision"
    how = f"{precision} and without the rollout" if lacks_rollout else precision
    return (
        f"This file holds {layers} of position attention with all their heads, {how}, to stay within "
        f"{FILE_BYTES / 1e6:.0f} MB; the page and the NPZ file have everything in single precision."
    )


def _bytes_of(position: PositionAttention) -> int:
    """Of query and key in single precision."""
    given = (position.query, position.key, position.other_query, position.other_key)
    return sum(4 * tensor.size for tensor in given if tensor is not None)


def _square(explanation: Explanation, stack: Sequence[str]) -> int:
    """Bytes of the rollout's matrix."""
    last = explanation.positions[stack[-1]] if stack else None
    return 0 if last is None else 4 * (last.others + last.grid[0] * last.grid[1]) ** 2


def base64_of(values: NDArray[Any]) -> str:
    """An array's numbers in C order as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
