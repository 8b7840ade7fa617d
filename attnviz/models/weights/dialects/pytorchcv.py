"""Names of pytorchcv 0.0.74: BAM-ResNet, CBAM-ResNet and DANet on its dilated ResNet with a deep stem.

Its "ResNet(D)" is dilated, but has none of ResNet-D's average pooling in the shortcuts. The trunk of its DANet has
names (``init_block``, ``stage1`` ...) where the file was written with an older PyTorch, and numbers (``0``, ``1`` ...)
with a newer one, which numbers a sequence again when its last part is taken off.
"""

import re
from typing import Any

from attnviz.models.weights.dialects.scheme import Scheme, Shapes, renamed
from attnviz.models.weights.dialects.trunk_shapes import depth, output_channels

_BLOCK = re.compile(r"stage(?P<stage>[1-4])\.unit(?P<block>\d{1,3})\.(?P<part>\w+)")
_LAYER = re.compile(r"layer(\d+)\.(\d+)\.(.*)")
_BAM = re.compile(r"bam(\d)\.(.*)")

_STEM = (
    (re.compile(r"conv1\."), "init_block.conv.conv."),
    (re.compile(r"bn1\."), "init_block.conv.bn."),
)
_DEEP_STEM = (
    (re.compile(r"conv1\.0\."), "init_block.conv1.conv."),
    (re.compile(r"conv1\.1\."), "init_block.conv1.bn."),
    (re.compile(r"conv1\.3\."), "init_block.conv2.conv."),
    (re.compile(r"conv1\.4\."), "init_block.conv2.bn."),
    (re.compile(r"conv1\.6\."), "init_block.conv3.conv."),
    (re.compile(r"bn1\."), "init_block.conv3.bn."),
)
_IN_BLOCK = (
    (re.compile(r"conv(\d)\."), r"body.conv\1.conv."),
    (re.compile(r"bn(\d)\."), r"body.conv\1.bn."),
    (re.compile(r"downsample\.0\."), "identity_conv.conv."),
    (re.compile(r"downsample\.1\."), "identity_conv.bn."),
    (re.compile(r"cbam\.ChannelGate\.mlp\.1\."), "cbam.ch_gate.mlp.fc1."),
    (re.compile(r"cbam\.ChannelGate\.mlp\.3\."), "cbam.ch_gate.mlp.fc2."),
    (re.compile(r"cbam\.SpatialGate\.spatial\.conv\."), "cbam.sp_gate.conv.conv."),
    (re.compile(r"cbam\.SpatialGate\.spatial\.bn\."), "cbam.sp_gate.conv.bn."),
)
_IN_BAM = (
    (re.compile(r"channel_att\.gate_c\.gate_c_fc_0\."), "ch_att.init_fc.fc."),
    (re.compile(r"channel_att\.gate_c\.gate_c_bn_1\."), "ch_att.init_fc.bn."),
    (re.compile(r"channel_att\.gate_c\.gate_c_fc_final\."), "ch_att.final_fc."),
    (re.compile(r"spatial_att\.gate_s\.gate_s_conv_reduce0\."), "sp_att.init_conv.conv."),
    (re.compile(r"spatial_att\.gate_s\.gate_s_bn_reduce0\."), "sp_att.init_conv.bn."),
    (re.compile(r"spatial_att\.gate_s\.gate_s_conv_di_0\."), "sp_att.dil_convs.conv1.conv."),
    (re.compile(r"spatial_att\.gate_s\.gate_s_bn_di_0\."), "sp_att.dil_convs.conv1.bn."),
    (re.compile(r"spatial_att\.gate_s\.gate_s_conv_di_1\."), "sp_att.dil_convs.conv2.conv."),
    (re.compile(r"spatial_att\.gate_s\.gate_s_bn_di_1\."), "sp_att.dil_convs.conv2.bn."),
    (re.compile(r"spatial_att\.gate_s\.gate_s_conv_final\."), "sp_att.final_conv."),
)
_IN_HEAD = (
    (re.compile(r"head\.conv5a\.0\."), "head.branch_pa.conv1.conv."),
    (re.compile(r"head\.conv5a\.1\."), "head.branch_pa.conv1.bn."),
    (re.compile(r"head\.conv5c\.0\."), "head.branch_ca.conv1.conv."),
    (re.compile(r"head\.conv5c\.1\."), "head.branch_ca.conv1.bn."),
    (re.compile(r"head\.sa\.gamma"), "head.branch_pa.att.scale.alpha"),
    (re.compile(r"head\.sc\.gamma"), "head.branch_ca.att.scale.alpha"),
    (re.compile(r"head\.sa\."), "head.branch_pa.att."),
    (re.compile(r"head\.conv51\.0\."), "head.branch_pa.conv2.conv."),
    (re.compile(r"head\.conv51\.1\."), "head.branch_pa.conv2.bn."),
    (re.compile(r"head\.conv52\.0\."), "head.branch_ca.conv2.conv."),
    (re.compile(r"head\.conv52\.1\."), "head.branch_ca.conv2.bn."),
    (re.compile(r"head\.conv6\.1\."), "head.branch_pa.conv3."),
    (re.compile(r"head\.conv7\.1\."), "head.branch_ca.conv3."),
    (re.compile(r"head\.conv8\.1\."), "head.conv."),
)
_NUMBERED = (
    (re.compile(r"backbone\.init_block\."), "backbone.0."),
    (re.compile(r"backbone\.stage(\d)\."), r"backbone.\1."),
)
_NAMED = (
    (re.compile(r"backbone\.0\."), "backbone.init_block."),
    (re.compile(r"backbone\.(\d)\."), r"backbone.stage\1."),
)


