"""The tensors inside SGE as the viewer is sent them: one of them whole, the others as how they follow from it.

Per group the likeness x and the logits t are straight lines of the normalised likeness n, and the gate is M = σ(t). So
n travels, for all groups, and of x and t a slope and an offset per group, read off the recorded numbers.

    derived   {from: symbol of another step, slope: [number per group], offset: likewise}, or {from, sigmoid: true}
"""

import numpy as np

from attnviz.attention_results import FloatArray
from attnviz.module_steps import ModuleSteps, Step
from attnviz.render.viewer.attention_parts import JSON

FEW = 8  # groups of a module whose others do not travel
_SENT, _LINES, _GATE, _LOGITS = "n", ("x", "t"), "M", "t"


def derived(module: ModuleSteps, step: Step) -> JSON | None:
    """How the pictures of a step follow from another's; None: they are sent themselves."""
    if module.module != "SGE" or step.kind != "maps" or step.symbol == _SENT:
        return None
    if step.symbol == _GATE:
        return {"from": _LOGITS, "sigmoid": True}
    slope, offset = _line(module[_SENT].values, step.values)
    return {"from": _SENT, "slope": [float(v) for v in slope], "offset": [float(v) for v in offset]}


def strongest(module: ModuleSteps) -> list[int]:
    """The groups whose gates differ most between places, at most `FEW`, in order."""
    spread = module[_GATE].values.std(axis=(1, 2))
    return sorted(int(group) for group in np.argsort(-spread, kind="stable")[:FEW])


def _line(n: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slope and offset (groups,) of y = slope n + offset, from the places where n is smallest and largest."""
    flat, other = (tensor.reshape(len(tensor), -1).astype(np.float64) for tensor in (n, y))
    groups, low, high = np.arange(len(flat)), flat.argmin(axis=1), flat.argmax(axis=1)
    run = flat[groups, high] - flat[groups, low]
    rise = other[groups, high] - other[groups, low]
    slope = np.divide(rise, run, out=np.zeros_like(run), where=run > 0)
    return slope, other[groups, low] - slope * flat[groups, low]
