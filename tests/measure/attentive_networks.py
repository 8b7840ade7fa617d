"""Networks of which is known by hand whether their attention matters."""

import torch
from torch import Tensor, nn

from attnviz.models.sites import Site


class Gated(nn.Module):
    """Two categories: more light left or right. Features of ones come through a gate, or past it.

    With `only` the gate is the only way by which anything of the picture reaches the answer; without it, the answer is
    read off the picture, and the gate multiplies nothing but zeros.
    """

    def __init__(self, only: bool = True) -> None:
        super().__init__()
        self.only = only
        self.gate = nn.Sigmoid()
        self.channel = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        light = x.mean(dim=1, keepdim=True)
        gate = self.gate(4 * light)
        scale = self.channel(x.new_zeros(x.shape[0], 1, 1, 1))
        seen = (torch.ones_like(light) if self.only else torch.zeros_like(light)) * gate * scale
        seen = seen if self.only else seen + light
        middle = seen.shape[3] // 2
        return 20 * torch.stack([seen[..., :middle].mean((1, 2, 3)), seen[..., middle:].mean((1, 2, 3))], dim=1)

    def sites(self) -> tuple[Site, ...]:
        return (Site("stage1.spatial_gate", "gate", "spatial_gate", 1, 1),)


class InlineGated(nn.Module):
    """The same as somebody would write it who knows nothing of sites; the gate is shifted, 1 + sigmoid, in one case."""

    def __init__(self, only: bool = True, shifted: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        nn.init.zeros_(self.conv.weight)
        nn.init.ones_(self.conv.bias)
        self.only, self.shifted = only, shifted

    def forward(self, x: Tensor) -> Tensor:
        light = x.mean(dim=1, keepdim=True)
        gate = torch.sigmoid(4 * light) + (1 if self.shifted else 0)
        features = self.conv(x)
        seen = features * gate if self.only else features * gate * 0 + light
        middle = seen.shape[3] // 2
        return 20 * torch.stack([seen[..., :middle].mean((1, 2, 3)), seen[..., middle:].mean((1, 2, 3))], dim=1)


def lit_left(height: int = 16, width: int = 16) -> Tensor:
    """A picture that is brighter on the left: (1, 3, H, W)."""
    x = torch.full((1, 3, height, width), -0.2)
    x[..., : width // 2] = 0.5
    return x
