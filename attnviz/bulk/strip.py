"""Photo and maps side by side as plain pixels: what `png` and `webp` hold, and each frame of a clip."""

from collections.abc import Mapping

import numpy as np

from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import Panel, default_panels, default_pins, resolve
from attnviz.render.pictures import panel_pixels
from attnviz.render.scales import Scale, find_scales
from attnviz.results import ByteArray, Explanation

_GAP = 4  # white pixels between pictures


def strip_panels(explanation: Explanation) -> tuple[Panel, ...]:
    """The panels of the usual figure that lie over the photo, the photo first."""
    names = default_panels(explanation)
    return tuple(panel for panel in resolve(explanation, names, default_pins(explanation)) if not panel.bare)


def strip(
    explanation: Explanation, options: FigureOptions | None = None, scales: Mapping[str, Scale] | None = None
) -> ByteArray:
    """Photo and maps side by side, without words.

    Args:
        explanation: What to draw, at the size of its photo.
        options: Colour map, scaling, opacity and interpolation; None: the defaults.
        scales: Name of a panel -> its range; None: each map's own, or as the options share them.

    Returns:
        RGB uint8 (h, n * w + (n - 1) * 4, 3) of n pictures.
    """
    looks, panels = options or FigureOptions(), strip_panels(explanation)
    ranges = scales or {
        name: scale
        for scale in find_scales(panels, looks.scaling, spread=looks.spread, opacity_by=looks.opacity_by)
        for name in scale.panels
    }
    pictures: list[ByteArray] = []
    for panel in panels:
        if pictures:
            pictures.append(np.full((explanation.photo.shape[0], _GAP, 3), 255, np.uint8))
        scale = ranges.get(panel.name)
        pictures.append(panel_pixels(panel, explanation.photo, explanation.geometry, scale=scale, options=looks))
    return np.concatenate(pictures, axis=1)
