"""Which modules' maps of groups travel with an explanation, and what is said of those left out."""

from attnviz.render.viewer.attention_parts import JSON, base64_of
from attnviz.results import Explanation, GroupGates

GROUP_BYTES = 1_500_000  # of all that travels, in half precision, three digits of which are right


def group_parts(explanation: Explanation, *, on_demand: bool = False) -> tuple[list[JSON], str]:
    """The maps of groups of as many modules as there is room for, the deepest first, and a note for people.

    Args:
        explanation: Of one photo by one network.
        on_demand: Whether the viewer can ask for a module by `group_part`; then only the deepest, which is shown first,
            comes with its maps.

    Returns:
        Entries as drawn in the docstring of `attnviz.render.viewer.payload`, in the order of the network; a sentence,
        empty where nothing was left out.
    """
    gates = list(explanation.group_gates.values())
    if on_demand:
        return [group_part(gate, whole=gate is gates[-1]) for gate in gates], ""
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
    return [group_part(gate) for gate in kept], note


def group_part(gate: GroupGates, *, whole: bool = True) -> JSON:
    """One of the payload's ``group_gates``.

    Args:
        gate: Of one module.
        whole: Whether its maps come along.
    """
    count, rows, columns = gate.values.shape
    return {
        "label": gate.label,
        "title": gate.title,
        "stage": gate.stage,
        "stride": gate.stride,
        "count": count,
        "grid": [rows, columns],
        "ranges": [[float(values.min()), float(values.max())] for values in gate.values],
        "values": base64_of(gate.values.astype("<f2")) if whole else None,
    }
