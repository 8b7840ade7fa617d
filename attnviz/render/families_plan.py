"""Families of attention on one photo as a figure: a column for each of their gates, a row for each stage.

The same maps under the same names as in the viewer's view of families: of each stage the last module. A family with
gates of places and of channels has a column for each; where it has nothing at a stage, the bare photo says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from attnviz.attention_results import AttentionMap, ChannelGate
from attnviz.errors import OptionError
from attnviz.language import Say
from attnviz.render.caption import RANDOM_WEIGHTS, families_caption, findings, key
from attnviz.render.figure_language import figure_speaker
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import Words
from attnviz.render.panels import Panel, resolve
from attnviz.render.plan import FigurePlan
from attnviz.render.quantities import quantity
from attnviz.render.scales import find_scales
from attnviz.render.typesetting import printable
from attnviz.results import Explanation

PLACES = ("effective_gain", "spatial_gate", "group_gate")  # kinds of maps that families are compared by


@dataclass(frozen=True, eq=False)
class _Column:
    """One kind of gate of one family: the label of the last module of each stage."""

    family: str
    explanation: Explanation
    labels: Mapping[int, str]


def plan_families(
    explanations: Mapping[str, Explanation], options: FigureOptions | None = None, *, photo_name: str | None = None
) -> FigurePlan:
    """Decide what a figure of several families shows and where; `attnviz.render.figure.render_figure` draws it.

    Args:
        explanations: Name of a family -> its explanation, all of one photo.
        options: How; `panels`, `pins` and `columns` follow from the families. None: the defaults.
        photo_name: Name of the photo's file, for heading and caption; any characters.

    Raises:
        OptionError: No family has a gate along its trunk, the photos differ, or the columns do not fit.
        MissingExtraError: matplotlib is not installed.
    """
    columns = [column for family, explanation in explanations.items() for column in _columns(family, explanation)]
    if not columns:
        raise OptionError(f"expected families with gates along their stages, got {', '.join(explanations) or 'none'}")
    sizes = dict.fromkeys(explanation.photo.shape[:2] for explanation in explanations.values())
    if len(sizes) > 1:
        seen = " and ".join(f"{width} × {height}" for height, width in sizes)
        raise OptionError(f"expected explanations of one photo, got photos of {seen} pixels")
    given = options or FigureOptions()
    say = figure_speaker(given.language)
    cells = [(column, _panel(column, stage, say)) for stage in _stages(columns) for column in columns]
    panels = tuple(panel for _, panel in cells)
    given = replace(given, panels=tuple(panel.name for panel in panels), pins=(), columns=len(columns))
    scales = find_scales(panels, given.scaling, spread=given.spread, opacity_by=given.opacity_by)
    plan = FigurePlan(
        explanation=next(iter(explanations.values())),
        options=given,
        panels=panels,
        scales=scales,
        caption=families_caption(explanations, panels, given, photo_name=photo_name, say=say),
        photo_name=photo_name,
        say=say,
        sources={panel.name: column.explanation for column, panel in cells},
    )
    plan = replace(plan, words=_words(explanations, plan))
    _ = plan.page  # so that what does not fit is refused here
    return plan


def _columns(family: str, explanation: Explanation) -> list[_Column]:
    places = _last(gate for gate in explanation.maps.values() if gate.kind in PLACES)
    channels = _last(explanation.channel_gates.values())
    return [_Column(family, explanation, labels) for labels in (places, channels) if labels]


def _last(gates: Iterable[AttentionMap | ChannelGate]) -> dict[int, str]:
    """Stage -> label of the last gate of it."""
    return {gate.stage: gate.label for gate in gates if gate.stage is not None}


def _stages(columns: list[_Column]) -> list[int]:
    return sorted({stage for column in columns for stage in column.labels})


def _panel(column: _Column, stage: int, say: Say) -> Panel:
    label = column.labels.get(stage)
    if label is None:
        words = say(f"{column.family} has nothing after stage {stage}")
        return Panel(f"{column.family}:{stage}", words)
    (panel,) = resolve(column.explanation, (label,), ())
    title = say(f"Stage {stage} · {quantity(panel.kind)}")
    return replace(panel, name=f"{column.family}:{label}", title=f"{column.family} · {title}")


def _words(explanations: Mapping[str, Explanation], plan: FigurePlan) -> Words:
    options, say = plan.options, plan.say
    untrained = [f"{family} ({found.model.name})" for family, found in explanations.items() if not found.model.trained]
    said = [
        f"{family} ({found.model.name}): {', '.join(findings(found, 2)) or '-'}"
        for family, found in explanations.items()
    ]
    notice = f"{RANDOM_WEIGHTS}: what these maps show was not learned"
    return Words(
        notice=printable(f"{', '.join(untrained)} · {say(notice)}", 240) if untrained else "",
        heading=printable(" · ".join(filter(None, [plan.photo_name, *explanations])), 240) if options.title else "",
        subheading=printable(" · ".join(said), 400) if options.title else "",
        key="" if options.caption else printable(" ".join(map(say, key(plan.scales, options))), 400),
        caption=printable(plan.caption, 4000) if options.caption else "",
        say=say,
    )
