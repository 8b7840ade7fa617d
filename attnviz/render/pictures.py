"""The pixels of each panel at the size it is drawn."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnviz.errors import OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.reduce.upsample import upsample
from attnviz.render.class_colors import class_colors
from attnviz.render.colormaps import table
from attnviz.render.figure_options import FigureOptions
from attnviz.render.overlay import blend, colorize, overlay
from attnviz.render.panels import Panel, default_pins, map_panel, resolve
from attnviz.render.scales import Scale, find_scales
from attnviz.results import ByteArray, Explanation, FloatArray, LabelArray


def photo_at(photo: ByteArray, size: tuple[int, int]) -> ByteArray:
    """The whole photo at another size, without a change of its brightness.

    Args:
        photo: RGB uint8 (H, W, 3).
        size: (height, width) in pixels.

    Returns:
        RGB uint8 (height, width, 3): the very same pixels where the size is the photo's own.
    """
    if photo.shape[:2] == size:
        return photo
    resized = Image.fromarray(photo).resize((size[1], size[0]), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(resized, dtype=np.uint8)


def panel_pixels(
    panel: Panel, photo: ByteArray, geometry: Geometry, *, scale: Scale | None, options: FigureOptions
) -> ByteArray:
    """Draw a panel.

    Args:
        panel: What to draw.
        photo: The whole photo at the panel's size, RGB uint8 (h, w, 3); of bare panels only its size counts.
        geometry: Of the photo.
        scale: The panel's scale, where it has numbers.
        options: Colour map, opacity and interpolation.

    Returns:
        RGB uint8 (h, w, 3).
    """
    size = (photo.shape[0], photo.shape[1])
    if panel.classes is not None:
        return _classes_over(photo, panel.classes, geometry, options.map_opacity)
    if panel.values is None or scale is None:
        return photo
    values = scale.apply(panel.values)
    if panel.bare:
        return colorize(_matrix_at(values, size), table(options.colormap))
    placed = upsample(values, geometry, size, how=options.interpolation, field=drawn_field(panel, options)).clip(
        0.0, 1.0
    )
    return overlay(photo, placed, options.colormap, options.map_opacity, scale.opacity_by)


def drawn_field(panel: Panel, options: FigureOptions) -> ReceptiveField | None:
    """What the cells of a panel are drawn by: what they see where that is wanted and known; None: as even tiles."""
    return panel.field if options.cells == "centers" else None


def map_over_photo(explanation: Explanation, name: str, options: FigureOptions) -> ByteArray:
    """The whole photo, at its own size, with one map over it.

    Args:
        explanation: What to show.
        name: Of a panel that lies over the photo, out of `attnviz.render.panels.panel_names`.
        options: Colour map, opacity, interpolation and pins; a shared scale spans all maps of the same quantity.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        OptionError: There is no such panel, or it is not one that lies over the photo.
    """
    panel = resolve(explanation, (name,), options.pins or default_pins(explanation))[0]
    if panel.name != name or panel.bare or (panel.values is None and panel.classes is None):
        raise OptionError(f"expected the name of one map that lies over the photo, got {name!r}")
    alike = [
        map_panel(entry) for entry in explanation.maps.values() if entry.kind == panel.kind and entry.label != name
    ]
    scale = next(
        iter(find_scales([panel, *alike], options.scaling, spread=options.spread, opacity_by=options.opacity_by)), None
    )
    return panel_pixels(panel, explanation.photo, explanation.geometry, scale=scale, options=options)


def scale_bar(scale: Scale, options: FigureOptions, size: tuple[int, int]) -> ByteArray:
    """The colour bar of a scale as `bar_pixels` draws it: RGB uint8 (*size, 3)."""
    fading = options.map_opacity if scale.opacity_by == "value" else None
    return bar_pixels(options.colormap, size, flat=scale.flat, fading=fading)


def bar_pixels(colormap: str, size: tuple[int, int], *, flat: bool = False, fading: float | None = None) -> ByteArray:
    """A colour bar, low end to the left.

    Args:
        colormap: A name out of `attnviz.render.colormaps.names`.
        size: (height, width) in pixels.
        flat: Whether all of it has the middle colour.
        fading: Where the opacity follows the value, that at the high end; the bar lies over a checkerboard then. None:
            opaque.

    Returns:
        RGB uint8 (*size, 3).
    """
    position = np.full(size[1], 0.5) if flat else (np.arange(size[1]) + 0.5) / size[1]
    if fading is None:
        return np.ascontiguousarray(np.broadcast_to(colorize(position, table(colormap)), (*size, 3)))
    return overlay(
        _checkerboard(size), np.ascontiguousarray(np.broadcast_to(position, size)), colormap, fading, "value"
    )


def _checkerboard(size: tuple[int, int]) -> ByteArray:
    """White and grey squares, two rows of them: what is seen through."""
    side = max(1, size[0] // 2)
    dark = (np.arange(size[0]) // side)[:, None] + np.arange(size[1]) // side
    return np.repeat(np.where(dark % 2 == 1, 190, 255).astype(np.uint8)[..., None], 3, axis=2)


def _matrix_at(values: FloatArray, size: tuple[int, int]) -> NDArray[np.float32]:
    """A matrix as a picture: cells where there is room for them, else the mean of those that share a pixel."""
    height, width = size
    if values.shape[0] <= height and values.shape[1] <= width:
        return upsample(values, Geometry(size, (0, 0, width, height), size), size)
    means = Image.fromarray(values).resize((width, height), Image.Resampling.BOX)
    return np.asarray(means, dtype=np.float32).clip(0.0, 1.0)


def _classes_over(photo: ByteArray, classes: LabelArray, geometry: Geometry, opacity: float) -> ByteArray:
    placed = upsample(classes.astype(np.float32), geometry, (photo.shape[0], photo.shape[1]))
    seen = ~np.isnan(placed)
    numbers = np.where(seen, placed, 0).astype(np.intp)
    colors = class_colors(int(numbers.max(initial=0)) + 1)
    return blend(photo, seen, lambda rows: colors[numbers[rows]], opacity)
