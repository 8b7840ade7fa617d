"""Losses that make BAM's spatial gates find what a picture shows; used in training only, never shipped.

All are departures from the paper (arXiv 1807.06514), which trains the gates through the trunk alone. None sees a box.

- Auxiliary classifiers: the features before each BAM, averaged with weights sigmoid(spatial logit) / sum, are
  classified. The gradient tells the branch where the evidence for the category lies.
- Spread: a gate that varies too little within a picture is penalised. Its mean over the batch is taken away before,
  so that a frame or a column, the same in every photo, earns nothing.
- Smoothness: total variation, against lattices.
- Crowding: a gate that is open over more than a third of a picture, on average over its locations, is penalised.
- Guide: an early gate must not fall where the next one rises. Their correlation is asked to be at least `AGREEMENT`;
  above that each is free. Without it the sign of an early gate is decided by chance in the first steps.
"""

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from attnviz.models.attention.bam import BAM
from attnviz.models.bam_resnet import BamResNet
from training.gate_heads import gate_pooled

STAGES = (1, 2, 3)
ROOM = 1 / 3  # mean of a gate over the locations of a picture, above which it counts as crowded
AGREEMENT = 0.5  # correlation with the next stage's gate that is asked of a gate


def bams_of(net: BamResNet) -> tuple[BAM, BAM, BAM]:
    """The three modules, in order."""
    return net.bam1, net.bam2, net.bam3


@torch.no_grad()
def set_contrast(net: BamResNet, contrast: Mapping[int, float]) -> None:
    """Set the scale of the norm at the end of spatial branches: the std of logits over pictures and locations.

    Left to be learned it shrinks, and the gates close.

    Args:
        net: Changed in place.
        contrast: Of each stage.
    """
    for stage, value in contrast.items():
        bams_of(net)[stage - 1].spatial_att.gate_s.gate_s_bn_final.weight.fill_(value)  # type: ignore[operator, union-attr]


@torch.no_grad()
def quiet_start(net: BamResNet, stages: Sequence[int]) -> None:
    """Let the fresh BAMs of some stages begin as nearly constant gates of one half."""
    set_contrast(net, dict.fromkeys(stages, 0.2))
    for stage in stages:
        bams_of(net)[stage - 1].channel_att.gate_c.gate_c_bn_final.weight.fill_(0.2)  # type: ignore[operator, union-attr]


class GuidedGates(nn.Module):
    """A BAM-ResNet with an auxiliary classifier at each BAM, and the losses on its gates.

    Args:
        net: The network that is trained and shipped.
        spread: Standard deviation of a gate over the locations of one picture, below which it counts as flat.
        weights: Of the losses spread, smoothness and guide.
        crowding: Weight of the loss on crowded gates.

    Attributes:
        demand: Share of the losses spread and guide that is asked at present, in [0, 1].
    """

    def __init__(self, net: BamResNet, spread: float, weights: Sequence[float], crowding: float = 0.0) -> None:
        super().__init__()
        self.crowding = crowding
        self.net, self.spread, self.weights, self.demand = net, spread, tuple(weights), 1.0
        self.heads = nn.ModuleDict()
        for number, (bam, channels) in enumerate(zip(bams_of(net), net.options.channels, strict=False), start=1):
            bam.spatial_att.gate_s.gate_s_bn_final.weight.requires_grad_(False)  # type: ignore[union-attr]
            self.heads[str(number)] = nn.Sequential(nn.BatchNorm1d(channels), nn.Linear(channels, net.fc.out_features))

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """(B, 3, H, W) -> class logits (B, K) as the network's own forward, each auxiliary head's (B, K), penalty."""
        net, extra, spatials = self.net, {}, []
        x = net.stem(x)
        layers = (net.layer1, net.layer2, net.layer3)
        for number, (layer, bam) in enumerate(zip(layers, bams_of(net), strict=True), start=1):
            x = layer(x)
            spatial = bam.spatial_att(x)
            extra[str(number)] = self.heads[str(number)](gate_pooled(x, spatial))
            spatials.append(spatial.float())
            x = x * (1 + bam.gate(bam.channel_att(x), spatial))
        return net.fc(net.avgpool(net.layer4(x)).flatten(1)), extra, self.penalty(spatials)

    def penalty(self, spatials: Sequence[Tensor]) -> Tensor:
        """Weighted sum of the losses on spatial logits (B, 1, H, W) of the three stages."""
        gates = [torch.sigmoid(s) for s in spatials]
        spread, smooth, guide = self.weights
        flat = torch.stack([shortfall(g, self.spread) for g in gates]).sum()
        rough = torch.stack([roughness(g) for g in gates]).sum()
        apart = torch.stack([disagreement(a, b) for a, b in itertools.pairwise(spatials)]).sum()
        crowded = torch.stack([functional.relu(g.mean((1, 2, 3)) - ROOM).square().mean() for g in gates]).sum()
        return self.demand * (spread * flat + guide * apart) + smooth * rough + self.crowding * crowded


def shortfall(gate: Tensor, spread: float) -> Tensor:
    """By how much gates (B, 1, H, W) vary too little within a picture: mean of max(0, spread - std)².

    Their mean over the batch is taken away first.
    """
    own = gate - gate.mean(0, keepdim=True)
    std = (own.var(dim=(1, 2, 3), correction=0) + 1e-6).sqrt()  # a constant map has a gradient too
    return functional.relu(spread - std).square().mean()


def roughness(gate: Tensor) -> Tensor:
    """Mean absolute difference between neighbours of a gate (B, 1, H, W)."""
    return gate.diff(dim=2).abs().mean() + gate.diff(dim=3).abs().mean()


def disagreement(early: Tensor, late: Tensor) -> Tensor:
    """By how much the correlation of logits (B, 1, H, W) with the next stage's falls short of `AGREEMENT`, mean."""
    guide = functional.interpolate(late.detach(), size=early.shape[2:], mode="bilinear", align_corners=False)
    a, b = (v.flatten(1) - v.flatten(1).mean(1, keepdim=True) for v in (early, guide))
    return functional.relu(AGREEMENT - functional.cosine_similarity(a, b, dim=1)).mean()
