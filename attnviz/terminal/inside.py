"""``attnviz inside``: what happens inside one attention module for a photo, as a table of its tensors."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from attnviz.terminal import explain_options
from attnviz.terminal import network_options as options
from attnviz.terminal.network_options import NetworkRequest, requested_network
from attnviz.terminal.output import say

if TYPE_CHECKING:
    from attnviz.module_steps import ModuleSteps
    from attnviz.results import Explanation

Photo = Annotated[str, typer.Argument(metavar="PHOTO", help="Picture file.", show_default=False)]
Site = Annotated[
    str | None,
    typer.Option("--site", metavar="LABEL", help="Of the module, such as stage3 or position; else the last one."),
]
At = Annotated[
    str | None, typer.Option("--at", metavar="X,Y", help="Photo pixel to follow through the module; else the middle.")
]


def print_inside(
    photo: Photo,
    site: Site = None,
    at: At = None,
    model: options.Model = None,
    weights: options.Weights = None,
    random_weights: options.RandomWeights = False,
    mean: options.Mean = None,
    std: options.Std = None,
    size: options.Size = None,
    device: explain_options.Device = "auto",
    as_json: explain_options.AsJson = False,
) -> None:
    """Go through an attention module step by step: every tensor with its formula, shape and range, and at one place."""
    from attnviz.errors import OptionError
    from attnviz.pipeline import explain

    request = NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, device=device
    )
    explanation = explain(photo, requested_network(request), size=size, inside=True)
    labels = list(explanation.modules)
    if site is None and not labels:
        raise OptionError(f"expected a network with attention, got {explanation.model.name}, in which none was found")
    steps = explanation.inside(labels[-1] if site is None else site)
    if at is not None:
        steps = explanation.inside(steps.label, _cell(explanation, steps, at))
    say(_document(steps) if as_json else str(steps))


def _cell(explanation: "Explanation", steps: "ModuleSteps", text: str) -> tuple[int, int] | None:
    """The cell under a pixel of the photo; None where the module has no cells."""
    from attnviz.errors import OptionError

    try:
        x, y = (float(number) for number in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"expected X,Y in photo pixels, got {text!r}", param_hint="--at") from error
    if steps.grid is None:
        return None
    cell = explanation.geometry.photo_to_cell(x, y, steps.grid)
    if cell is None:
        height, width = explanation.geometry.photo_size
        raise OptionError(f"expected a pixel that the network saw, of a photo of {width} x {height}, got {text}")
    return cell


def _document(steps: "ModuleSteps") -> str:
    """One JSON document, ASCII, so that every terminal and pipe can take it."""
    document = {
        "schema": "attnviz inside 1",
        "label": steps.label,
        "module": steps.module,
        "stride": steps.stride,
        "gamma": steps.gamma,
        "at": steps.picked,
        "steps": [
            {
                "symbol": step.symbol,
                "name": step.name,
                "formula": step.formula,
                "branch": step.branch,
                "shape": step.shape,
                "range": step.range,
                "value": None if steps.picked is None else step.at(*steps.picked),
                "value_of": step.summary or None,
            }
            for step in steps
        ],
    }
    return json.dumps(document, indent=1)
