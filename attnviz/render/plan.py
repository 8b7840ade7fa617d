"""All that is decided about a figure before it is drawn: what it shows, and where on the page that goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from attnviz.language import ENGLISH, Say
from attnviz.render.caption import RANDOM_WEIGHTS, caption, findings, key, legend
from attnviz.render.figure_language import figure_speaker
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import Page, Words, lay_out
from attnviz.render.panels import Panel, Pins, default_pins, resolve
from attnviz.render.scales import Scale, find_scales
from attnviz.render.typesetting import printable
from attnviz.results import Explanation


@dataclass(frozen=True, eq=False)
class FigurePlan:
    """All that is decided about a figure before it is drawn.

    Attributes:
        explanation: What it shows; of several, the first.
        options: As given, with `panels` and `pins` filled in.
        panels: In reading order.
        scales: Ranges and who shares them.
        caption: Ready for a paper.
        photo_name: Of the photo's file.
        say: Puts what is printed into the figure's language.
        sources: Name of a panel -> the explanation it is of, where that is another.
        words: What is printed besides the panels; None: what is usual of one explanation.
    """

    explanation: Explanation
    options: FigureOptions
    panels: tuple[Panel, ...]
    scales: tuple[Scale, ...]
    caption: str
    photo_name: str | None = None
    say: Say = ENGLISH
    sources: Mapping[str, Explanation] = field(default_factory=dict)
    words: Words | None = None

    def source(self, panel: Panel) -> Explanation:
        """The explanation that a panel is of."""
        return self.sources.get(panel.name, self.explanation)

    @cached_property
    def page(self) -> Page:
        """Where everything goes, in pixels.

        Raises:
            OptionError: The panels do not fit.
            MissingExtraError: matplotlib, whose fonts measure the text, is not installed.
        """
        explanation, options = self.explanation, self.options
        height, width = explanation.photo.shape[:2]
        return lay_out(
            self.panels,
            self.scales,
            options,
            aspect=height / width,
            words=self.words or _words(self),
            legend={number: printable(name, 80) for number, name in legend(explanation, self.panels, self.say).items()},
        )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the figure as a PNG."""
        return self.page.height, self.page.width


def plan_figure(
    explanation: Explanation,
    options: FigureOptions | None = None,
    *,
    photo_name: str | None = None,
    drawn: bool = True,
) -> FigurePlan:
    """Decide what a figure shows and where.

    Args:
        explanation: What to show.
        options: How; None: the defaults.
        photo_name: Name of the photo's file, for heading and caption; any characters.
        drawn: Whether the figure will be drawn; else only what it shows is decided, which takes no matplotlib.

    Raises:
        OptionError: A panel does not exist, a pin lies where the network saw nothing, or the panels do not fit.
        MissingExtraError: The figure will be drawn, and matplotlib is not installed.
    """
    given = options or FigureOptions()
    pins: Pins = given.pins or default_pins(explanation)
    say = figure_speaker(given.language) if drawn else ENGLISH
    panels = tuple(replace(panel, title=say(panel.title)) for panel in resolve(explanation, given.panels, pins))
    given = replace(given, panels=tuple(panel.name for panel in panels), pins=pins)
    scales = find_scales(panels, given.scaling, spread=given.spread, opacity_by=given.opacity_by)
    text = caption(explanation, panels, given, photo_name=photo_name, say=say)
    plan = FigurePlan(explanation, given, panels, scales, text, photo_name, say)
    if drawn:
        _ = plan.page  # so that what does not fit is refused here
    return plan


def _words(plan: FigurePlan) -> Words:
    explanation, options, say = plan.explanation, plan.options, plan.say
    untrained = not explanation.model.trained
    name = printable(explanation.model.name, 120)
    photo = printable(plan.photo_name or "", 120)
    return Words(
        notice=say(f"{RANDOM_WEIGHTS}: what these maps show was not learned") if untrained else "",
        heading=" · ".join(filter(None, [photo, name])) if options.title else "",
        subheading=" · ".join(printable(found, 120) for found in findings(explanation, say=say))
        if options.title
        else "",
        key="" if options.caption else printable(" ".join(map(say, key(plan.scales, options))), 400),
        caption=printable(plan.caption, 4000) if options.caption else "",
        say=say,
    )
