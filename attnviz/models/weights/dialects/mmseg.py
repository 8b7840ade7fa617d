"""Names of mmsegmentation's DANet, version 0.x: ResNetV1c trunk, dilated without multi-grid, corners not aligned."""

import re
from typing import Any

from attnviz.models.weights.dialects.scheme import Scheme, Shape, Shapes, renamed
from attnviz.models.weights.dialects.trunk_shapes import depth, output_channels

_RULES = (
    (re.compile(r"pretrained\.bn1\."), "backbone.stem.7."),
    (re.compile(r"pretrained\.conv1\.(\d)\."), r"backbone.stem.\1."),
    (re.compile(r"pretrained\.layer"), "backbone.layer"),
    (re.compile(r"head\.conv5a\.0\."), "decode_head.pam_in_conv.conv."),
    (re.compile(r"head\.conv5a\.1\."), "decode_head.pam_in_conv.bn."),
    (re.compile(r"head\.conv5c\.0\."), "decode_head.cam_in_conv.conv."),
    (re.compile(r"head\.conv5c\.1\."), "decode_head.cam_in_conv.bn."),
    (re.compile(r"head\.sa\.(query|key|value)_conv\."), r"decode_head.pam.\1_project."),
    (re.compile(r"head\.sa\.gamma"), "decode_head.pam.gamma.scale"),
    (re.compile(r"head\.sc\.gamma"), "decode_head.cam.gamma.scale"),
    (re.compile(r"head\.conv51\.0\."), "decode_head.pam_out_conv.conv."),
    (re.compile(r"head\.conv51\.1\."), "decode_head.pam_out_conv.bn."),
    (re.compile(r"head\.conv52\.0\."), "decode_head.cam_out_conv.conv."),
    (re.compile(r"head\.conv52\.1\."), "decode_head.cam_out_conv.bn."),
    (re.compile(r"head\.conv6\.1\."), "decode_head.pam_conv_seg."),
    (re.compile(r"head\.conv7\.1\."), "decode_head.cam_conv_seg."),
    (re.compile(r"head\.conv8\.1\."), "decode_head.conv_seg."),
)

# A second classifier on stage 3, there for its loss alone.
_AUXILIARY = re.compile(
    r"auxiliary_head\.(conv_seg\.(weight|bias)"
    r"|convs\.\d\.(conv\.weight|bn\.(weight|bias|running_mean|running_var|num_batches_tracked)))"
)


def _name(name: str) -> str:
    return renamed(name, _RULES)


def _stored(name: str, shape: Shape) -> Shape:
    return () if name.endswith(".gamma") else shape  # mmcv's Scale is a number, not a vector of one


def _danet(shapes: Shapes) -> dict[str, Any]:
    return {
        "architecture": "DANet",
        "trunk": {
            "depth": depth(shapes),
            "width": output_channels(shapes, "backbone.layer1.0.conv1.weight", 64),
            "output_stride": 8,
            "deep_stem": tuple(
                output_channels(shapes, f"backbone.stem.{i}.weight", usual) for i, usual in ((0, 32), (3, 32), (6, 64))
            ),
        },
        "num_classes": output_channels(shapes, "decode_head.conv_seg.weight", 19),
        "head_channels": output_channels(shapes, "decode_head.pam_in_conv.conv.weight", 512),
        "query_channels": output_channels(shapes, "decode_head.pam.query_project.weight", 64),
        "align_corners": False,
    }


SCHEMES = (
    Scheme(
        "DANet (mmsegmentation)",
        re.compile(r"decode_head\.|auxiliary_head\.|backbone\.(stem|layer\d)\."),
        _danet,
        theirs=_name,
        stored=_stored,
        dropped=_AUXILIARY,
    ),
)
