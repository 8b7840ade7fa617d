"""What is known about one set of weights: the model card, a JSON file beside the weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from attnviz.errors import CheckpointError
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.sites import View

Task = Literal["classification", "segmentation"]
Status = Literal["shipped", "cached", "available", "own"]

_MAY_LACK = ("notes", "evidence")
_IN_FILE = (  # what every card says, in the order in which it is written, but for those that it may lack
    *("name", "title", "file", "sha256", "bytes", "architecture", "config", "task", "preprocessing", "min_size"),
    "views",
    *("categories", "metrics", "source", "licence", "paper", "notes", "parameters", "evidence"),
)


@dataclass(frozen=True)
class ModelCard:
    """One set of weights, everything known about it.

    Attributes:
        name: What people type.
        title: What people read.
        task: What the network was trained for.
        architecture: For people, for example ``"BAM-ResNet18, width 32"``.
        config: What `attnviz.models.build.build_model` builds.
        preprocessing: How a photo becomes the input that the weights were trained for.
        min_size: Shortest side the network can take, pixels.
        one_size: Whether it takes nothing but squares of the size in `preprocessing` (most ViTs).
        views: Which views have something to show, as `attnviz.models.sites.views_of` finds them in its sites.
        categories: Names of the classes, in order.
        metrics: Name with unit and data set -> value.
        parameters: Number of trained parameters.
        source: Where the weights come from.
        licence: Of the weights; None: the publisher states none.
        paper: Addresses of the papers.
        notes: What a user should know, a sentence each.
        evidence: The short of docs/evidence.md: whether its attention focuses and matters, a sentence each, with
            intervals and baselines; empty where nobody measured it.
        status: Shipped with the program, cached on this machine, available elsewhere, or the user's own network.
        path: The file; None while it is only available.
        sha256: Of the file.
        bytes: Size of the file.
    """

    name: str
    title: str
    task: Task
    architecture: str
    config: Mapping[str, Any]
    preprocessing: Preprocessing
    min_size: int
    categories: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: int | None = None
    source: str = ""
    licence: str | None = None
    paper: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    views: tuple[View, ...] = ()
    one_size: bool = False
    status: Status = "shipped"
    path: Path | None = None
    sha256: str | None = None
    bytes: int | None = None


def read_card(path: Path, status: Status = "shipped") -> ModelCard:
    """Read a model card; its weights lie beside it.

    Args:
        path: The card's file.
        status: Of its weights.

    Raises:
        CheckpointError: The card is damaged or lacks a field.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        missing = [name for name in _IN_FILE if name not in fields and name not in _MAY_LACK]
        if missing:
            raise ValueError(f"no {missing[0]}")
        return _adapter().validate_python({**fields, "path": path.with_name(fields["file"]), "status": status})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"expected a whole model card, got {path.name}: {where}: {first['msg']}") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"expected a whole model card, got {path.name}: {error!r:.200}") from error


def card_fields(card: ModelCard) -> dict[str, Any]:
    """What the file of a card says, as `read_card` reads it.

    Raises:
        ValueError: The card has no file of weights.
    """
    if card.path is None:
        raise ValueError(f"expected a card with a file, got {card.name} without one")
    fields = {**card_as_json(card), "file": card.path.name}
    return {name: fields[name] for name in _IN_FILE}


def card_as_json(card: ModelCard) -> dict[str, Any]:
    """Everything known about weights, in lists, numbers and text alone, as JSON has them."""
    fields: dict[str, Any] = _adapter().dump_python(card, mode="json")
    return fields


@cache
def _adapter() -> TypeAdapter[ModelCard]:
    return TypeAdapter(ModelCard)
