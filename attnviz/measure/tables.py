"""What a data set's photos say together: means with bootstrap confidence intervals, as rows, CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attnviz.measure import definitions
from attnviz.measure.bootstrap import Interval, interval, mean_interval
from attnviz.measure.photo_scores import SHUFFLED

_GAZE = {name: measure.title for name, measure in definitions.PEOPLE.items()}
_POSITION = {
    "total_variation": "total variation between rows (0 to 1)",
    "own_class": "mass on the query's own class over its share (×)",
    "compactness_before": "spread within classes over between them, before (lower: more compact)",
    "compactness_after": "the same, after",
    "sink_mass": "attention received by the top 1 % of places (share)",
}
TITLES = {**_GAZE, **{name: measure.title for name, measure in definitions.FOCUS.items()}, **_POSITION}
PEOPLE, FOCUS, OBJECTS = "Where people look", "Focus", "Where the objects are"
ANSWERS, POSITIONS = "The answer without the attention", "Position attention"
_SUBJECTS = {
    "uniform": definitions.BASELINES["uniform"],
    "centre prior": definitions.BASELINES["centre"],
    "shuffled weights": definitions.BASELINES["shuffled"],
    "Grad-CAM": "of the network's first category at its last stage",
    "other viewers": "the density of all other viewers' fixations, on those of one: about the most a map can reach",
}
_TABLE_OF = {
    **dict.fromkeys(_GAZE, PEOPLE),
    **dict.fromkeys(("mass_over_area", "roc_auc", "ring_auc", "points_inside"), OBJECTS),
    **dict.fromkeys(("entropy", "gini", "half_mass_area", "centroid_x", "centroid_y", "border_share"), FOCUS),
    **dict.fromkeys(_POSITION, POSITIONS),
}


@dataclass(frozen=True)
class Row:
    """One number of a data set.

    Attributes:
        table: Which table it belongs to.
        subject: The map, attention or intervention.
        measure: What was measured, with its unit.
        interval: Over the photos that have it.
    """

    table: str
    subject: str
    measure: str
    interval: Interval


def rows_of(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """All numbers of a run.

    Args:
        records: What `attnviz.measure.evaluate.evaluate` returns.
    """
    used = [record for record in records if "refused" not in record]
    found = [*_by_subject(used, "maps"), *_by_subject(used, "positions"), *_answers(used)]
    order = {table: number for number, table in enumerate((PEOPLE, OBJECTS, ANSWERS, POSITIONS, FOCUS))}
    return sorted(found, key=lambda row: order[row.table])


def _by_subject(records: Sequence[Mapping[str, Any]], part: str) -> list[Row]:
    subjects = dict.fromkeys(subject for record in records for subject in record[part])
    found = []
    for subject in sorted(subjects, key=_place):
        measures = dict.fromkeys(m for record in records for m in record[part].get(subject, ()))
        for measure in measures:
            values = [record[part].get(subject, {}).get(measure, float("nan")) for record in records]
            found.append(Row(_TABLE_OF[measure], subject, TITLES[measure], mean_interval(values)))
    return found


def _place(subject: str) -> int:
    """The attention's maps first, in their own order, then what they are compared with."""
    return 1 if subject.startswith(SHUFFLED) else 0


