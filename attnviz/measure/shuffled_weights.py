"""A network that knows nothing: the same layers and the same numbers, each layer's weights in another order.

The baseline of Adebayo et al., "Sanity Checks for Saliency Maps", arXiv 1810.03292: what a map shows with such weights
too comes from the architecture and the photo, not from what was learned.
"""

import copy
from dataclasses import replace

import torch
from torch import nn

from attnviz.errors import ModelError, first_line
from attnviz.models.weights.registry import LoadedModel


def with_shuffled_weights(loaded: LoadedModel, seed: int = 0) -> LoadedModel:
    """A copy of a network in which the weights of every convolution and linear layer are shuffled, each within itself.

    Departs from the paper, which draws new weights: the distribution of each layer's weights stays as it was. Biases
    and normalisation stay, too.

    Args:
        loaded: A network; it stays as it is.
        seed: Of the order.

    Raises:
        ModelError: The network cannot be copied.
    """
    try:
        net = copy.deepcopy(loaded.net)
    except (RuntimeError, TypeError, ValueError) as error:  # it holds what Python or PyTorch cannot copy
        raise ModelError(f"expected a network that can be copied, got one that cannot: {first_line(error)}") from error
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
                order = torch.randperm(module.weight.numel(), generator=generator).to(module.weight.device)
                module.weight.copy_(module.weight.flatten()[order].view_as(module.weight))
    return replace(loaded, net=net, trained=False)
