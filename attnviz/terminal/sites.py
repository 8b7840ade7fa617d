"""``attnviz sites``: the attention that is found in a network, as a table."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from attnviz.terminal import explain_options
from attnviz.terminal import network_options as options
from attnviz.terminal.network_options import NetworkRequest, requested_network
from attnviz.terminal.output import say

if TYPE_CHECKING:
    from torch import Tensor

    from attnviz.models.weights.registry import LoadedModel
    from attnviz.observe.discover import AttentionTable

Photo = Annotated[Path | None, Argument(metavar="[PHOTO]", help="Picture file; without it, noise.", show_default=False)]


def print_sites(
    photo: Photo = None,
    model: options.Model = None,
    weights: options.Weights = None,
    random_weights: options.RandomWeights = False,
    mean: options.Mean = None,
    std: options.Std = None,
    size: options.Size = None,
    device: explain_options.Device = "auto",
    as_json: explain_options.AsJson = False,
) -> None:
    """List the attention of a network, found by what it computes: gates, position attention, and where in the code."""
    from attnviz.models.own.running import printing_aside
    from attnviz.observe.discover import find_attention

    request = NetworkRequest(
        model=model, weights=weights, random_weights=random_weights, mean=mean, std=std, size=size, device=device
    )
    loaded = requested_network(request)
    x = _input(loaded, photo, size)
    with printing_aside():
        found = find_attention(loaded.net, x)
    say(_document(loaded, x, found) if as_json else str(found))


def _input(loaded: "LoadedModel", photo: Path | None, size: int | None) -> "Tensor":
    """The photo as the network sees it; without one, the same noise every time."""
    import numpy as np

    from attnviz.inputs.decode import decode
    from attnviz.inputs.preprocess import preprocess

    own = loaded.card.preprocessing
    chosen = replace(own, size=own.size if size is None else size)
    noise = np.random.default_rng(0).integers(0, 256, (chosen.size, chosen.size, 3), dtype=np.uint8)
    x, _, _ = preprocess(noise if photo is None else decode(photo), chosen, min_size=loaded.card.min_size)
    return x


def _document(loaded: "LoadedModel", x: "Tensor", found: "AttentionTable") -> str:
    """One JSON document, ASCII, so that every terminal and pipe can take it."""
    document = {
        "schema": "attnviz sites 1",
        "model": {"name": loaded.card.name, "trained": loaded.trained, "device": str(loaded.device)},
        "input": list(x.shape[2:]),
        "sites": [asdict(entry) for entry in found],
        "modules": list(found.modules),
    }
    return json.dumps(document, indent=1)
