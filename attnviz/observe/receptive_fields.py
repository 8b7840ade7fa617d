"""What the cells of every site see of the picture: followed through one walk of the network without numbers.

Every operation of one forward pass on PyTorch's ``meta`` device says which of its inputs' cells each of its cells
reads: convolutions and pools by their kernel, stride, padding and dilation, sums by both of what they add. Nothing is
computed, and no class of module has to be known. What was not understood (an enlargement, a gather) ends a site's
local field rather than guessing one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.models.sites import Site, names_sites, sites_of
from attnviz.observe.cost import without_numbers
from attnviz.observe.field_steps import FieldWatch, of_picture
from attnviz.observe.recorder import Recording

_MOST_KNOWN = 4  # choices of points whose fields are remembered for each network


@dataclass(frozen=True)
class Point:
    """Where in a network a tensor is looked at.

    Attributes:
        label: Of what is found.
        path: Of a submodule.
        end: Whether its output is looked at, or its first input.
        view: Applied to the tensor before; None: it is taken as it is.
    """

    label: str
    path: str
    end: Literal["output", "input"] = "output"
    view: Callable[[Tensor], Tensor] | None = None


_known: weakref.WeakKeyDictionary[nn.Module, dict[tuple[Point, ...], dict[str, ReceptiveField]]] = (
    weakref.WeakKeyDictionary()
)
_guard = threading.Lock()


def receptive_fields(
    net: nn.Module, sites: Sequence[Site] | None = None, *, size: tuple[int, int] = (128, 128)
) -> dict[str, ReceptiveField]:
    """The receptive field of each site: which part of the network image a cell sees by local paths, exactly.

    Walked once and remembered as long as the network lives; fields do not depend on the size of the picture.

    Args:
        net: Any network; it is left alone.
        sites: Whose fields; None: those that the network names.
        size: (height, width) of the picture that is walked, pixels; one that the network takes.

    Returns:
        Label -> field, in the order of the sites. A site is missing where it has none: a channel gate, a parameter,
        or where the way to it holds an operation whose cells cannot be followed (transformers behind their first
        attention, enlargements), or where the network cannot be walked without numbers.

    Raises:
        RecordError: No sites are given, and the network names none.

    Example:
        >>> import attnviz
        >>> from attnviz.observe.receptive_fields import receptive_fields
        >>> net = attnviz.load_model("bam_resnet18_w32", device="cpu").net
        >>> receptive_fields(net)["stage3.gain"].stride
        (16, 16)
    """
    chosen = sites_of(net) if sites is None else sites
    return fields_at(net, [Point(site.label, site.path, "output", site.view) for site in chosen], size)


def fields_at(net: nn.Module, points: Sequence[Point], size: tuple[int, int]) -> dict[str, ReceptiveField]:
    """As `receptive_fields`, of any points of a network."""
    chosen = tuple(points)
    with _guard:
        known = _known.setdefault(net, {})
        if chosen not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[chosen] = _walk(net, chosen, size, named=names_sites(net))
        return known[chosen]


def fields_of_maps(net: nn.Module, recording: Recording, size: tuple[int, int]) -> dict[str, ReceptiveField]:
    """The receptive fields of everything that was recorded, also under the labels of the maps made of it.

    Args:
        net: The network that was recorded.
        recording: Of it.
        size: (height, width) of its input, pixels.
    """
    fields = dict(receptive_fields(net, recording.watched, size=size))
    for site in recording.watched:
        if site.kind == "query" and site.label in fields:
            fields[f"{site.group}.received"] = fields[site.label]
    return fields


def _walk(
    net: nn.Module, points: tuple[Point, ...], size: tuple[int, int], *, named: bool
) -> dict[str, ReceptiveField]:
    """Fields by label; none of somebody's own network that cannot be walked."""
    try:
        shapes = without_numbers(net)
        shapes.eval()
        picture = torch.empty(1, 3, *size, device="meta", dtype=next(shapes.parameters(), torch.empty(0)).dtype)
        watch = FieldWatch(of_picture(picture))
        fields: dict[str, ReceptiveField] = {}
        modules = dict(shapes.named_modules())
        for point in points:
            if point.path in modules:
                _note(modules[point.path], point, watch, fields, exact=named)
        with torch.no_grad(), watch:
            shapes(picture)
    except (Exception, SystemExit):  # it may do anything, such as asking for numbers
        if named:
            raise
        return {}
    return {point.label: fields[point.label] for point in points if point.label in fields}


def _note(
    module: nn.Module, point: Point, watch: FieldWatch, fields: dict[str, ReceptiveField], *, exact: bool
) -> None:
    """Hook a module so that what the tensor at a point sees is noted."""

    def note(tensor: object) -> None:
        if isinstance(tensor, Tensor):
            seen = watch.seen(tensor if point.view is None else point.view(tensor))
            if seen is not None and seen.reach is not None:
                rows, columns = seen.reach
                fields[point.label] = ReceptiveField(rows, columns, everywhere=seen.everywhere, exact=exact)

    if point.end == "output":
        module.register_forward_hook(lambda module, inputs, output: note(output))
    else:
        module.register_forward_pre_hook(lambda module, inputs: note(inputs[0] if inputs else None))
