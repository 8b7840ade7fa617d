"""What goes into an attention module and what comes out of it, in one forward pass."""

from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from attnviz.measure.interventions import answer
from attnviz.models.sites import names_sites, sites_of
from attnviz.observe.recorder import as_numpy
from attnviz.results import FloatArray


def features_around(net: nn.Module, x: Tensor) -> dict[str, tuple[FloatArray, FloatArray]]:
    """The features before and after each position attention of a network that names its sites.

    Args:
        net: Any network; of one that names no sites, nothing is known.
        x: Its input, (1, 3, H, W).

    Returns:
        Label of the attention -> float32 (C, h, w) before and after.
    """
    sites = sites_of(net) if names_sites(net) else ()
    queries = {site.group for site in sites if site.kind == "query"}
    paths = {site.group: site.path for site in sites if site.kind == "features" and site.group in queries}
    kept: dict[str, tuple[FloatArray, FloatArray]] = {}

    def keeper(group: str) -> Any:  # noqa: ANN401 - a forward hook
        def keep(_module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            kept[group] = (as_numpy(given[0][0].clone()), as_numpy(output[0].clone()))

        return keep

    with ExitStack() as stack:
        for group, path in paths.items():
            stack.callback(net.get_submodule(path).register_forward_hook(keeper(group)).remove)
        if paths:
            answer(net, x)
    return kept
