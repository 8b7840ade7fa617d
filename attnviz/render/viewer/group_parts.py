"""Which modules' maps of groups travel with an explanation, and what is said of those left out.

Where what happened inside a module is shown, the maps of its groups come with that: see
`attnviz.render.viewer.group_steps`. They are not sent twice.
"""

from attnviz.render.viewer.attention_parts import JSON, base64_of
from attnviz.results import Explanation, GroupGates

GROUP_BYTES = 1_800_000  # of all that travels, in half precision, three digits of which are right
_SITE = ".group_gate"  # after the label of the module, that of its gate


def group_parts(explanation: Explanation) -> tuple[list[JSON], str]:
    """The maps of groups of as many modules as there is room for, the deepest first, and a note for people.

    Returns:
        Entries as drawn in the docstring of `attnviz.render.viewer.payload`, in the order of the network; a sentence,
        empty where nothing was left out.
    """
    gates, kept = list(explanation.group_gates.values()), _kept(explanation)
    note = (
        f"The groups of {len(kept)} of {len(gates)} modules were sent; the NPZ file has all." if kept != gates else ""
    )
    return [_part(gate, inside=_module_of(gate) in explanation.modules) for gate in kept], note


def sent_whole(explanation: Explanation) -> frozenset[str]:
    """Labels of the modules all of whose groups travel."""
    return frozenset(map(_module_of, _kept(explanation)))


def _kept(explanation: Explanation) -> list[GroupGates]:
    kept: list[GroupGates] = []
    room = GROUP_BYTES
    for gate in reversed(list(explanation.group_gates.values())):  # deeper ones have fewer locations
        room -= 2 * gate.values.size
        if room < 0:
            break
        kept.insert(0, gate)
    return kept


def _module_of(gate: GroupGates) -> str:
    return gate.label.removesuffix(_SITE)


def _part(gate: GroupGates, *, inside: bool) -> JSON:
    count, rows, columns = gate.values.shape
    return {
        "label": gate.label,
        "title": gate.title,
        "stage": gate.stage,
        "stride": gate.stride,
        "count": count,
        "grid": [rows, columns],
        "ranges": [[float(values.min()), float(values.max())] for values in gate.values],
        "module": _module_of(gate) if inside else None,
        "values": None if inside else base64_of(gate.values.astype("<f2")),
    }
