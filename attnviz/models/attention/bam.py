"""The Bottleneck Attention Module (BAM), paper arXiv 1807.06514.

Parameter names are those of the authors' code. Every tensor that is shown is the output of a submodule:
``channel_att`` (channel logits), ``spatial_att`` (spatial logits) and ``gate`` (their fused sigmoid).
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from attnviz.errors import OptionError

Fusion = Literal["sum", "product"]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


@dataclass(frozen=True)
class BamOptions:
    """What tells one BAM from another.

    Attributes:
        fusion: ``"sum"``: sigmoid(channel + spatial), the paper's Eq. 2; ``"product"``: sigmoid(channel * spatial),
            the authors' released code and weights.
        reduction: Channels divided by this give the hidden width of both branches (16 in the paper).
        hidden: Hidden width itself; when given, `reduction` is not used.
        dilation: Of the 3x3 convolutions (4 in the paper). Their padding equals it, so that H x W is kept.
        convs: Number of dilated 3x3 convolutions (2 in the paper).
        padding_mode: Of the dilated convolutions (zeros in the paper).
        final_norm: Batch norm at the end of both branches (the paper's Eq. 3 and 4); False: none (released code).
    """

    fusion: Fusion = "sum"
    reduction: int = 16
    hidden: int | None = None
    dilation: int = 4
    convs: int = 2
    padding_mode: PaddingMode = "zeros"
    final_norm: bool = True

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            OptionError: An option has a value that no BAM is built with.
        """
        if self.fusion not in ("sum", "product"):
            raise OptionError(f"expected fusion 'sum' or 'product', got {self.fusion!r}")
        if self.padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise OptionError(f"expected padding mode zeros, reflect, replicate or circular, got {self.padding_mode!r}")
        numbers = {"reduction": self.reduction, "dilation": self.dilation, "hidden": self.hidden or 1}
        for name, value in numbers.items():
            if value < 1:
                raise OptionError(f"expected {name} of at least 1, got {value}")
        if not 0 <= self.convs <= 16:
            raise OptionError(f"expected 0 to 16 dilated convolutions, got {self.convs}")

    def hidden_width(self, channels: int) -> int:
        """Hidden width of both branches for features of so many channels, at least 1."""
        return self.hidden if self.hidden is not None else max(1, channels // self.reduction)


class ChannelGate(nn.Module):
    """Channel branch: global average pool, two fully connected layers (paper Eq. 3)."""

    def __init__(self, channels: int, options: BamOptions) -> None:
        super().__init__()
        hidden = options.hidden_width(channels)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["flatten"] = nn.Flatten()
        layers["gate_c_fc_0"] = nn.Linear(channels, hidden)
        layers["gate_c_bn_1"] = nn.BatchNorm1d(hidden)
        layers["gate_c_relu_1"] = nn.ReLU()
        layers["gate_c_fc_final"] = nn.Linear(hidden, channels)
        if options.final_norm:
            layers["gate_c_bn_final"] = nn.BatchNorm1d(channels)
        self.gate_c = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Channel logits: (B, C, H, W) -> (B, C, 1, 1).

        The released code pools a square of H x H; here any H x W is pooled whole.
        """
        logits: Tensor = self.gate_c(functional.adaptive_avg_pool2d(x, 1))
        return logits[:, :, None, None]


class SpatialGate(nn.Module):
    """Spatial branch: 1x1 reduce, dilated 3x3 convolutions, 1x1 to one channel (paper Eq. 4)."""

    def __init__(self, channels: int, options: BamOptions) -> None:
        super().__init__()
        hidden = options.hidden_width(channels)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["gate_s_conv_reduce0"] = nn.Conv2d(channels, hidden, 1)
        layers["gate_s_bn_reduce0"] = nn.BatchNorm2d(hidden)
        layers["gate_s_relu_reduce0"] = nn.ReLU()
        for i in range(options.convs):
            layers[f"gate_s_conv_di_{i}"] = nn.Conv2d(
                hidden,
                hidden,
                3,
                padding=options.dilation,  # equal to the dilation: any other value shrinks H x W
                dilation=options.dilation,
                padding_mode=options.padding_mode,
            )
            layers[f"gate_s_bn_di_{i}"] = nn.BatchNorm2d(hidden)
            layers[f"gate_s_relu_di_{i}"] = nn.ReLU()
        layers["gate_s_conv_final"] = nn.Conv2d(hidden, 1, 1)
        if options.final_norm:
            layers["gate_s_bn_final"] = nn.BatchNorm2d(1)
        self.gate_s = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Spatial logits: (B, C, H, W) -> (B, 1, H, W)."""
        logits: Tensor = self.gate_s(x)
        return logits


class FusedLogits(nn.Module):
    """Sum or product of both branches' logits."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, channel: Tensor, spatial: Tensor) -> Tensor:
        """(B, C, 1, 1) and (B, 1, H, W) -> (B, C, H, W), unbounded."""
        return channel + spatial if self.fusion == "sum" else channel * spatial


class FusedGate(nn.Module):
    """The sigmoid of both branches' logits, broadcast to the features (paper Eq. 2)."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion
        self.fused = FusedLogits(fusion)

    def forward(self, channel: Tensor, spatial: Tensor) -> Tensor:
        """(B, C, 1, 1) and (B, 1, H, W) -> (B, C, H, W) in (0, 1)."""
        return torch.sigmoid(self.fused(channel, spatial))


class BAM(nn.Module):
    """Residual attention over channels and locations: F' = F + F * M(F) (paper Eq. 1)."""

    def __init__(self, channels: int, options: BamOptions) -> None:
        super().__init__()
        self.options = options
        self.channel_att = ChannelGate(channels, options)
        self.spatial_att = SpatialGate(channels, options)
        self.gate = FusedGate(options.fusion)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        gate: Tensor = self.gate(self.channel_att(x), self.spatial_att(x))
        return x * (1 + gate)


def effective_gain(gate: Tensor) -> Tensor:
    """What a location's features are multiplied by, averaged over channels.

    The honest number per location: with the product of logits, a negative channel logit turns a high spatial
    logit into suppression, so the sigmoid of the spatial logit alone misleads.

    Args:
        gate: M(F), (B, C, H, W) in (0, 1).

    Returns:
        (B, 1, H, W) in (1, 2): the mean over channels of 1 + M(F).
    """
    return 1 + gate.mean(dim=1, keepdim=True)
