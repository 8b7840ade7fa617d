"""``attnviz models``: what there is to choose from."""

import json
from dataclasses import asdict
from typing import Any

from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models
from attnviz.terminal.output import one_line

_GROUPS = {
    "shipped": "Shipped with the program",
    "cached": "On this machine",
    "available": "Published elsewhere: fetch with `attnviz weights pull NAME`",
}


def models_as_text() -> str:
    """The models in groups, a few lines each.

    Raises:
        CheckpointError: A model card is damaged.
    """
    known = list(list_models().values())
    lines: list[str] = []
    for status, heading in _GROUPS.items():
        members = [entry for entry in known if entry.status == status]
        if members:
            lines += ["", heading] if lines else [heading]
        for entry in members:
            lines += [f"  {line}" for line in _describe(entry)]
    return "\n".join(lines)


def models_as_json() -> str:
    """All that is known of every model, as one JSON array.

    Raises:
        CheckpointError: A model card is damaged.
    """
    return json.dumps([_plain(entry) for entry in list_models().values()], indent=1)


def _describe(entry: ModelCard) -> list[str]:
    default = " (default)" if entry.name == DEFAULT_MODEL else ""
    size = entry.preprocessing.size
    lines = [f"{one_line(entry.name)}{default}", f"    {one_line(entry.title)}; {entry.task}, input {size} px"]
    if entry.metrics:
        lines.append(
            "    " + one_line("; ".join(f"{name} {value:g}" for name, value in list(entry.metrics.items())[:3]))
        )
    lines.append(f"    licence: {one_line(entry.licence) if entry.licence else 'none stated'}")
    return lines


def _plain(entry: ModelCard) -> dict[str, Any]:
    fields = asdict(entry)
    return {**fields, "path": None if entry.path is None else str(entry.path), "default": entry.name == DEFAULT_MODEL}
