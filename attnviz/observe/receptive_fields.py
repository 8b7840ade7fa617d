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

import torch
from torch import Tensor, nn

from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.models.sites import Site, names_sites, sites_of
from attnviz.observe.cost import without_numbers
from attnviz.observe.field_steps import FieldWatch, of_picture
from attnviz.observe.recorder import Recording

_known: weakref.WeakKeyDictionary[nn.Module, dict[tuple[Site, ...], dict[str, ReceptiveField]]] = (
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
    named = names_sites(net)
    chosen = tuple(sites_of(net) if sites is None else sites)
    with _guard:
        known = _known.setdefault(net, {})
        if chosen not in known:
            known.clear()  # one choice of sites at a time: own views are functions, and new ones each time
            known[chosen] = _walk(net, chosen, size, named=named)
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


def _walk(net: nn.Module, sites: tuple[Site, ...], size: tuple[int, int], *, named: bool) -> dict[str, ReceptiveField]:
    """Fields by label; none of somebody's own network that cannot be walked."""
    try:
        shapes = without_numbers(net)
        shapes.eval()
        picture = torch.empty(1, 3, *size, device="meta", dtype=next(shapes.parameters(), torch.empty(0)).dtype)
        watch = FieldWatch(of_picture(picture))
        fields: dict[str, ReceptiveField] = {}
        modules = dict(shapes.named_modules())
        for site in sites:
            if site.path in modules:
                modules[site.path].register_forward_hook(_noting(site, watch, fields, exact=named))
        with torch.no_grad(), watch:
            shapes(picture)
    except Exception:  # it may do anything, such as asking for numbers
        if named:
            raise
        return {}
    return {site.label: fields[site.label] for site in sites if site.label in fields}


def _noting(
    site: Site, watch: FieldWatch, fields: dict[str, ReceptiveField], *, exact: bool
) -> Callable[[nn.Module, object, object], None]:
    """A hook that notes what the output of a site's module sees."""

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            seen = watch.seen(output if site.view is None else site.view(output))
            if seen is not None and seen.reach is not None:
                rows, columns = seen.reach
                fields[site.label] = ReceptiveField(rows, columns, everywhere=seen.everywhere, exact=exact)

    return note
