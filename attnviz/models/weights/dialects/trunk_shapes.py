"""What the names and shapes of a ResNet's tensors tell about it: depth, width, classes."""

import re

from attnviz.models.resnet import BLOCKS, BOTTLENECK_DEPTHS
from attnviz.models.weights.dialects.scheme import Shapes

TORCHVISION_BLOCK = re.compile(r"layer(?P<stage>[1-4])\.(?P<block>\d{1,3})\.(?P<part>\w+)")


def output_channels(shapes: Shapes, name: str, usual: int) -> int:
    """First dimension of a tensor; `usual` where it is not there or has none."""
    shape = shapes.get(name, ())
    return shape[0] if shape and shape[0] > 0 else usual


def depth(shapes: Shapes, block: re.Pattern[str] = TORCHVISION_BLOCK, first_block: int = 0) -> int:
    """The known depth whose stages come nearest to those in the file.

    Args:
        shapes: Names and shapes.
        block: Finds ``stage``, ``block`` and ``part`` in a block's name.
        first_block: Number of a stage's first block.
    """
    counts = [0, 0, 0, 0]
    bottleneck = False
    for name in shapes:
        found = block.search(name)
        if found is None:
            continue
        stage = int(found["stage"]) - 1
        counts[stage] = max(counts[stage], int(found["block"]) + 1 - first_block)
        bottleneck = bottleneck or "conv3" in name[found.start("part") :].split(".")[:3]
    candidates = [known for known in BLOCKS if (known in BOTTLENECK_DEPTHS) == bottleneck]
    return min(candidates, key=lambda known: sum(abs(a - b) for a, b in zip(BLOCKS[known], counts, strict=True)))
