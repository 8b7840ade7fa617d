"""ResNet with a BAM after each of its first three stages, paper arXiv 1807.06514."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.models.attention.bam import BAM, BamOptions, effective_gain
from attnviz.models.resnet import ResNetTrunk, TrunkOptions, initialise
from attnviz.models.sites import Site

STRIDES = (4, 8, 16)  # input pixels per location after stages 1, 2 and 3


class BamResNet(ResNetTrunk):
    """BAM-ResNet classifier; names as in the authors' code: ``bam1 bam2 bam3 fc`` beside torchvision's.

    Args:
        trunk: Depth, width and stem; never dilated.
        bams: Options of the three BAMs, in order.
        num_classes: Outputs of the classifier.

    Raises:
        OptionError: Not three BAMs, a dilated trunk, or fewer than one class.
    """

    min_size = 32  # below it the last stage has no location left

    def __init__(self, trunk: TrunkOptions, bams: Sequence[BamOptions], num_classes: int) -> None:
        if len(bams) != 3:
            raise OptionError(f"expected options of 3 BAMs, got {len(bams)}")
        if trunk.output_stride != 32:
            raise OptionError(f"expected a classifier's trunk of output stride 32, got {trunk.output_stride}")
        if num_classes < 1:
            raise OptionError(f"expected at least 1 class, got {num_classes}")
        super().__init__(trunk)
        self.bam1, self.bam2, self.bam3 = (
            BAM(channels, options) for channels, options in zip(trunk.channels[:3], bams, strict=True)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(trunk.channels[3], num_classes)
        for bam in (self.bam1, self.bam2, self.bam3):
            initialise(bam)

    @property
    def config(self) -> dict[str, Any]:
        """Everything `attnviz.models.build.build_model` needs to build this network again."""
        return {
            "architecture": "BamResNet",
            "trunk": asdict(self.options),
            "bams": [asdict(bam.options) for bam in (self.bam1, self.bam2, self.bam3)],
            "num_classes": self.fc.out_features,
        }

    def forward(self, x: Tensor) -> Tensor:
        """Class logits: (B, 3, H, W), mean and std removed -> (B, num_classes). H, W >= 32, not nec. square."""
        x = self.bam1(self.layer1(self.stem(x)))
        x = self.bam2(self.layer2(x))
        x = self.bam3(self.layer3(x))
        x = self.avgpool(self.layer4(x))
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]

    def sites(self) -> tuple[Site, ...]:
        """Where the attention of each stage can be read."""
        found: list[Site] = []
        for stage, stride in enumerate(STRIDES, start=1):
            bam, label = f"bam{stage}", f"stage{stage}"
            gate = getattr(self, bam).gate
            found += [
                Site(f"{label}.spatial_logit", f"{bam}.spatial_att", "spatial_logit", stage, stride),
                Site(f"{label}.channel_logit", f"{bam}.channel_att", "channel_logit", stage, stride),
                Site(f"{label}.gate", f"{bam}.gate", "gate", stage, stride),
                Site(f"{label}.gain", f"{bam}.gate", "effective_gain", stage, stride, gate.fusion, view=effective_gain),
            ]
        return tuple(found)
