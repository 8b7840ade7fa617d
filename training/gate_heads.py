"""Auxiliary losses that make BAM's spatial logits matter; used in training only, never shipped.

Auxiliary classifiers: each pools the features before a BAM with weights sigmoid(spatial logit) / sum over locations,
and classifies the result. The gradient tells the spatial branch where the evidence for the category lies, from the
category alone: no boxes.

Flatness: the norm at the end of a branch holds the spread of its logits over pictures and locations together. A branch
may spend all of it on differences between pictures, or on a few outliers, and be flat nearly everywhere. So a spatial
gate, sigmoid(spatial logit), that varies too little within a picture is penalised.

Both are departures from the paper (arXiv 1807.06514), which trains the gates through the trunk only.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from attnviz.models.attention.bam import BAM
from attnviz.models.bam_resnet import BamResNet


class GateHeads(nn.Module):
    """A BAM-ResNet with an auxiliary classifier on the attention-pooled features of chosen stages.

    Args:
        net: The network that is trained and shipped.
        stages: Of 1, 2, 3: those with an auxiliary classifier.
        spread: Standard deviation of a spatial gate over the locations of one picture, below which it counts as flat.
    """

    def __init__(self, net: BamResNet, stages: Sequence[int], spread: float = 0.0) -> None:
        super().__init__()
        self.net, self.spread = net, spread
        self.heads = nn.ModuleDict()
        for stage in stages:
            channels = net.options.channels[stage - 1]
            self.heads[str(stage)] = nn.Sequential(nn.BatchNorm1d(channels), nn.Linear(channels, net.fc.out_features))

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """(B, 3, H, W) -> class logits (B, K) as the network's own forward, each auxiliary head's (B, K), flatness."""
        net, extra, flat = self.net, {}, []
        x = net.stem(x)
        stages: tuple[tuple[nn.Module, BAM], ...] = (
            (net.layer1, net.bam1),
            (net.layer2, net.bam2),
            (net.layer3, net.bam3),
        )
        for number, (layer, bam) in enumerate(stages, start=1):
            x = layer(x)
            spatial = bam.spatial_att(x)
            if str(number) in self.heads:
                extra[str(number)] = self.heads[str(number)](gate_pooled(x, spatial))
            flat.append(flatness(spatial, self.spread))
            x = x * (1 + bam.gate(bam.channel_att(x), spatial))
        return net.fc(net.avgpool(net.layer4(x)).flatten(1)), extra, torch.stack(flat).sum()


class NoHeads(nn.Module):
    """Another network in the place of a `GateHeads`.

    Args:
        net: The network that is trained and shipped.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """(B, 3, H, W) -> class logits (B, K), and nothing else."""
        return self.net(x), {}, x.new_zeros(())


def gate_pooled(features: Tensor, spatial: Tensor) -> Tensor:
    """Mean of features weighted by the spatial gate: (B, C, H, W) and logits (B, 1, H, W) -> (B, C)."""
    weights = torch.sigmoid(spatial.float())
    weights = weights / weights.sum(dim=(2, 3), keepdim=True)
    return (features * weights.to(features.dtype)).sum(dim=(2, 3))


def flatness(spatial: Tensor, spread: float) -> Tensor:
    """By how much the gates of logits (B, 1, H, W) vary too little within a picture: mean of max(0, spread - std)²."""
    std = (
        torch.sigmoid(spatial.float()).var(dim=(1, 2, 3), correction=0) + 1e-6
    ).sqrt()  # a constant map has a gradient too
    return functional.relu(spread - std).square().mean()
