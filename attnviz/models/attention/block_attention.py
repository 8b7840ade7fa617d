"""Attention inside every residual block: which module, with which options, and where it can be read."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from attnviz.errors import OptionError
from attnviz.models.attention.cbam import CBAM, cbam_sites
from attnviz.models.attention.se import SELayer, se_sites
from attnviz.models.attention.sge import SpatialGroupEnhance, sge_sites
from attnviz.models.sites import Site

BlockAttentionKind = Literal["cbam", "sge", "se"]
_SITES = {"cbam": cbam_sites, "sge": sge_sites, "se": se_sites}


@dataclass(frozen=True)
class BlockAttention:
    """What gates the output of every block before it is added to the identity.

    Attributes:
        kind: ``"cbam"``, ``"sge"`` or ``"se"``; also the name of the submodule, as in published checkpoints.
        reduction: Channels divided by this give the hidden width (CBAM and SE; 16 in both papers).
        groups: Groups of channels (SGE; 64 in the paper); must divide the channels of every stage.
    """

    kind: BlockAttentionKind
    reduction: int = 16
    groups: int = 64

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            OptionError: An option has a value that no module is built with.
        """
        if self.kind not in _SITES:
            raise OptionError(f"expected block attention {', '.join(_SITES)}, got {self.kind!r}")
        for name, value in (("reduction", self.reduction), ("groups", self.groups)):
            if not isinstance(value, int) or value < 1:
                raise OptionError(f"expected {name} of at least 1, got {value!r}")

    def build(self, channels: int) -> nn.Module:
        """The module for features of so many channels.

        Raises:
            OptionError: The groups do not divide the channels.
        """
        if self.kind == "cbam":
            return CBAM(channels, self.reduction)
        if self.kind == "se":
            return SELayer(channels, self.reduction)
        if channels % self.groups:
            raise OptionError(f"expected groups that divide {channels} channels, got {self.groups}")
        return SpatialGroupEnhance(self.groups)

    def sites(self, path: str, label: str, stage: int, stride: int) -> tuple[Site, ...]:
        """Where the module at `path` can be read; labels begin with `label`."""
        return _SITES[self.kind](path, label, stage, stride)