def _bam_name(name: str) -> str:
    """A BAM after a stage is here the beginning of the next stage's first unit."""
    if found := _BAM.match(name):
        return f"features.stage{int(found[1]) + 1}.unit1.bam.{renamed(found[2], _IN_BAM)}"
    if found := _LAYER.match(name):
        return f"features.stage{found[1]}.unit{int(found[2]) + 1}.res_unit.{renamed(found[3], _IN_BLOCK)}"
    return _classifier_name(name)


def _cbam_name(name: str) -> str:
    if found := _LAYER.match(name):
        return f"features.stage{found[1]}.unit{int(found[2]) + 1}.{renamed(found[3], _IN_BLOCK)}"
    return _classifier_name(name)


def _classifier_name(name: str) -> str:
    return name.replace("fc.", "output.", 1) if name.startswith("fc.") else "features." + renamed(name, _STEM)


def _danet_name(name: str) -> str:
    if not name.startswith("pretrained."):
        return renamed(name, _IN_HEAD)
    name = name.removeprefix("pretrained.")
    if found := _LAYER.match(name):
        return f"backbone.stage{found[1]}.unit{int(found[2]) + 1}.{renamed(found[3], _IN_BLOCK)}"
    return "backbone." + renamed(name, _DEEP_STEM)


def _numbered_danet_name(name: str) -> str:
    return renamed(_danet_name(name), _NUMBERED)


def _reduction(shapes: Shapes, name: str) -> int:
    shape = shapes.get(name, ())
    return max(1, shape[1] // shape[0]) if len(shape) > 1 and shape[0] > 0 else 16


def _bam_resnet(shapes: Shapes) -> dict[str, Any]:
    bams = [
        {
            "fusion": "product",
            "reduction": _reduction(shapes, f"features.stage{stage}.unit1.bam.ch_att.init_fc.fc.weight"),
            "final_norm": False,
        }
        for stage in (2, 3, 4)
    ]
    return {
        "architecture": "BamResNet",
        "trunk": {
            "depth": depth(shapes, _BLOCK, first_block=1),
            "width": output_channels(shapes, "features.init_block.conv.conv.weight", 64),
        },
        "bams": bams,
        "num_classes": output_channels(shapes, "output.weight", 1000),
    }


def _cbam_resnet(shapes: Shapes) -> dict[str, Any]:
    reduction = _reduction(shapes, "features.stage1.unit1.cbam.ch_gate.mlp.fc1.weight")
    return {
        "architecture": "AttentionResNet",
        "trunk": {
            "depth": depth(shapes, _BLOCK, first_block=1),
            "width": output_channels(shapes, "features.init_block.conv.conv.weight", 64),
            "attention": {"kind": "cbam", "reduction": reduction},
        },
        "num_classes": output_channels(shapes, "output.weight", 1000),
    }


def _danet(shapes: Shapes) -> dict[str, Any]:
    stem = tuple(
        output_channels(shapes, f"backbone.init_block.conv{i}.conv.weight", usual)
        for i, usual in ((1, 64), (2, 64), (3, 128))
    )
    return {
        "architecture": "DANet",
        "trunk": {
            "depth": depth(shapes, _BLOCK, first_block=1),
            "width": output_channels(shapes, "backbone.stage1.unit1.body.conv1.conv.weight", 64),
            "output_stride": 8,
            "deep_stem": stem,
        },
        "num_classes": output_channels(shapes, "head.conv.weight", 19),
        "head_channels": output_channels(shapes, "head.branch_pa.conv1.conv.weight", 512),
        "query_channels": output_channels(shapes, "head.branch_pa.att.query_conv.weight", 64),
        "align_corners": True,
    }


def _numbered_danet(shapes: Shapes) -> dict[str, Any]:
    return _danet({renamed(name, _NAMED): shape for name, shape in shapes.items()})


SCHEMES = (
    Scheme(
        "BAM-ResNet (pytorchcv)",
        re.compile(r"features\.stage\d+\.unit\d+\.(bam|res_unit)\."),
        _bam_resnet,
        theirs=_bam_name,
    ),
    Scheme(
        "CBAM-ResNet (pytorchcv)",
        re.compile(r"features\.stage\d+\.unit\d+\.cbam\."),
        _cbam_resnet,
        theirs=_cbam_name,
    ),
    Scheme(
        "DANet (pytorchcv)",
        re.compile(r"backbone\.(stage\d+|init_block)\.|head\.branch_"),
        _danet,
        theirs=_danet_name,
    ),
    Scheme(
        "DANet (pytorchcv, numbered trunk)",
        re.compile(r"backbone\.\d+\."),
        _numbered_danet,
        theirs=_numbered_danet_name,
    ),
)
