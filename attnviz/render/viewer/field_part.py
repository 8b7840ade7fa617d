"""A receptive field, as the viewer is sent it."""

from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.render.viewer.attention_parts import JSON


def sees(field: ReceptiveField) -> JSON:
    """What cell (0, 0) sees, in network pixels: {start: [y, x], size, stride: [down, across], everywhere, exact}."""
    return {
        "start": [float(field.rows.start), float(field.columns.start)],
        "size": list(field.size),
        "stride": list(field.stride),
        "everywhere": field.everywhere,
        "exact": field.exact,
    }
