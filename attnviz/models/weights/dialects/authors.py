"""Authors' own names: BAM and CBAM (Jongchan/attention-module), SGE and SE (implus/PytorchInsight), DANet.

PytorchInsight's BAM and CBAM have the names of the first. All share torchvision's trunk, and this package kept the
names, so that nothing is renamed; only what shapes cannot tell is written down here.
"""

import re
from typing import Any

from attnviz.models.resnet import BLOCKS
from attnviz.models.weights.dialects.scheme import Scheme, Shapes
from attnviz.models.weights.dialects.trunk_shapes import depth, output_channels

_RELEASED_DILATION = 4  # of BAM's 3x3 convolutions, in both repositories
_RELEASED_MULTI_GRID = (4, 8, 16)  # of DANet101, README of junfu1115/DANet; shapes do not show it


def trunk(shapes: Shapes, prefix: str = "") -> dict[str, Any]:
    """Options of a trunk with torchvision's names behind `prefix`, from its shapes."""
    deep = tuple(output_channels(shapes, f"{prefix}conv1.{i}.weight", 64) for i in (0, 3, 6))
    return {
        "depth": depth(shapes),
        "width": output_channels(shapes, f"{prefix}layer1.0.conv1.weight", 64),
        "deep_stem": deep if any(name.startswith(f"{prefix}conv1.0.") for name in shapes) else None,
    }


def _reduction(shapes: Shapes, name: str) -> int:
    """Of a hidden layer's weight, (hidden, channels, ...)."""
    shape = shapes.get(name, ())
    return max(1, shape[1] // shape[0]) if len(shape) > 1 and shape[0] > 0 else 16


def _bam(shapes: Shapes, number: int) -> dict[str, Any]:
    prefix = f"bam{number}."
    weight = shapes.get(f"{prefix}channel_att.gate_c.gate_c_fc_0.weight", ())
    exact = len(weight) == 2 and weight[0] > 0 and weight[1] // weight[0] > 0 and weight[1] % weight[0] == 0
    convs = [name for name in shapes if re.match(rf"{prefix}spatial_att\.gate_s\.gate_s_conv_di_\d+\.weight", name)]
    return {
        "fusion": "product",
        "reduction": weight[1] // weight[0] if exact else 16,
        "hidden": weight[0] if len(weight) == 2 and weight[0] > 0 and not exact else None,
        "dilation": _RELEASED_DILATION,
        "convs": min(len(convs), 8) or 2,
        "final_norm": False,
    }


def _bam_resnet(shapes: Shapes) -> dict[str, Any]:
    return {
        "architecture": "BamResNet",
        "trunk": trunk(shapes),
        "bams": [_bam(shapes, number) for number in (1, 2, 3)],
        "num_classes": output_channels(shapes, "fc.weight", 1000),
    }


def _attention_resnet(shapes: Shapes, attention: dict[str, Any]) -> dict[str, Any]:
    return {
        "architecture": "AttentionResNet",
        "trunk": {**trunk(shapes), "attention": attention},
        "num_classes": output_channels(shapes, "fc.weight", 1000),
    }


def _cbam_resnet(shapes: Shapes) -> dict[str, Any]:
    reduction = _reduction(shapes, "layer1.0.cbam.ChannelGate.mlp.1.weight")
    return _attention_resnet(shapes, {"kind": "cbam", "reduction": reduction})


def _se_resnet(shapes: Shapes) -> dict[str, Any]:
    return _attention_resnet(shapes, {"kind": "se", "reduction": _reduction(shapes, "layer1.0.se.fc.0.weight")})


def _sge_resnet(shapes: Shapes) -> dict[str, Any]:
    shape = shapes.get("layer1.0.sge.weight", ())
    groups = shape[1] if len(shape) == 4 and shape[1] > 0 else 64
    fits = output_channels(shapes, "layer1.0.conv1.weight", 64) % groups == 0
    return _attention_resnet(shapes, {"kind": "sge", "groups": groups if fits else 64})


def _danet(shapes: Shapes) -> dict[str, Any]:
    options = trunk(shapes, "pretrained.")
    blocks = BLOCKS[options["depth"]][3]
    grid = tuple(_RELEASED_MULTI_GRID[i % len(_RELEASED_MULTI_GRID)] for i in range(blocks))
    return {
        "architecture": "DANet",
        "trunk": {**options, "output_stride": 8, "multi_grid": grid},
        "num_classes": output_channels(shapes, "head.conv8.1.weight", 19),
        "head_channels": output_channels(shapes, "head.conv5a.0.weight", 512),
        "query_channels": output_channels(shapes, "head.sa.query_conv.weight", 64),
        "align_corners": True,
    }


SCHEMES = (
    Scheme("BAM-ResNet (authors' code)", re.compile(r"bam[1-3]\.(channel_att|spatial_att)\."), _bam_resnet),
    Scheme("CBAM-ResNet (authors' code)", re.compile(r"layer[1-4]\.\d+\.cbam\."), _cbam_resnet),
    Scheme("SGE-ResNet (PytorchInsight)", re.compile(r"layer[1-4]\.\d+\.sge\."), _sge_resnet),
    Scheme("SE-ResNet (PytorchInsight)", re.compile(r"layer[1-4]\.\d+\.se\.fc\."), _se_resnet),
    Scheme("DANet (authors' code)", re.compile(r"pretrained\.|head\.(conv5[ac]|conv5[12]|conv[678]|s[ac])\."), _danet),
)
