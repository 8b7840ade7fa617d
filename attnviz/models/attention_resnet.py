"""ResNet classifiers with attention inside every block (CBAM, SGE, SE), or with none to compare with."""

from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.models.resnet import ResNetTrunk, TrunkOptions
from attnviz.models.sites import Site

STRIDES = (4, 8, 16, 32)  # input pixels per location in stages 1 to 4


class AttentionResNet(ResNetTrunk):
    """ResNet classifier; names as in torchvision, with ``cbam``, ``sge`` or ``se`` in each block.

    Args:
        trunk: Depth, width, stem and block attention; never dilated.
        num_classes: Outputs of the classifier.

    Raises:
        OptionError: A dilated trunk, or fewer than one class.
    """

    min_size = 32  # below it the last stage has no location left

    def __init__(self, trunk: TrunkOptions, num_classes: int) -> None:
        if trunk.output_stride != 32:
            raise OptionError(f"expected a classifier's trunk of output stride 32, got {trunk.output_stride}")
        if num_classes < 1:
            raise OptionError(f"expected at least 1 class, got {num_classes}")
        super().__init__(trunk)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(trunk.channels[3], num_classes)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `attnviz.models.build.build_model` needs to build this network again."""
        return {
            "architecture": "AttentionResNet",
            "trunk": asdict(self.options),
            "num_classes": self.fc.out_features,
        }

    def forward(self, x: Tensor) -> Tensor:
        """Class logits: (B, 3, H, W), mean and std removed -> (B, num_classes). H, W >= 32, any aspect ratio."""
        x = self.avgpool(super().forward(x))
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]

    def sites(self) -> tuple[Site, ...]:
        """Where the attention of each block can be read, from the first block on; none without attention."""
        attention = self.options.attention
        if attention is None:
            return ()
        found: list[Site] = []
        for stage, stride in enumerate(STRIDES, start=1):
            for block in range(self.options.blocks[stage - 1]):
                path = f"layer{stage}.{block}.{attention.kind}"
                found += attention.sites(path, f"stage{stage}.block{block + 1}", stage, stride)
        return tuple(found)
