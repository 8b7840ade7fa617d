"""SE, Squeeze-and-Excitation: one number per channel and no map, the baseline of attention modules.

Paper: arXiv 1709.01507. Parameter names are those most checkpoints use: ``fc.0`` and ``fc.2``.
"""

from torch import Tensor, nn

from attnviz.models.sites import Site


class SELayer(nn.Module):
    """Scale each channel by a gate in (0, 1) computed from all channels' global averages (Eq. 2-4)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        """Build the two fully connected layers.

        Args:
            channels: Channels of the features.
            reduction: Factor between `channels` and the hidden layer's width.
        """
        super().__init__()
        hidden = max(1, channels // reduction)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of `x`, float (B, C, H, W)."""
        gate = self.fc(self.avg_pool(x).flatten(1))
        gated: Tensor = x * as_map(gate)
        return gated


def as_map(gate: Tensor) -> Tensor:
    """See a gate per channel, (B, C), as a map of one location, (B, C, 1, 1)."""
    return gate[:, :, None, None]


def se_sites(path: str, label: str, stage: int, stride: int) -> tuple[Site, ...]:
    """Sites of one `SELayer`.

    Args:
        path: Where the module hangs in the network, for example ``"layer1.0.se"``.
        label: Start of the label, for example ``"stage1.block1"``.
        stage: Stage of the trunk, from 1.
        stride: Input pixels per location of the features.

    Returns:
        The channel gate.
    """
    return (Site(f"{label}.channel_gate", f"{path}.fc.3", "channel_gate", stage, stride, view=as_map),)
