"""How focused each map of an explanation is, stage by stage, with the baselines that make the numbers readable."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import InputError, OptionError, quoted
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.mask import check_mask_size
from attnviz.measure.definitions import FOCUS
from attnviz.reduce import focus, ranking
from attnviz.reduce.maps import FloatArray, checked
from attnviz.results import AttentionMap, Explanation

Box = focus.Box
Mask = NDArray[np.bool_]
_LOGITS = ("spatial_logit",)  # what a gain is made of: the gain says the same in a readable unit


@dataclass(frozen=True)
class MapFocus:
    """The numbers of one map.

    Attributes:
        label: Of the map.
        title: For people.
        stage: Of the trunk; None for heads.
        values: Name out of `attnviz.measure.definitions.FOCUS` -> the map's value. NaN where it is not defined: no
            mass, nothing outside.
        baselines: Name out of `attnviz.measure.definitions.BASELINES` -> the same numbers of that map, on the same
            grid.
    """

    label: str
    title: str
    stage: int | None
    values: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class FocusTable(Sequence[MapFocus]):
    """The numbers of every map, in order of depth; prints as a table.

    Attributes:
        maps: One entry for each.
        inside: Whether a box or mask was given, and the measures of it are there.

    Example:
        >>> import attnviz
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
        >>> table = explanation.focus(box=(20, 20, 300, 250))
        >>> [entry.label for entry in table]
        ['stage1.gain', 'stage2.gain', 'stage3.gain']
        >>> table[2].baselines["uniform"]["roc_auc"]
        0.5
    """

    maps: tuple[MapFocus, ...]
    inside: bool = False

    def __getitem__(self, index):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN204 - a number or a slice
        return self.maps[index]

    def __len__(self) -> int:
        return len(self.maps)

    def __str__(self) -> str:
        rows = [["map", *(FOCUS[name].title for name in _names(self.inside))]]
        for entry in self.maps:
            for label, values in ((entry.label, entry.values), *((f"  {k}", v) for k, v in entry.baselines.items())):
                rows.append([label, *(number(values.get(name)) for name in _names(self.inside))])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    __repr__ = __str__


def box_of(text: str) -> Box:
    """A box as people write it.

    Args:
        text: ``"LEFT,TOP,RIGHT,BOTTOM"`` in photo pixels.

    Raises:
        OptionError: It is no four numbers.
    """
    try:
        left, top, right, bottom = (float(number) for number in text.split(","))
    except ValueError as error:
        raise OptionError(f"expected a box LEFT,TOP,RIGHT,BOTTOM in photo pixels, got {quoted(text)}") from error
    return left, top, right, bottom


def focus_of(
    explanation: Explanation,
    *,
    box: Box | None = None,
    mask: Mask | None = None,
    shuffled: Explanation | None = None,
) -> FocusTable:
    """Measure every spatial map of an explanation; `Explanation.focus` without the shuffled weights.

    Args:
        explanation: Of one photo.
        box: (left, top, right, bottom) of the object in photo pixels.
        mask: bool (H, W), True on the object, of the photo's size. Of box and mask one at most.
        shuffled: What the same network with shuffled weights made of the same photo: a baseline.

    Raises:
        InputError: Both are given, or a mask of another size or dtype.
        OptionError: The box is not finite or empty.
    """
    _check_one(box, mask)
    maps = measured_maps(explanation)
    given = box is not None or mask is not None
    entries: list[MapFocus] = []
    previous: dict[str, dict[str, dict[str, float]]] = {}
    for label, shown in maps.items():
        grid = shown.values.shape
        cover = cover_of(explanation.geometry, (grid[0], grid[1]), box=box, mask=mask) if given else None
        flat, centre = np.ones(grid, np.float32), ranking.centre_prior(*grid)
        found = {"": mass_of(shown), "uniform": flat, "centre": centre}
        twin = None if shuffled is None else shuffled.maps.get(label)
        if twin is not None and twin.values.shape == grid:
            found["shuffled"] = mass_of(twin)
        measured = {name: numbers_of(mass, cover) for name, mass in found.items()}
        for name, before in previous.get(shown.kind, {}).items():
            if name in measured:
                measured[name]["drift"] = _drift(before, measured[name])
        previous[shown.kind] = measured
        baselines = {name: values for name, values in measured.items() if name}
        entries.append(MapFocus(label, shown.title, shown.stage, measured[""], baselines))
    return FocusTable(tuple(entries), given)


def _drift(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """How far the centroid went, in shares of the sides."""
    return math.hypot(after["centroid_x"] - before["centroid_x"], after["centroid_y"] - before["centroid_y"])


def check_object(geometry: Geometry, *, box: Box | None, mask: Mask | None) -> None:
    """Refuse what is no object on a photo, before anything is measured.

    Args:
        geometry: Of the photo.
        box: (left, top, right, bottom) in photo pixels; it may reach over the photo's edge.
        mask: bool (H, W) of the photo's size.

    Raises:
        InputError: Both are given, or a mask of another size or dtype, or the network sees nothing of the object.
        OptionError: The box is not finite or empty.
    """
    _check_one(box, mask)
    if (box is not None or mask is not None) and not cover_of(geometry, (1, 1), box=box, mask=mask).any():
        height, width = geometry.photo_size
        got = "a mask that is dark there" if box is None else f"a box at {','.join(f'{side:g}' for side in box)}"
        raise InputError(
            f"expected an object on what the network sees of the photo's {width} × {height} pixels, got {got}"
        )


def _check_one(box: Box | None, mask: Mask | None) -> None:
    if box is not None and mask is not None:
        raise InputError("expected a box or a mask, got both")


def measured_maps(explanation: Explanation) -> dict[str, AttentionMap]:
    """The maps that are measured: every spatial one, but for the logits of which a gain is made."""
    return {label: shown for label, shown in explanation.maps.items() if shown.kind not in _LOGITS}


def mass_of(shown: AttentionMap) -> FloatArray:
    """A map as mass: its values minus the floor of their quantity, or minus their minimum where it has none."""
    values = checked(shown.values).astype(np.float64)
    low = shown.bounds[0]
    floor = float(values.min()) if low is None or float(values.min()) < low else float(low)
    return (values - floor).astype(np.float32)


def cover_of(
    geometry: Geometry, grid: tuple[int, int], *, box: Box | None = None, mask: Mask | None = None
) -> NDArray[np.float64]:
    """How much of each cell an object covers.

    Args:
        geometry: Of the photo.
        grid: (rows, columns).
        box: (left, top, right, bottom) in photo pixels; exact, cells that it cuts count by their area.
        mask: bool (H, W) of the photo's size; the share of the photo's pixels in the cell.

    Returns:
        float64 (rows, columns) in [0, 1].

    Raises:
        InputError: The mask has another size or dtype.
        OptionError: The box is not finite or empty.
    """
    if box is not None:
        return focus.cover_of_box(geometry, box, grid)
    if mask is None or mask.dtype != np.bool_:
        raise InputError(
            f"expected a mask as a bool array of the photo's size, got {'none' if mask is None else mask.dtype}"
        )
    check_mask_size(mask, geometry.photo_size)
    left, top, right, bottom = geometry.crop
    seen = mask[top:bottom, left:right].astype(np.float64)
    return np.transpose(_means(_means(seen, grid[0]).T, grid[1]))


def numbers_of(mass: FloatArray, cover: NDArray[np.float64] | None = None) -> dict[str, float]:
    """Every measure of one map.

    Args:
        mass: float32 (h, w), 0 or more; without any mass it counts as the same everywhere.
        cover: (h, w) in [0, 1], how much of each cell the object covers; None: there is no object. A cell that is
            covered by half or more is inside for the measures that need a yes or no.
    """
    mass = np.ones_like(mass) if mass.max() == 0 else mass
    x, y = focus.centroid(mass)
    found = {
        "entropy": focus.normalised_entropy(mass),
        "gini": focus.gini(mass),
        "half_mass_area": focus.half_mass_area(mass),
        "centroid_x": x,
        "centroid_y": y,
        "border_share": focus.border_share(mass),
    }
    if cover is not None:
        inside = cover >= 0.5
        area = float(cover.mean())
        found["mass_over_area"] = focus.mass_in_mask(mass, cover) / area if area else float("nan")
        found["roc_auc"] = ranking.roc_auc(mass.ravel(), inside.ravel())
        found["ring_auc"] = ranking.ring_auc(mass.ravel(), inside.ravel(), ranking.rings(*mass.shape).ravel())[0]
        found["points_inside"] = focus.points_inside(mass, inside) if inside.any() else float("nan")
    return found


def number(value: float | None) -> str:
    """A number as a table shows it; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def _names(inside: bool) -> list[str]:
    names = list(FOCUS)
    return names if inside else names[: names.index("mass_over_area")]


def _means(values: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Means of even intervals over the first axis; a row that an interval cuts counts by its part."""
    edges = np.arange(rows + 1) * (values.shape[0] / rows)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    whole = np.minimum(np.int64(edges), values.shape[0] - 1)
    upto = sums[whole] + (edges - whole)[:, None] * values[whole]
    means: NDArray[np.float64] = np.diff(upto, axis=0) / (values.shape[0] / rows)
    return means.clip(0.0, 1.0)
