"""From a plain description to a network: the only place that knows which class an architecture's name means."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from attnviz.errors import OptionError
from attnviz.models.attention.bam import BamOptions
from attnviz.models.attention.block_attention import BlockAttention
from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.bam_resnet import BamResNet
from attnviz.models.danet import DANet
from attnviz.models.resnet import TrunkOptions


def build_model(config: Mapping[str, Any]) -> nn.Module:
    """Build a network with random weights, in training mode.

    Args:
        config: ``{"architecture": "BamResNet", "trunk": {...}, "bams": [{...}, {...}, {...}], "num_classes": n}`` or
            ``{"architecture": "DANet", "trunk": {...}, "num_classes": n, "head_channels": ..., "query_channels": ...,
            "align_corners": ...}`` or ``{"architecture": "AttentionResNet", "trunk": {...}, "num_classes": n}``; a
            network's own ``.config`` is one. Fields of ``trunk`` and ``bams`` are those of `TrunkOptions` and
            `BamOptions`, those of the trunk's ``attention`` those of `BlockAttention`.

    Raises:
        OptionError: The architecture or a field is unknown, missing, or of a value nothing is built with.

    Example:
        >>> import attnviz
        >>> trunk = {"depth": 18, "width": 16, "attention": {"kind": "se"}}
        >>> net = attnviz.build_model({"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 10})
        >>> net.sites()[0].label
        'stage1.block1.channel_gate'
    """
    fields = dict(config)
    architecture = fields.pop("architecture", None)
    try:
        trunk = _trunk(fields.pop("trunk"))
        if architecture == "BamResNet":
            bams = [BamOptions(**bam) for bam in fields.pop("bams")]
            return BamResNet(trunk, bams, **fields)
        if architecture == "DANet":
            return DANet(trunk, **fields)
        if architecture == "AttentionResNet":
            return AttentionResNet(trunk, **fields)
    except OptionError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OptionError(f"expected a full description of a {architecture}, got one with {error}") from error
    raise OptionError(f"expected architecture BamResNet, DANet or AttentionResNet, got {architecture!r}")


def _trunk(fields: Mapping[str, Any]) -> TrunkOptions:
    listed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    if isinstance(listed.get("attention"), Mapping):
        listed["attention"] = BlockAttention(**listed["attention"])
    return TrunkOptions(**listed)
