"""What one attention module came to, as plain NumPy arrays: maps, logits and gates.

Shapes are (rows, columns); grids are the network's own locations ("cells"), never upsampled here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """One number per location of the network's grid.

    Attributes:
        label: Stable name, for example ``"stage1.gain"``.
        title: Name for people, for example ``"Stage 1 · effective gain"``.
        kind: As in `attnviz.models.sites.SiteKind`, or ``"position_row"`` and the like.
        values: float32 (h, w), finite, in the unit below, never rescaled.
        unit: Unit for people, for example ``"x"`` (a gain), ``"logit"``, ``"share"``.
        bounds: The range the quantity can take by definition; None where it is unbounded.
        stage: Stage of the trunk, from 1; None for heads.
        stride: Input pixels per location.

    Example:
        >>> import attnviz
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
        >>> gain = explanation.maps["stage3.gain"]
        >>> gain.title, gain.values.shape, gain.stride
        ('Stage 3 · effective gain', (8, 12), 16)
    """

    label: str
    title: str
    kind: str
    values: FloatArray
    unit: str
    bounds: tuple[float | None, float | None]
    stage: int | None
    stride: int

    @property
    def raw_range(self) -> tuple[float, float]:
        """Smallest and largest value, in `unit`."""
        return float(self.values.min()), float(self.values.max())


@dataclass(frozen=True, eq=False)
class StageAttention:
    """What one BAM computed (paper arXiv 1807.06514, Eq. 2-4).

    Attributes:
        stage: 1, 2 or 3; the BAM sits after this stage of the trunk.
        stride: Input pixels per location.
        fusion: ``"sum"``: sigmoid(channel + spatial), the paper; ``"product"``: the released code.
        spatial_logit: float32 (h, w), unbounded.
        channel_logit: float32 (C,), unbounded.
        gain: float32 (h, w) in (1, 2): mean over channels of 1 + sigmoid(fused logits).
    """

    stage: int
    stride: int
    fusion: str
    spatial_logit: AttentionMap
    channel_logit: FloatArray
    gain: AttentionMap

    def gate(self, channel: int) -> FloatArray:
        """The gate of one channel, float32 (h, w) in (0, 1)."""
        spatial, logit = self.spatial_logit.values, self.channel_logit[channel]
        fused = spatial + logit if self.fusion == "sum" else spatial * logit
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * fused)), dtype=np.float32)  # sigmoid without overflow


@dataclass(frozen=True, eq=False)
class ChannelAttention:
    """DANet's channel attention (paper arXiv 1809.02983, section 3.3).

    Attributes:
        matrix: float32 (C, C), rows sum to 1: softmax(max - F F^T), as in the released code.
        output: float32 (C, h, w), the module's output, gamma * attended + input.
        effect: float32 (C,): mean absolute change the module makes to each channel, |gamma * attended|.
        gamma: Weight of the attended features in the residual sum.
        stride: Input pixels per location.
    """

    matrix: FloatArray
    output: FloatArray
    effect: FloatArray
    gamma: float
    stride: int


@dataclass(frozen=True, eq=False)
class ChannelGate:
    """One number per channel by which features are multiplied (SE, CBAM).

    Attributes:
        label: Stable name, for example ``"stage1.block1.channel_gate"``.
        title: Name for people.
        values: float32 (C,) in (0, 1).
        stage: Stage of the trunk, from 1; None for heads.
        stride: Input pixels per location of the features that are gated.
    """

    label: str
    title: str
    values: FloatArray
    stage: int | None
    stride: int


@dataclass(frozen=True, eq=False)
class GroupGates:
    """One map per group of channels by which features are multiplied (SGE).

    Attributes:
        label: Stable name, for example ``"stage1.block1.group_gate"``; the mean of the groups is the map of that name.
        title: Name for people.
        values: float32 (groups, h, w) in (0, 1).
        stage: Stage of the trunk, from 1; None where a network counts none.
        stride: Input pixels per location.
    """

    label: str
    title: str
    values: FloatArray
    stage: int | None
    stride: int
