"""ResNet trunks of any width, dilated or not, with torchvision's parameter names (paper arXiv 1512.03385)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.models.attention.block_attention import BlockAttention

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BOTTLENECK_DEPTHS = (50, 101, 152)


@dataclass(frozen=True)
class TrunkOptions:
    """What tells one ResNet trunk from another.

    Attributes:
        depth: 18, 34, 50, 101 or 152.
        width: Channels after the stem; stages have 1, 2, 4 and 8 times as many (times 4 in bottlenecks).
        output_stride: 32, or 8: stages 3 and 4 keep their resolution and are dilated by 2 and 4.
        multi_grid: Dilations of the blocks of stage 4, for example ``(4, 8, 16)`` in the released DANet; None
            gives 2 in the first block and 4 after it.
        deep_stem: Channels of three 3x3 convolutions that replace the 7x7 one, for example ``(64, 64, 128)``
            (ResNet-D); None keeps the 7x7 one.
        stride_in_1x1: A bottleneck's stride sits in its first 1x1 convolution (the 2015 paper, pytorchcv)
            instead of its 3x3 one (torchvision).
        attention: What gates the output of every block before it is added to the identity; None: nothing.
    """

    depth: int = 50
    width: int = 64
    output_stride: int = 32
    multi_grid: tuple[int, ...] | None = None
    deep_stem: tuple[int, int, int] | None = None
    stride_in_1x1: bool = False
    attention: BlockAttention | None = None

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            OptionError: An option has a value that no trunk is built with.
        """
        if self.depth not in BLOCKS:
            raise OptionError(f"expected a ResNet depth of {', '.join(map(str, BLOCKS))}, got {self.depth}")
        if self.width < 1:
            raise OptionError(f"expected a width of at least 1 channel, got {self.width}")
        if self.output_stride not in (8, 32):
            raise OptionError(f"expected an output stride of 8 or 32, got {self.output_stride}")
        if self.multi_grid is not None and (
            self.output_stride != 8 or len(self.multi_grid) != BLOCKS[self.depth][3] or min(self.multi_grid) < 1
        ):
            raise OptionError(
                f"expected {BLOCKS[self.depth][3]} multi-grid dilations and output stride 8, "
                f"got {self.multi_grid} and {self.output_stride}"
            )

    @property
    def blocks(self) -> tuple[int, int, int, int]:
        """Number of blocks of stages 1 to 4."""
        return BLOCKS[self.depth]

    @property
    def expansion(self) -> int:
        """Output channels of a block per channel of its 3x3 convolution."""
        return 4 if self.depth in BOTTLENECK_DEPTHS else 1

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels after stages 1 to 4."""
        base = self.width * self.expansion
        return base, 2 * base, 4 * base, 8 * base


def conv3x3(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """3x3 convolution without bias that keeps H x W at stride 1, whatever the dilation."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """1x1 projection of the identity, None where the shapes already agree."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


@dataclass(frozen=True)
class BlockShape:
    """Shape of one residual block; `first_dilation` is that of its first 3x3 convolution."""

    inputs: int
    planes: int
    stride: int
    first_dilation: int
    dilation: int
    stride_in_1x1: bool = False
    attention: BlockAttention | None = None


