"""Evidence drawn: means with their intervals, curves with their baselines, interventions as paired bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attnviz.extras import needs
from attnviz.language import ENGLISH, Say
from attnviz.measure.effects import Effect
from attnviz.measure.faithfulness import Faithfulness, MapFaithfulness, Role
from attnviz.measure.photo_scores import SHUFFLED
from attnviz.measure.tables import Row
from attnviz.render.figure_file import figure_settings
from attnviz.render.typesetting import printable

with needs("matplotlib", extra="figures"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

Words = Callable[[str], str]  # as `Say`, for short lines

_COLORS: dict[Role, str] = {"attention": "#1f5fa8", "attribution": "#c26a1b", "baseline": "#6b7280"}
_COMPARED = (SHUFFLED, "Grad-CAM", "centre prior", "uniform", "other viewers", "untouched")
_DASHES = ("-", "--", ":", "-.")
_DPI = 150
_LONGEST = 60  # characters of a title


def evidence_figures(found: Evidence, say: Say = ENGLISH) -> dict[str, Figure]:
    """What is drawn of a measurement, by the names of the files: paired bars, and curves where there are any.

    Args:
        found: The numbers.
        say: Puts words into the language of the figures.
    """
    figures = {"interventions": effects_figure(found.effects, say)} if found.effects else {}
    if found.faithfulness is not None:
        figures["curves"] = curves_figure(found.faithfulness, found.category, say)
    return figures


def means_figure(rows: Sequence[Row], measure: str) -> Figure:
    """One measure of every map of a data set: a point with its 95 % interval.

    Args:
        rows: Of one table.
        measure: Name of the measure, as in the rows.
    """
    with figure_settings():
        return _means(rows, measure)


def curves_figure(found: Faithfulness, category: str | None = None, say: Say = ENGLISH) -> Figure:
    """Deletion, insertion and ROAD of every map of one photo.

    Args:
        found: The curves.
        category: Name of the category whose probability they are of; None: it has none.
        say: As for `evidence_figures`.
    """
    with figure_settings():
        return _curves(found, category, lambda text: printable(say(text), _LONGEST))


def effects_figure(effects: Sequence[Effect], say: Say = ENGLISH) -> Figure:
    """How probable the first category is before and after each intervention, or how many pixels kept their class."""
    with figure_settings():
        return _effects(effects, lambda text: printable(say(text), _LONGEST))


def _means(rows: Sequence[Row], measure: str) -> Figure:
    chosen = [row for row in rows if row.measure == measure and row.interval.count][::-1]
    figure = Figure(figsize=(6.3, 0.9 + 0.27 * len(chosen)), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(chosen):
        found = row.interval
        color = _COLORS["baseline" if row.subject.startswith(_COMPARED) else "attention"]
        axes.plot([found.low, found.high], [place, place], color=color, linewidth=1.5)
        axes.plot([found.value], [place], "o", color=color, markersize=4)
    axes.set_yticks(range(len(chosen)), [printable(row.subject, _LONGEST) for row in chosen])
    axes.set_xlabel(measure)
    axes.grid(axis="x", linewidth=0.4)
    axes.set_title(f"{max((row.interval.count for row in chosen), default=0):,} photos, 95 % intervals", fontsize=9)
    return figure


def _curves(found: Faithfulness, category: str | None, say: Words) -> Figure:
    figure = Figure(figsize=(9.6, 3.2), dpi=_DPI, layout="constrained")
    deletion, insertion, road = figure.subplots(1, 3)
    for axes in (deletion, insertion):
        axes.set_ylim(0, 1)
    seen: dict[Role, int] = {}
    for entry in found.maps:
        number = seen[entry.role] = seen.get(entry.role, -1) + 1
        style = {"color": _COLORS[entry.role], "linestyle": _DASHES[number % len(_DASHES)], "linewidth": 1.2}
        deletion.plot(found.shares, entry.deletion, label=_label(say(entry.title)), **style)
        insertion.plot(found.shares, entry.insertion, **style)
        road.plot(found.road_shares, _difference(entry), **style)
    _titled(deletion, say("Deletion: lower is better"), say("share at the mean colour"))
    _titled(insertion, say("Insertion: higher is better"), say("share that is sharp"))
    _titled(road, say("ROAD: least minus most, higher is better"), say("share filled in"))
    what = say("probability") if category is None else say(f"probability of {category}")
    deletion.set_ylabel(what, fontsize=8)
    road.set_ylabel(say("difference of probabilities"), fontsize=8)
    road.axhline(0, color="black", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    return figure


def _effects(effects: Sequence[Effect], say: Words) -> Figure:
    untouched, changed = say("untouched"), say("changed")
    figure = Figure(figsize=(6.8, 0.9 + 0.34 * max(1, len(effects))), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    for place, effect in enumerate(reversed(effects)):
        before, after = (effect.top[0].before, effect.top[0].after) if effect.top else (1.0, 1.0 - effect.moved)
        axes.barh(place + 0.18, before, 0.32, color=_COLORS["baseline"], label=untouched if place == 0 else None)
        axes.barh(place - 0.18, after, 0.32, color=_COLORS["attention"], label=changed if place == 0 else None)
    axes.set_yticks(range(len(effects)), [say(effect.title) for effect in reversed(effects)], fontsize=7)
    axes.set_xlim(0, 1)
    category = effects[0].top[0].category if effects and effects[0].top else None
    what = say("share of pixels with their class")
    if category is not None:
        what = say(f"probability of {category}")
    axes.set_xlabel(what)
    if effects:
        figure.legend(loc="outside upper right", ncols=2, fontsize=7, frameon=False)
    return figure


def _label(title: str) -> str:
    """A title in a legend: matplotlib leaves those out that begin with an underscore."""
    return f" {title}" if title.startswith("_") else title


def _difference(entry: MapFaithfulness) -> list[float]:
    return [least - most for least, most in zip(entry.road_least, entry.road_most, strict=True)]


def _titled(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(label, fontsize=8)
    axes.grid(linewidth=0.4)
    axes.tick_params(labelsize=7)
