"""What a figure should look like, checked once, so that everything behind it can rely on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from attnviz.errors import OptionError
from attnviz.inputs.cell_places import CellPlaces
from attnviz.language import DEFAULT_LANGUAGE, checked_language
from attnviz.reduce.normalise import Scope
from attnviz.reduce.spread import Spread
from attnviz.reduce.upsample import Interpolation
from attnviz.render.colormaps import DEFAULT, colormap
from attnviz.render.overlay import DEFAULT_OPACITY, OpacityBy, checked_opacity

MAX_PANELS = 64
MAX_PINS = 12


@dataclass(frozen=True, kw_only=True)
class FigureOptions:
    """How to lay out and draw a figure.

    Attributes:
        panels: Names of panels in reading order, as `attnviz.render.panels.panel_names` lists them; empty: those that
            tell most about the network at hand.
        pins: (x, y) in photo pixels of the queries whose position attention is shown; empty: one in the middle of
            each of the two largest classes.
        columns: Panels side by side; None: as many as are readable at this width.
        colormap: A name out of `attnviz.render.colormaps.names`.
        scaling: ``"each"``: the colours of every map span its own range; ``"shared"``: maps of the same quantity share
            one range, and one colour bar.
        spread: How values are spread over the colours. ``"linear"``; ``"percentile"``: linearly between the first and
            the 99th percentile of each map; ``"log"``: by their logarithms, down to a thousandth of the largest value;
            ``"auto"``: ``"log"`` for position attention, ``"linear"`` for all else.
        map_opacity: Opacity of the maps over the photo, in [0, 1].
        opacity_by: ``"even"``: that opacity everywhere; ``"value"``: the opacity follows the value, from none at the
            low end of the colours to `map_opacity` at the high end; ``"auto"``: ``"value"`` for position attention,
            ``"even"`` for all else.
        interpolation: ``"nearest"`` shows the network's own cells; ``"bilinear"`` smooths between their centres.
        cells: Where the network's cells are drawn. ``"tiles"``: evenly over what the network saw; ``"centers"``: each
            around the middle of what it sees, where that is known.
        width_mm: Width of the figure in millimetres, from 30 to 600; the height follows from the content.
        dpi: Dots per inch of the pictures in it, from 50 to 1200.
        font_size: In points, from 4 to 24.
        title: Whether to print the model and its prediction above the panels.
        caption: Whether to print the caption below the panels.
        language: Of what is printed, one of `attnviz.language.LANGUAGES`; English where no font here has its letters.

    Raises:
        OptionError: One of them is impossible.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of a manifest that is read

    panels: tuple[str, ...] = ()
    pins: tuple[tuple[float, float], ...] = ()
    columns: int | None = None
    colormap: str = DEFAULT
    scaling: Scope = "each"
    spread: Spread | Literal["auto"] = "auto"
    map_opacity: float = DEFAULT_OPACITY
    opacity_by: OpacityBy | Literal["auto"] = "auto"
    interpolation: Interpolation = "nearest"
    cells: CellPlaces = "tiles"
    width_mm: float = 180.0
    dpi: int = 300
    font_size: float = 7.0
    title: bool = True
    caption: bool = False
    language: str = DEFAULT_LANGUAGE

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "FigureOptions":
        """The options of these names, the rest as by default.

        Raises:
            OptionError: A name is unknown or a value impossible.
        """
        known = [entry.name for entry in fields(cls)]
        for name in options:
            if name not in known:
                raise OptionError(f"expected an option out of {', '.join(known)}, got {name!r}")
        return cls(**options)

    def __post_init__(self) -> None:
        """Check every option and bring it to plain types, so that it can go into JSON and come back equal."""
        colormap(self.colormap)
        checked_language(self.language)
        _choice("scaling", self.scaling, get_args(Scope))
        _choice("spread", self.spread, ("auto", *get_args(Spread)))
        _choice("opacity_by", self.opacity_by, ("auto", *get_args(OpacityBy)))
        _choice("interpolation", self.interpolation, get_args(Interpolation))
        _choice("cells", self.cells, get_args(CellPlaces))
        for name in ("title", "caption"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"expected {name} to be true or false, got {getattr(self, name)!r}")
        clean: dict[str, Any] = {
            "panels": _panels(self.panels),
            "pins": _pins(self.pins),
            "map_opacity": checked_opacity(self.map_opacity),
            "width_mm": _number("width_mm", self.width_mm, 30.0, 600.0),
            "font_size": _number("font_size", self.font_size, 4.0, 24.0),
            "dpi": _whole("dpi", self.dpi, 50, 1200),
            "columns": None if self.columns is None else _whole("columns", self.columns, 1, MAX_PANELS),
        }
        for name, value in clean.items():
            object.__setattr__(self, name, value)


def _choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise OptionError(f"expected {name} out of {', '.join(choices)}, got {value!r}")


def _number(name: str, value: object, low: float, high: float) -> float:
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:
        raise OptionError(f"expected {name} from {low:g} to {high:g}, got {value!r}")
    return number


def _whole(name: str, value: object, low: int, high: int) -> int:
    number = _number(name, value, low, high)
    if number != int(number):
        raise OptionError(f"expected {name} as a whole number, got {value!r}")
    return int(number)


def _panels(panels: object) -> tuple[str, ...]:
    if isinstance(panels, str) or not isinstance(panels, Sequence) or not all(isinstance(p, str) for p in panels):
        raise OptionError(f"expected panels as a list of names, got {panels!r}")
    if len(panels) > MAX_PANELS:
        raise OptionError(f"expected at most {MAX_PANELS} panels, got {len(panels)}")
    return tuple(panels)


def _pins(pins: object) -> tuple[tuple[float, float], ...]:
    if isinstance(pins, str) or not isinstance(pins, Sequence):
        raise OptionError(f"expected pins as a list of (x, y), got {pins!r}")
    if len(pins) > MAX_PINS:
        raise OptionError(f"expected at most {MAX_PINS} pins, got {len(pins)}")
    clean = []
    for pin in pins:
        if isinstance(pin, str) or not isinstance(pin, Sequence) or len(pin) != 2:
            raise OptionError(f"expected a pin as (x, y) in photo pixels, got {pin!r}")
        clean.append((_number("a pin's x", pin[0], 0.0, 1e6), _number("a pin's y", pin[1], 0.0, 1e6)))
    return tuple(clean)
