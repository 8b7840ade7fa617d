"""DANet: a ResNet dilated to stride 8 under position and channel attention, paper arXiv 1809.02983."""

from dataclasses import asdict
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from attnviz.errors import OptionError
from attnviz.models.attention.dual_attention import DanetHead
from attnviz.models.resnet import ResNetTrunk, TrunkOptions
from attnviz.models.sites import Site

STRIDE = 8


class DANet(nn.Module):
    """DANet; names as in the authors' code: ``pretrained`` (the trunk) and ``head``.

    Args:
        trunk: Depth, width, stem and multi-grid; output stride 8.
        num_classes: Classes of each of the three classifiers.
        head_channels: Channels of both branches; None: a quarter of the trunk's, as in the paper.
        query_channels: Channels of query and key; None: an eighth of `head_channels`, as in the paper.
        align_corners: How logits are upsampled to the input's size (True in the authors' code).

    Raises:
        OptionError: A trunk of another stride, or fewer than one class or channel.
    """

    min_size = 16  # two locations each way: below it there is nothing to attend to

    def __init__(
        self,
        trunk: TrunkOptions,
        num_classes: int,
        *,
        head_channels: int | None = None,
        query_channels: int | None = None,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        if trunk.output_stride != STRIDE:
            raise OptionError(f"expected a trunk of output stride {STRIDE}, got {trunk.output_stride}")
        channels = trunk.channels[3] // 4 if head_channels is None else head_channels
        queries = max(1, channels // 8) if query_channels is None else query_channels
        if min(num_classes, channels, queries) < 1:
            raise OptionError(
                f"expected at least 1 class and channel, got {num_classes} classes, {channels} and {queries} channels"
            )
        self.align_corners = align_corners
        self.pretrained = ResNetTrunk(trunk)
        self.head = DanetHead(
            inputs=trunk.channels[3], channels=channels, query_channels=queries, num_classes=num_classes
        )

    @property
    def config(self) -> dict[str, Any]:
        """Everything `attnviz.models.build.build_model` needs to build this network again."""
        query = self.head.sa.query_conv
        return {
            "architecture": "DANet",
            "trunk": asdict(self.pretrained.options),
            "num_classes": self.head.conv8[1].out_channels,
            "head_channels": query.in_channels,
            "query_channels": query.out_channels,
            "align_corners": self.align_corners,
        }

    @property
    def gammas(self) -> dict[str, float]:
        """Weight of each attention in its residual sum; 0 means that the network ignores it."""
        return {"position": self.head.sa.gamma.item(), "channel": self.head.sc.gamma.item()}

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class logits of the sum, of PAM and of CAM, each (B, num_classes, H, W)."""
        fused, position, channel = self.head(self.pretrained(x))
        return self._upsample(fused, x), self._upsample(position, x), self._upsample(channel, x)

    def forward(self, x: Tensor) -> Tensor:
        """Class logits of the sum: (B, 3, H, W), mean and std removed -> (B, num_classes, H, W)."""
        return self._upsample(self.head(self.pretrained(x))[0], x)

    def _upsample(self, logits: Tensor, x: Tensor) -> Tensor:
        return functional.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=self.align_corners)

    def sites(self) -> tuple[Site, ...]:
        """Where both attentions and the three segmentations can be read."""
        return (
            Site("position.query", "head.sa.query_conv", "query", None, STRIDE),
            Site("position.key", "head.sa.key_conv", "key", None, STRIDE),
            Site("position.gamma", "head.sa.gamma", "gamma", None, STRIDE),
            Site("position.output", "head.sa", "features", None, STRIDE),
            Site("channel.matrix", "head.sc.softmax", "channel_matrix", None, STRIDE),
            Site("channel.input", "head.conv5c", "features", None, STRIDE),
            Site("channel.output", "head.sc", "features", None, STRIDE),
            Site("channel.gamma", "head.sc.gamma", "gamma", None, STRIDE),
            Site("segmentation.fused", "head.conv8", "class_logit", None, STRIDE),
            Site("segmentation.position", "head.conv6", "class_logit", None, STRIDE),
            Site("segmentation.channel", "head.conv7", "class_logit", None, STRIDE),
        )
