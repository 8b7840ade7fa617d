"""Which modules' maps of groups travel with an explanation, and what is said of those left out."""

from attnviz.render.viewer.attention_parts import JSON, base64_of
from attnviz.results import Explanation, GroupGates

GROUP_BYTES = 1_500_000  # of all that travels, in half precision, three digits of which are right


def group_parts(explanation: Explanation) -> tuple[list[JSON], str]:
    """The maps of groups of as many modules as there is room for, the deepest first, and a note for people.

    Returns:
        Entries as drawn in the docstring of `attnviz.render.viewer.payload`, in the order of the network; a sentence,
        empty where nothing was left out.
    """
    gates = list(explanation.group_gates.values())
    kept: list[GroupGates] = []
    room = GROUP_BYTES
    for gate in reversed(gates):  # deeper ones have fewer locations
        room -= 2 * gate.values.size
        if room < 0:
            break
        kept.insert(0, gate)
    note = (
        f"The groups of {len(kept)} of {len(gates)} modules were sent; the NPZ file has all." if kept != gates else ""
    )
    return [_part(gate) for gate in kept], note


def _part(gate: GroupGates) -> JSON:
    count, rows, columns = gate.values.shape
    return {
        "label": gate.label,
        "title": gate.title,
        "stage": gate.stage,
        "stride": gate.stride,
        "count": count,
        "grid": [rows, columns],
        "ranges": [[float(values.min()), float(values.max())] for values in gate.values],
        "values": base64_of(gate.values.astype("<f2")),
    }
