"""DANet's two attention modules and its head, paper arXiv 1809.02983; names as in the authors' code."""

import torch
from torch import Tensor, nn

from attnviz.position_attention import QUERIES_PER_CHUNK


class PositionAttention(nn.Module):
    """PAM: every location gathers features from all locations (paper Eq. 1 and 2).

    The energy q.k is not scaled. gamma starts at 0, as in the paper.
    """

    def __init__(self, channels: int, query_channels: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(channels, query_channels, 1)
        self.key_conv = nn.Conv2d(channels, query_channels, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W). Without gradients the N x N matrix is made a thousand rows at a time."""
        query = self.query_conv(x).flatten(2).transpose(1, 2)  # (B, N, C')
        key = self.key_conv(x).flatten(2)  # (B, C', N)
        value = self.value_conv(x).flatten(2).transpose(1, 2)  # (B, N, C)
        chunk = query.shape[1] if torch.is_grad_enabled() else QUERIES_PER_CHUNK
        gathered = torch.cat([self.softmax(part @ key) @ value for part in query.split(chunk, dim=1)], dim=1)
        return x + self.gamma * gathered.transpose(1, 2).reshape_as(x)


class ChannelEnergy(nn.Module):
    """Dot product of every two channels: (B, C, N) -> (B, C, C)."""

    def forward(self, flat: Tensor) -> Tensor:
        """Multiply the features by themselves."""
        return flat @ flat.transpose(1, 2)


class ChannelAttention(nn.Module):
    """CAM: every channel gathers from all channels (paper Eq. 3 and 4); no convolutions.

    Departure of the released code from the paper, kept: softmax(max - energy), which favours channels that
    are unlike. gamma starts at 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.energy = ChannelEnergy()
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        flat = x.flatten(2)
        energy = self.energy(flat)  # (B, C, C)
        attention = self.softmax(energy.amax(dim=-1, keepdim=True) - energy)
        attended: Tensor = (attention @ flat).reshape_as(x)
        return x + self.gamma * attended


class DanetHead(nn.Module):
    """Both attentions in parallel, and a classifier for each and for their sum.

    Args:
        inputs: Channels of the trunk's output.
        channels: Channels of both branches (inputs / 4 in the paper).
        query_channels: Channels of query and key (channels / 8 in the paper).
        num_classes: Classes of each classifier.
    """

    def __init__(self, *, inputs: int, channels: int, query_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv5a = _conv_bn_relu(inputs, channels)
        self.conv5c = _conv_bn_relu(inputs, channels)
        self.sa = PositionAttention(channels, query_channels)
        self.sc = ChannelAttention()
        self.conv51 = _conv_bn_relu(channels, channels)
        self.conv52 = _conv_bn_relu(channels, channels)
        self.conv6 = _classifier(channels, num_classes)
        self.conv7 = _classifier(channels, num_classes)
        self.conv8 = _classifier(channels, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, inputs, H, W) -> class logits of the sum, of PAM and of CAM, each (B, num_classes, H, W)."""
        position = self.conv51(self.sa(self.conv5a(x)))
        channel = self.conv52(self.sc(self.conv5c(x)))
        return self.conv8(position + channel), self.conv6(position), self.conv7(channel)


def _conv_bn_relu(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def _classifier(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(channels, num_classes, 1))