def _answers(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The untouched answer, and what each intervention takes from it, paired photo by photo."""
    answered = [record["answers"] for record in records if record["answers"]]
    if not answered:
        return []
    if isinstance(answered[0][""], list):
        return _overlaps(answered)
    right = np.array([answers[""]["right"] for answers in answered])
    log = np.array([answers[""]["log_likelihood"] for answers in answered])
    found = [
        Row(ANSWERS, "untouched", definitions.ANSWERS["right"].title, mean_interval(100 * right)),
        Row(ANSWERS, "untouched", definitions.ANSWERS["log_likelihood"].title, mean_interval(log)),
    ]
    for key in answered[0]:
        if key and all(key in answers for answers in answered):
            lost = 100 * (right - np.array([answers[key]["right"] for answers in answered]))
            less = log - np.array([answers[key]["log_likelihood"] for answers in answered])
            found.append(Row(ANSWERS, key, "costs, top-1 (points)", mean_interval(lost)))
            found.append(Row(ANSWERS, key, "costs, log-likelihood (nats)", mean_interval(less)))
    return found


def _overlaps(answered: Sequence[Mapping[str, Any]]) -> list[Row]:
    counts = {key: np.array([a[key] for a in answered], dtype=np.float64) for key in answered[0]}

    def mean_iou(weights: np.ndarray[Any, Any], key: str) -> np.ndarray[Any, Any]:
        summed = np.tensordot(weights, counts[key], axes=1)  # (..., K, K)
        right = np.diagonal(summed, axis1=-2, axis2=-1)
        union = summed.sum(-1) + summed.sum(-2) - right
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(100 * np.nanmean(np.where(union > 0, right / union, np.nan), axis=-1))

    number = len(answered)
    found = [
        Row(ANSWERS, "untouched", definitions.ANSWERS["overlap"].title, interval(number, lambda w: mean_iou(w, "")))
    ]
    for key in counts:
        if key:
            lost = interval(number, lambda w, key=key: mean_iou(w, "") - mean_iou(w, key))  # type: ignore[misc]
            found.append(Row(ANSWERS, key, "costs, mean IoU (points)", lost))
    return found


def as_csv(rows: Sequence[Row]) -> str:
    """One line per number."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["table", "subject", "measure", "value", "low", "high", "photos"])
    for row in rows:
        numbers = (row.interval.value, row.interval.low, row.interval.high)
        writer.writerow([row.table, row.subject, row.measure, *(f"{n:.6g}" for n in numbers), row.interval.count])
    return stream.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """A table per kind of number, under its name: a line per map or intervention, a column per measure."""
    parts = []
    for table in dict.fromkeys(row.table for row in rows):
        members = [row for row in rows if row.table == table]
        measures = list(dict.fromkeys(row.measure for row in members))
        if table == FOCUS:
            measures = [name for name in measures if not name.startswith("centroid")]
        cells = {(row.subject, row.measure): row.interval for row in members}
        count = max(row.interval.count for row in members)
        parts += [f"**{table}** ({count:,} photo{'s' if count != 1 else ''})", ""]
        parts.append(f"| | {' | '.join(measures)} |")
        parts.append(f"| --- |{' ---: |' * len(measures)}")
        for subject in dict.fromkeys(row.subject for row in members):
            parts.append(f"| {subject} | {' | '.join(_cell(cells.get((subject, name))) for name in measures)} |")
        parts.append("")
    return "\n".join(parts)


def definitions_as_markdown(rows: Sequence[Row]) -> str:
    """What each number of some tables is, a line each: definition, what to compare it with, source."""
    titles = {row.measure for row in rows}
    known = {**definitions.PEOPLE, **definitions.FOCUS, **definitions.POSITIONS, **definitions.ANSWERS}
    lines = ["**What the numbers are**: means over the photos, with 95 % bootstrap intervals in brackets", ""]
    for name, measure in known.items():
        title = TITLES.get(name, measure.title)
        if title in titles or (name == "costs" and any(other.startswith("costs, ") for other in titles)):
            source = "" if measure.source == "attnviz" else f" Source: {measure.source}."
            lines.append(f"- {title}: {measure.definition} {measure.compare}{source}")
    lines += [
        f"- {name}: {what}." for name, what in _SUBJECTS.items() if any(row.subject.startswith(name) for row in rows)
    ]
    return "\n".join(lines) + "\n"


def _cell(found: Interval | None) -> str:
    """``0.840 (0.832 to 0.848)``: the mean and its 95 % interval; a dash where there is none."""
    if found is None or found.count == 0:
        return "–"
    digits = 1 if max(abs(found.low), abs(found.high)) >= 20 else 3
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