class ResidualBlock(nn.Module):
    """What both kinds of block share: attention, where there is any, under its own kind's name."""

    def __init__(self, attention: BlockAttention | None, outputs: int) -> None:
        super().__init__()
        self.attention = attention
        if attention is not None:
            self.add_module(attention.kind, attention.build(outputs))

    def attend(self, x: Tensor) -> Tensor:
        """Gate the block's output, (B, outputs, H, W); without attention it stays as it is."""
        if self.attention is None:
            return x
        gated: Tensor = self.get_submodule(self.attention.kind)(x)
        return gated


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions and the identity."""

    expansion = 1

    def __init__(self, shape: BlockShape) -> None:
        super().__init__(shape.attention, shape.planes)
        self.conv1 = conv3x3(shape.inputs, shape.planes, shape.stride, shape.first_dilation)
        self.bn1 = nn.BatchNorm2d(shape.planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(shape.planes, shape.planes, 1, shape.dilation)
        self.bn2 = nn.BatchNorm2d(shape.planes)
        self.downsample = shortcut(shape.inputs, shape.planes, shape.stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, planes, H / stride, W / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.attend(self.bn2(self.conv2(x)))
        x = self.relu(x + identity)
        return x


class Bottleneck(ResidualBlock):
    """1x1 reduce, 3x3, 1x1 expand by 4, and the identity."""

    expansion = 4

    def __init__(self, shape: BlockShape) -> None:
        outputs = shape.planes * self.expansion
        super().__init__(shape.attention, outputs)
        stride1, stride2 = (shape.stride, 1) if shape.stride_in_1x1 else (1, shape.stride)
        self.conv1 = nn.Conv2d(shape.inputs, shape.planes, 1, stride1, bias=False)
        self.bn1 = nn.BatchNorm2d(shape.planes)
        self.conv2 = conv3x3(shape.planes, shape.planes, stride2, shape.first_dilation)
        self.bn2 = nn.BatchNorm2d(shape.planes)
        self.conv3 = nn.Conv2d(shape.planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(shape.inputs, outputs, shape.stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, 4 * planes, H / stride, W / stride)."""
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.attend(self.bn3(self.conv3(x)))
        x = self.relu(x + identity)
        return x


class ResNetTrunk(nn.Module):
    """Stem and four stages; names as in torchvision: ``conv1 bn1 layer1 layer2 layer3 layer4``."""

    def __init__(self, options: TrunkOptions) -> None:
        super().__init__()
        self.options = options
        stem = options.width if options.deep_stem is None else options.deep_stem[-1]
        self.conv1 = _stem(options)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(options, 1, inputs=stem)
        self.layer2 = _stage(options, 2, inputs=options.channels[0])
        self.layer3 = _stage(options, 3, inputs=options.channels[1])
        self.layer4 = _stage(options, 4, inputs=options.channels[2])
        initialise(self)

    def stem(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, width, ceil(H / 4), ceil(W / 4))."""
        return self.maxpool(self.relu(self.bn1(self.conv1(x))))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, channels[3], H / output_stride, W / output_stride), rounded up."""
        x = self.stem(x)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x


def initialise(module: nn.Module) -> None:
    """He initialisation of every convolution, as in torchvision; batch norms start as the identity."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _stem(options: TrunkOptions) -> nn.Module:
    if options.deep_stem is None:
        return nn.Conv2d(3, options.width, 7, stride=2, padding=3, bias=False)
    first, second, third = options.deep_stem
    return nn.Sequential(
        conv3x3(3, first, stride=2),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        conv3x3(first, second),
        nn.BatchNorm2d(second),
        nn.ReLU(inplace=True),
        conv3x3(second, third),
    )


def _stage(options: TrunkOptions, number: int, inputs: int) -> nn.Sequential:
    block = Bottleneck if options.depth in BOTTLENECK_DEPTHS else BasicBlock
    planes = options.width * 2 ** (number - 1)
    count = BLOCKS[options.depth][number - 1]
    stride = 2 if number == 2 or (number > 2 and options.output_stride == 32) else 1
    blocks: list[nn.Module] = []
    for index, (first, dilation) in enumerate(_dilations(options, number, count)):
        shape = BlockShape(
            inputs=inputs,
            planes=planes,
            stride=stride if index == 0 else 1,
            first_dilation=first,
            dilation=dilation,
            stride_in_1x1=options.stride_in_1x1,
            attention=options.attention,
        )
        blocks.append(block(shape))
        inputs = planes * block.expansion
    return nn.Sequential(*blocks)


def _dilations(options: TrunkOptions, number: int, count: int) -> Sequence[tuple[int, int]]:
    """(first, second) dilation of each block; the first block of a dilated stage begins at half the dilation."""
    if options.output_stride == 32 or number < 3:
        return [(1, 1)] * count
    if number == 4 and options.multi_grid is not None:
        return [(d, d) for d in options.multi_grid]
    dilation = 2 ** (number - 2)
    return [(dilation // 2, dilation)] + [(dilation, dilation)] * (count - 1)
