"""CBAM, the Convolutional Block Attention Module: which channels, then which places, inside every block.

Paper: arXiv 1807.06521. Parameter names are those of github.com/Jongchan/attention-module and of every checkpoint
trained with it: ``ChannelGate.mlp.{1,3}``, ``SpatialGate.spatial.{conv,bn}``.
"""

import torch
from torch import Tensor, nn

from attnviz.models.sites import Site


class ChannelGate(nn.Module):
    """One number in (0, 1) per channel, from the map's mean and its maximum (Eq. 2).

    Adaptive pooling takes any height and width.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        """Build the shared two-layer perceptron.

        Args:
            channels: Channels of the features.
            reduction: Factor between `channels` and the hidden layer's width.
        """
        super().__init__()
        hidden = max(1, channels // reduction)
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.maxpool = nn.AdaptiveMaxPool2d(1)
        self.sigmoid = nn.Sigmoid()  # its output, (B, C, 1, 1) in (0, 1), is what a site reads

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel of `x`, float (B, C, H, W), by its gate."""
        logit = self.mlp(self.avgpool(x)) + self.mlp(self.maxpool(x))
        gated: Tensor = x * self.sigmoid(logit[:, :, None, None])
        return gated


class ChannelPool(nn.Module):
    """Maximum and mean over channels, in this order: float (B, C, H, W) -> (B, 2, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Pool over channels."""
        return torch.cat((x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)), dim=1)


class ConvNorm(nn.Module):
    """A convolution without bias and its batch norm, under the names ``conv`` and ``bn``."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        """Build both.

        Args:
            in_channels: Channels of the input.
            out_channels: Channels of the output.
            kernel: Odd side of the square kernel; the map keeps its size.
        """
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and normalise `x`, float (B, in_channels, H, W)."""
        y: Tensor = self.bn(self.conv(x))
        return y


class SpatialGate(nn.Module):
    """One number in (0, 1) per location, from a 7x7 look at the channels' maximum and mean (Eq. 3).

    Departure from the paper, as in the released code: a batch norm after the convolution, and the maximum comes
    before the mean.
    """

    def __init__(self, kernel: int = 7) -> None:
        """Build the gate.

        Args:
            kernel: Odd side of the kernel.
        """
        super().__init__()
        self.compress = ChannelPool()
        self.spatial = ConvNorm(2, 1, kernel)  # its output is the spatial logit, (B, 1, H, W)
        nn.init.zeros_(self.spatial.bn.weight)  # the gate starts flat, as in the released code
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Scale each location of `x`, float (B, C, H, W), by its gate."""
        gated: Tensor = x * self.sigmoid(self.spatial(self.compress(x)))
        return gated


class CBAM(nn.Module):
    """Channel gate, then spatial gate (Eq. 1). Multiplies only: a gate can mute, never amplify."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        """Build both gates.

        Args:
            channels: Channels of the features.
            reduction: Factor between `channels` and the channel gate's hidden width.
        """
        super().__init__()
        self.ChannelGate = ChannelGate(channels, reduction)
        self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """Gate the features `x`, float (B, C, H, W)."""
        gated: Tensor = self.SpatialGate(self.ChannelGate(x))
        return gated


def cbam_sites(path: str, label: str, stage: int, stride: int) -> tuple[Site, ...]:
    """Sites of one `CBAM`.

    Args:
        path: Where the module hangs in the network, for example ``"layer1.0.cbam"``.
        label: Start of the labels, for example ``"stage1.block1"``.
        stage: Stage of the trunk, from 1.
        stride: Input pixels per location.

    Returns:
        Channel gate, spatial logit, spatial gate, in the order they are computed.
    """
    return (
        Site(f"{label}.channel_gate", f"{path}.ChannelGate.sigmoid", "channel_gate", stage, stride),
        Site(f"{label}.spatial_logit", f"{path}.SpatialGate.spatial", "spatial_logit", stage, stride),
        Site(f"{label}.spatial_gate", f"{path}.SpatialGate.sigmoid", "spatial_gate", stage, stride),
    )
