"""Sites: the places in a network where attention can be read, as plain data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn

from attnviz.errors import RecordError

SiteKind = Literal[
    "spatial_logit",  # (B, 1, H, W), unbounded: one number per location, before the sigmoid
    "channel_logit",  # (B, C, 1, 1), unbounded: one number per channel, before the sigmoid
    "gate",  # (B, C, H, W) in (0, 1): what multiplies the features
    "effective_gain",  # (B, 1, H, W): mean over channels of what each location is multiplied by
    "query",  # (B, C', H, W), or (B, heads, C', H, W), unbounded
    "key",  # of the same shape, unbounded
    "other_query",  # (B, C', P), or (B, heads, C', P), unbounded: of tokens that are no locations
    "other_key",  # of the same shape, unbounded
    "cross_query",  # (B, [heads,] C', H', W') of other locations than the key's, or (B, [heads,] C', T, 1) of T objects
    "channel_matrix",  # (B, C, C), rows sum to 1
    "features",  # (B, C, H, W), unbounded: a module's output
    "feature_norm",  # (B, 1, H, W), 0 or more: length of a module's features at each location
    "class_logit",  # (B, classes, H, W), unbounded
    "spatial_gate",  # (B, 1, H, W) in (0, 1)
    "group_gate",  # (B, G, H, W) in (0, 1): one map per group of channels
    "channel_gate",  # (B, C, 1, 1) in (0, 1)
    "gamma",  # (1,), unbounded: a parameter, the weight of an attention's output in its residual sum
]
View = Literal["stages", "position", "cross", "channel"]
VIEWS: tuple[View, ...] = get_args(View)
_SHOWN_IN: dict[View, frozenset[SiteKind]] = {
    "stages": frozenset({"effective_gain", "spatial_gate", "group_gate", "gate"}),
    "position": frozenset({"query"}),
    "cross": frozenset({"cross_query"}),
    "channel": frozenset({"channel_matrix", "channel_gate"}),
}


@dataclass(frozen=True)
class Site:
    """One place to watch.

    Attributes:
        label: Stable public name, for example ``"stage1.gain"``. Sites of one attention share what stands before the
            last dot: ``"position.query"``, ``"position.key"``, ``"position.gamma"``.
        path: Of the submodule whose output is read, as in ``net.get_submodule``; of the parameter for ``"gamma"``.
        kind: What the tensor is; fixes its shape and range.
        stage: Stage of the trunk, from 1; None where the site belongs to a head.
        stride: Input pixels per location, in both directions.
        fusion: Of ``"effective_gain"`` alone: ``"sum"`` or ``"product"``, how the logits of both branches are joined.
        view: Applied to the module's output before it is kept; None keeps it as it is.

    Example:
        >>> import attnviz
        >>> stem = attnviz.Site("stem", "bn1", "feature_norm", None, 2, view=lambda x: x.norm(dim=1, keepdim=True))
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu", sites=[stem])
        >>> list(explanation.maps)
        ['stem']
    """

    label: str
    path: str
    kind: SiteKind
    stage: int | None
    stride: int
    fusion: Literal["sum", "product"] | None = None
    view: Callable[[Tensor], Tensor] | None = None

    @property
    def group(self) -> str:
        """What sites of one attention share: the label up to its last dot."""
        return self.label.rpartition(".")[0]


def views_of(sites: Sequence[Site]) -> tuple[View, ...]:
    """Which views have something to show of a network with these sites, in the order of `VIEWS`."""
    kinds = {site.kind for site in sites}
    return tuple(view for view in VIEWS if kinds & _SHOWN_IN[view])


def names_sites(net: nn.Module) -> bool:
    """Whether a network names its sites itself."""
    named = getattr(net, "sites", None)
    return callable(named) and not isinstance(named, nn.Module)


def sites_of(net: nn.Module) -> tuple[Site, ...]:
    """The sites that a network names itself.

    Raises:
        RecordError: It names none.
    """
    if not names_sites(net):
        raise RecordError(f"expected a network with sites, or a list of sites, got a {type(net).__name__} alone")
    return tuple(net.sites())  # type: ignore[operator] # `names_sites` looked
