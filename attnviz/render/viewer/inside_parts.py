"""The tensors inside attention modules, as the viewer is sent them.

    modules        [{label, module, stride, gamma, grid: [rows, columns] or null, steps}]; no module, no view
    steps          [{symbol, title, formula, branch, kind, shape, range, summary, channels, grid, count, dtype, values,
                   derived, sees}]: kind "vector" and "matrix" have their numbers in `values` (count, or count x
                   count), pictures theirs (pictures, rows, columns); those of "row" are null: the browser computes
                   them from query and key of the entry of `positions` with the module's label
    derived        null, or how the pictures follow from those of another step: attnviz/render/viewer/group_steps.py
    sees           as of the payload's maps

Titles and formulas are put into the language of the page, as those of maps.
"""

from dataclasses import replace

import numpy as np

from attnviz.module_steps import ROW_STEPS, ModuleSteps, Step
from attnviz.position_attention import PositionAttention
from attnviz.render.viewer.attention_parts import JSON, base64_of
from attnviz.render.viewer.field_part import sees
from attnviz.render.viewer.group_parts import sent_whole
from attnviz.render.viewer.group_steps import derived, strongest
from attnviz.results import Explanation

_LARGEST_HALF = 65_504.0  # of float16
_BEFORE_ROWS = ("B", "C", "D")  # the tensors of position attention before those that belong to two locations


def module_parts(explanation: Explanation) -> list[JSON]:
    """Every module of an explanation whose inside was kept, in order; a position attention with its rows."""
    whole = sent_whole(explanation)
    return [
        _module(steps if label in whole else _without_most_groups(steps), explanation.positions.get(label))
        for label, steps in explanation.modules.items()
    ]


def _without_most_groups(module: ModuleSteps) -> ModuleSteps:
    if module.module != "SGE":
        return module
    groups = strongest(module)
    few = (
        replace(step, values=step.values[groups], channels=tuple(groups)) if step.kind == "maps" else step
        for step in module
    )
    return replace(module, steps=tuple(few))


def _module(module: ModuleSteps, position: PositionAttention | None) -> JSON:
    steps = [_step(module, step) for step in module]
    if position is not None:
        texts = ROW_STEPS if position.heads == 1 else ROW_STEPS[1:]  # of several heads, each has energies of its own
        after = 1 + max(number for number, step in enumerate(module) if step.symbol in _BEFORE_ROWS)
        steps[after:after] = [_row(module, *words) for words in texts]
    return {
        "label": module.label,
        "module": module.module,
        "stride": module.stride,
        "gamma": module.gamma,
        "grid": None if module.grid is None else list(module.grid),
        "steps": steps,
    }


def _step(module: ModuleSteps, step: Step) -> JSON:
    of = derived(module, step)
    flat = step.kind in ("vector", "matrix")
    dtype = "float32" if flat or float(np.abs(step.values).max()) > _LARGEST_HALF else "float16"
    return {
        "symbol": step.symbol,
        "title": step.name,
        "formula": step.formula,
        "branch": step.branch,
        "kind": step.kind,
        "shape": list(step.shape),
        "range": list(step.range),
        "summary": step.summary,
        "channels": list(step.channels),
        "grid": None if flat else list(step.values.shape[-2:]),
        "count": len(step.values),
        "dtype": dtype,
        "values": None if of else base64_of(np.asarray(step.values, dtype="<f4" if dtype == "float32" else "<f2")),
        "derived": of,
        "sees": None if step.field is None else sees(step.field),
    }


def _row(module: ModuleSteps, symbol: str, name: str, formula: str) -> JSON:
    rows, columns = module.grid or (0, 0)
    return {
        "symbol": symbol,
        "title": name,
        "formula": formula,
        "branch": "",
        "kind": "row",
        "shape": [rows * columns, rows * columns],
        "range": None,
        "summary": "",
        "channels": [],
        "grid": [rows, columns],
        "count": 1,
        "dtype": "float32",
        "values": None,
        "derived": None,
        "sees": None,
    }
