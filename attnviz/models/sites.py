"""Sites: the places in a network where attention can be read, as plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from attnviz.errors import RecordError

SiteKind = Literal[
    "spatial_logit",  # (B, 1, H, W), unbounded: one number per location, before the sigmoid
    "channel_logit",  # (B, C, 1, 1), unbounded: one number per channel, before the sigmoid
    "gate",  # (B, C, H, W) in (0, 1): what multiplies the features
    "effective_gain",  # (B, 1, H, W): mean over channels of what each location is multiplied by
    "query",  # (B, C', H, W), unbounded
    "key",  # (B, C', H, W), unbounded
    "channel_matrix",  # (B, C, C), rows sum to 1
    "features",  # (B, C, H, W), unbounded: a module's output
    "class_logit",  # (B, classes, H, W), unbounded
    "spatial_gate",  # (B, 1, H, W) in (0, 1)
    "group_gate",  # (B, G, H, W) in (0, 1): one map per group of channels
    "channel_gate",  # (B, C, 1, 1) in (0, 1)
]


@dataclass(frozen=True)
class Site:
    """One place to watch.

    Attributes:
        label: Stable public name, for example ``"stage1.gain"``.
        module: Path of the submodule whose output is read, as in ``net.get_submodule``.
        kind: What the tensor is; fixes its shape and range.
        stage: Stage of the trunk, from 1; None where the site belongs to a head.
        stride: Input pixels per location, in both directions.
        view: Applied to the module's output before it is kept; None keeps it as it is.
    """

    label: str
    module: str
    kind: SiteKind
    stage: int | None
    stride: int
    view: Callable[[Tensor], Tensor] | None = None


def sites_of(net: nn.Module) -> tuple[Site, ...]:
    """The sites that a network names itself.

    Raises:
        RecordError: It names none.
    """
    named = getattr(net, "sites", None)
    if not callable(named):
        raise RecordError(f"expected a network with sites, or a list of sites, got a {type(net).__name__} alone")
    return tuple(named())
