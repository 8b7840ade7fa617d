"""Figures for papers: labelled panels with raw ranges, one colour bar per scale, text as text, the same bytes always.

Drawn on matplotlib's Figure objects without pyplot.
"""

import math
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.extras import needs
from attnviz.inputs.cell_places import cell_box
from attnviz.render.class_colors import class_colors, pin_color, readable_on
from attnviz.render.figure_file import FigureFormat, encoded, figure_settings
from attnviz.render.layout import Area, Bar, Page, Picture, Swatch, Text
from attnviz.render.panels import Panel, pin_cell
from attnviz.render.pictures import drawn_field, panel_pixels, photo_at, scale_bar
from attnviz.render.plan import FigurePlan, plan_figure
from attnviz.render.typesetting import families
from attnviz.results import ByteArray

with needs("matplotlib", extra="figures"):
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.patches import Circle, Rectangle
    from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

__all__ = ["FigureFormat", "FigurePlan", "NotebookFigure", "build_figure", "plan_figure", "render_figure"]

_HAIR = 1e-5  # pixels


class NotebookFigure(Figure):
    """A figure that a notebook shows by itself: without pyplot, and so without its global state."""

    def _repr_png_(self) -> bytes:
        with figure_settings():
            return encoded(self, "png")


def build_figure(plan: FigurePlan) -> NotebookFigure:
    """Draw a figure, as a matplotlib Figure of the plan's size in pixels at its dots per inch."""
    with figure_settings():
        return _draw(plan)


def render_figure(plan: FigurePlan, file_format: FigureFormat) -> bytes:
    """A figure as the bytes of a file, the same bytes for the same plan every time.

    Args:
        plan: From `plan_figure`.
        file_format: ``"png"``; ``"pdf"`` with embedded TrueType fonts; ``"svg"`` with text as text.

    Raises:
        OptionError: There is no such format.
    """
    if file_format not in get_args(FigureFormat):
        raise OptionError(f"expected a figure format out of {', '.join(get_args(FigureFormat))}, got {file_format!r}")
    with figure_settings():
        return encoded(_draw(plan), file_format)


def _draw(plan: FigurePlan) -> NotebookFigure:
    page, dpi = plan.page, plan.options.dpi
    figure = NotebookFigure(figsize=(_inches(page.width, dpi), _inches(page.height, dpi)), dpi=dpi, facecolor="white")
    photos: dict[tuple[int, int], ByteArray] = {}
    classes = class_colors(max((item.number for item in page.items if isinstance(item, Swatch)), default=-1) + 1)
    for item in page.items:
        if isinstance(item, Text):
            _draw_text(figure, page, item, dpi)
        elif isinstance(item, Picture):
            size = (item.height, item.width)
            if size not in photos:
                photos[size] = photo_at(plan.explanation.photo, size)
            _draw_picture(_axes(figure, page, item), plan, item, photos[size])
    sheet = _axes(
        figure, page, Area(0, 0, page.width, page.height)
    )  # one for all that stands beside the pictures: axes take long to make
    for item in page.items:
        if isinstance(item, Bar):
            pixels = scale_bar(item.scale, plan.options, (item.height, item.width))
            _show(sheet, pixels, (item.x, item.y))
        elif isinstance(item, Swatch):
            color = tuple(float(c) / 255 for c in classes[item.number])
            corner = (item.x, item.y)
            field = Rectangle(corner, item.width, item.height, facecolor=color, edgecolor="#333333", linewidth=0.4)
            sheet.add_patch(field)
            field.set_clip_box(TransformedBbox(Bbox.from_extents(*item.box), sheet.transData))
    return figure


def _inches(pixels: int, dpi: int) -> float:
    """Inches that make no less than so many pixels after rounding errors: matplotlib cuts off the fraction."""
    inches = pixels / dpi
    return inches if int(inches * dpi) == pixels else math.nextafter(inches, math.inf)


def _draw_text(figure: Figure, page: Page, item: Text, dpi: int) -> None:
    fonts = families(item.string)
    figure.text(
        item.x / page.width,
        1.0 - item.y / page.height,
        item.string,
        fontsize=item.size * 72.0 / dpi,
        fontweight="bold" if item.bold else "normal",
        color=item.color,
        ha=item.align,
        va="baseline",
        parse_math=False,
        fontfamily=fonts if len(fonts) > 1 else None,  # None: that of the settings
    )


