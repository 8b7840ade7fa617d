"""What the cells of a panel's map see of the network image, by the panel's name."""

import re

from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.results import Explanation


def field_of_panel(explanation: Explanation, name: str) -> ReceptiveField | None:
    """The receptive field of the cells that a panel draws; None: it draws none, or it is not known.

    A row or column of an attention, and each of its heads, have the cells of what it receives; a gate of a BAM has
    those of the spatial logit it is made of, and one group's that of all groups.

    Args:
        explanation: Of the photo.
        name: As in `attnviz.render.panels.panel_names`.
    """
    label = name
    if gate := re.fullmatch(r"gate:(\d+):\d+", name):
        label = f"stage{gate[1]}.spatial_logit"
    elif group := re.fullmatch(r"(.+\.group_gate):\d+", name):
        label = group[1]
    elif query := re.fullmatch(r"(?:(.+)\.)?(?:row|column|token):\d+", name):
        label = f"{query[1] or next(iter(explanation.positions), '')}.received"
    return explanation.receptive_fields.get(re.sub(r"\.head\d+\.received$", ".received", label))
