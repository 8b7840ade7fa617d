"""What the cells of every site see of the picture: followed through one walk of the network without numbers.

Every operation of one forward pass on PyTorch's ``meta`` device says which of its inputs' cells each of its cells
reads: convolutions and pools by their kernel, stride, padding and dilation, sums by both of what they add. Nothing is
computed, and no class of module has to be known. What was not understood (an enlargement, a gather) ends a site's
local field rather than guessing one.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.models.sites import Site, names_sites, sites_of
from attnviz.observe.cost import without_numbers
from attnviz.observe.field_steps import FieldWatch, Seen, of_picture
from attnviz.observe.recorder import watching

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
            known[chosen] = _walk(net, chosen, size, exact=named)
        return known[chosen]


def _walk(
    net: nn.Module, sites: tuple[Site, ...], size: tuple[int, int], *, exact: bool
) -> dict[str, ReceptiveField]:
    """Fields by label; none of a network that cannot be walked."""
    watched = [site for site in sites if site.kind != "gamma"]
    kept: dict[str, Tensor] = {}
    try:
        shapes = without_numbers(net)
        shapes.eval()
        first = next(shapes.parameters(), torch.empty(0))
        picture = torch.empty(1, 3, *size, device="meta", dtype=first.dtype)
        watch = FieldWatch(of_picture(picture))
        with watching(shapes, watched, kept), torch.no_grad(), watch:
            shapes(picture)
    except Exception:
        if exact:
            raise
        return {}  # somebody's own network may do anything, such as asking for numbers
        return {}
    fields = {label: _field(watch.seen(tensor), exact=exact) for label, tensor in kept.items()}
    return {site.label: field for site in watched if (field := fields.get(site.label)) is not None}


def _field(seen: Seen | None, *, exact: bool) -> ReceptiveField | None:
    if seen is None or seen.reach is None:
        return None
    rows, columns = seen.reach
    return ReceptiveField(rows, columns, everywhere=seen.everywhere, exact=exact)