def _axes(figure: Figure, page: Page, item: Area) -> Axes:
    """Axes that cover an item, with its pixels as coordinates and y downwards."""
    left, top, right, bottom = item.box
    # matplotlib before 3.11 rounds sides up to whole pixels: a rounding error above one would move all samples
    position = (
        (left + _HAIR) / page.width,
        1.0 - (bottom - _HAIR) / page.height,
        (right - left - 2 * _HAIR) / page.width,
        (bottom - top - 2 * _HAIR) / page.height,
    )
    axes = figure.add_axes(position)
    axes.set_axis_off()
    axes.set_xlim(0, item.width)
    axes.set_ylim(item.height, 0)
    return axes


class _Pixels(AxesImage):
    """A picture that lies on whole pixels: drawn as it is, where matplotlib would sample it anew to the same end."""

    def make_image(
        self, renderer: RendererBase, magnification: float = 1.0, unsampled: bool = False
    ) -> tuple[NDArray[Any], float, float, Affine2D]:
        """As matplotlib's: RGBA from the lower row up, and where its lower left corner lies."""
        box = self.get_window_extent()
        pixels = np.asarray(self.get_array())
        exact = np.allclose(box.extents, np.round(box.extents), rtol=0.0, atol=1e-3)
        if unsampled or magnification != 1.0 or not exact or pixels.shape[:2] != (round(box.height), round(box.width)):
            return super().make_image(renderer, magnification, unsampled)
        opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        return np.concatenate([pixels, opaque], axis=2)[::-1], round(box.x0), round(box.y0), Affine2D()


def _show(axes: Axes, pixels: ByteArray, corner: tuple[int, int] = (0, 0)) -> None:
    height, width = pixels.shape[:2]
    left, top = corner
    image = _Pixels(axes, interpolation="none", origin="upper", extent=(left, left + width, top + height, top))
    image.set_data(pixels)
    axes.add_image(image)


def _draw_picture(axes: Axes, plan: FigurePlan, item: Picture, photo: ByteArray) -> None:
    geometry = plan.source(item.panel).geometry
    scale = next((scale for scale in plan.scales if item.panel.name in scale.panels), None)
    _show(axes, panel_pixels(item.panel, photo, geometry, scale=scale, options=plan.options))
    across, down = item.width / geometry.photo_size[1], item.height / geometry.photo_size[0]
    if not geometry.whole and not item.panel.bare:
        left, top, right, bottom = geometry.crop
        _frame(axes, (left * across, top * down, right * across, bottom * down), "black", dashed=True)
    for number in item.panel.pins:
        _draw_pin(axes, plan, item.panel, number, (across, down))


def _frame(axes: Axes, box: tuple[float, float, float, float], color: str, *, dashed: bool = False) -> None:
    left, top, right, bottom = box
    for line, width, dashes in (("white", 1.8, False), (color, 0.9, dashed)):
        patch = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=line, linewidth=width)
        patch.set_linestyle((0.0, (3.0, 2.0)) if dashes else "-")
        axes.add_patch(patch)


def _draw_pin(axes: Axes, plan: FigurePlan, panel: Panel, number: int, zoom: tuple[float, float]) -> None:
    """A numbered disc on the photo; a frame around the query's cell on its own map, which it must not hide."""
    pin, color = plan.options.pins[number], pin_color(number)
    if panel.values is not None:
        rows, columns = panel.values.shape
        row, column = pin_cell(plan.explanation, (rows, columns), pin)
        box = cell_box(plan.explanation.geometry, row, column, (rows, columns), drawn_field(panel, plan.options))
        around = 0.9 * plan.options.dpi / 72.0  # outside the cell, whose colour is what counts
        left, top, right, bottom = box[0] * zoom[0], box[1] * zoom[1], box[2] * zoom[0], box[3] * zoom[1]
        _frame(axes, (left - around, top - around, right + around, bottom + around), color)
        return
    points = 0.85 * plan.options.font_size
    centre = (pin[0] * zoom[0], pin[1] * zoom[1])
    radius = 0.85 * points * plan.options.dpi / 72.0
    axes.add_patch(Circle(centre, radius, facecolor=color, edgecolor="white", linewidth=0.8, clip_on=False))
    axes.text(
        *centre,
        str(number + 1),
        fontsize=points,
        fontweight="bold",
        color=readable_on(color),
        ha="center",
        va="center_baseline",
        parse_math=False,
        clip_on=False,
    )
