"""SGE, Spatial Group-wise Enhance: one map per group of channels, almost without parameters.

Paper: arXiv 1905.09646. Parameter names and shapes are those of published checkpoints: ``weight`` and ``bias``,
each (1, groups, 1, 1).
"""

import torch
from torch import Tensor, nn

from attnviz.models.sites import Site

_EPSILON = 1e-5  # added to the standard deviation, paper Eq. 3


class Similarity(nn.Module):
    """Dot product of every location's vector with its group's average: Eq. 2."""

    def forward(self, grouped: Tensor, average: Tensor) -> Tensor:
        """(B G, C / G, H, W) and (B G, C / G, 1, 1) -> (B G, H, W)."""
        return (grouped * average).sum(dim=1)


class OverLocations(nn.Module):
    """Normalised over locations to mean 0 and (unbiased) standard deviation 1: Eq. 3."""

    def forward(self, similarity: Tensor) -> Tensor:
        """(B G, H, W) -> (B G, H, W)."""
        flat = similarity.flatten(1)
        centred = flat - flat.mean(dim=1, keepdim=True)
        if flat.shape[1] > 1:
            centred = centred / (centred.std(dim=1, keepdim=True) + _EPSILON)
        return centred.reshape(similarity.shape)


class SpatialGroupEnhance(nn.Module):
    """Gate each group of channels by how much a location resembles the group's global average.

    Per group (Eq. 1-5): dot product of every location's vector with the average vector, normalised over locations to
    mean 0 and (unbiased) standard deviation 1, scaled and shifted by two learned numbers, sigmoid.

    Departure: a map of a single location has no spread, and its normalised similarity is 0 here; the formula gives
    NaN.
    """

    def __init__(self, groups: int = 64) -> None:
        """Build the module; the scale starts at 0 and the shift at 1, as in the paper.

        Args:
            groups: Groups of channels; must divide the channels of the features.
        """
        super().__init__()
        self.groups = groups
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.similarity = Similarity()
        self.normalised = OverLocations()
        self.weight = nn.Parameter(torch.zeros(1, groups, 1, 1))
        self.bias = nn.Parameter(torch.ones(1, groups, 1, 1))
        self.sig = nn.Sigmoid()  # its output, (B, groups, H, W) in (0, 1), is what a site reads

    def forward(self, x: Tensor) -> Tensor:
        """Gate the features.

        Args:
            x: float (B, C, H, W), C a multiple of `groups`.

        Returns:
            float (B, C, H, W).
        """
        batch, _, height, width = x.shape
        grouped = x.reshape(batch * self.groups, -1, height, width)
        normalised: Tensor = self.normalised(self.similarity(grouped, self.avg_pool(grouped)))
        gate = self.sig(normalised.reshape(batch, self.groups, height, width) * self.weight + self.bias)
        gated: Tensor = grouped * gate.reshape(batch * self.groups, 1, height, width)
        return gated.reshape(x.shape)


def sge_sites(path: str, label: str, stage: int, stride: int) -> tuple[Site, ...]:
    """Sites of one `SpatialGroupEnhance`.

    Args:
        path: Where the module hangs in the network, for example ``"layer1.0.sge"``.
        label: Start of the label, for example ``"stage1.block1"``.
        stage: Stage of the trunk, from 1.
        stride: Input pixels per location.

    Returns:
        The group gate: one map per group.
    """
    return (Site(f"{label}.group_gate", f"{path}.sig", "group_gate", stage, stride),)
