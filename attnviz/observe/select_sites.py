"""Which sites are recorded: all of a network, those whose labels match a pattern, or a list of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from attnviz.errors import OptionError, RecordError
from attnviz.models.sites import Site, names_sites
from attnviz.observe.discover import record_found
from attnviz.observe.recorder import Recording, record

Sites = str | Sequence[str] | Sequence[Site]

_NORM, _GRAD_CAM = ".norm", ".grad_cam"
_MOST_NEAR = 5  # labels that an error lists


@dataclass(frozen=True)
class Selected:
    """A recording, and what is to be computed by gradients.

    Attributes:
        recording: Of the sites that were chosen.
        grad_cam: Paths of the modules at which Grad-CAM is asked for.
    """

    recording: Recording
    grad_cam: tuple[str, ...] = ()


def record_selected(net: nn.Module, x: Tensor, sites: Sites | None, *, inside: bool = False) -> Selected:
    """Run a network once and keep what the chosen sites computed; features are kept in a second run.

    Args:
        net: Any network; the attention of one that names no sites is found.
        x: Its input, (B, 3, H, W).
        sites: As for `attnviz.explain`.
        inside: Keep the features around gates of a network that names no sites.

    Raises:
        OptionError: A pattern matches neither a label nor a module.
        RecordError: The input has another shape, or a site cannot be read.
    """
    chosen = [sites] if isinstance(sites, str) else list(sites) if isinstance(sites, Sequence) else []
    own = [site for site in chosen if isinstance(site, Site)]
    if own and len(own) == len(chosen):
        return Selected(record(net, x, own))
    patterns = [pattern for pattern in chosen if isinstance(pattern, str)]
    if sites is not None and (not patterns or len(patterns) != len(chosen)):
        raise OptionError(f"expected sites as patterns of labels or as a list of Site objects, got {sites!r}")
    whole = record(net, x) if names_sites(net) else record_found(net, x, inside=inside)
    if sites is None:
        return Selected(whole)
    kept = [site for site in whole.watched if any(_matches(site, pattern) for pattern in patterns)]
    others = [pattern for pattern in patterns if not any(_matches(site, pattern) for site in whole.watched)]
    norms, layers = _of_modules(net, others, whole)
    tensors = record(net, x, norms).sites if norms else {}
    norms = [replace(site, stride=max(1, round(x.shape[2] / tensors[site.label].shape[2]))) for site in norms]
    tensors = {**tensors, **{site.label: whole.sites[site.label] for site in kept}}
    found = replace(whole, sites=tensors, watched=(*kept, *norms))
    return Selected(found, tuple(layers))


def _matches(site: Site, pattern: str) -> bool:
    """Whether a pattern matches a site's label or what stands before one of its dots: parts stay together."""
    parts = site.label.split(".")
    return any(fnmatchcase(".".join(parts[:end]), pattern) for end in range(1, len(parts) + 1))


def _of_modules(net: nn.Module, patterns: Sequence[str], whole: Recording) -> tuple[list[Site], list[str]]:
    """The sites of feature norms, and the paths for Grad-CAM, of patterns that match no label."""
    norms: list[Site] = []
    layers: list[str] = []
    paths = [path for path, _ in net.named_modules() if path]
    for pattern in patterns:
        by_gradients = pattern.endswith(_GRAD_CAM)
        module = pattern.removesuffix(_GRAD_CAM if by_gradients else _NORM)
        found = [path for path in paths if path.count(".") == module.count(".") and fnmatchcase(path, module)]
        if not found:
            labels = dict.fromkeys(label for site in whole.watched for label in (site.label, site.group) if label)
            known = [*labels, *paths]
            near = get_close_matches(pattern, known, _MOST_NEAR, 0.4) or known[:_MOST_NEAR]
            raise OptionError(f"expected sites to match a label or a module, got {pattern!r}; near: {', '.join(near)}")
        if by_gradients:
            layers += found
        else:
            norms += [Site(f"{path}{_NORM}", path, "feature_norm", None, 1, view=_norm_of(path)) for path in found]
    return norms, layers


def _norm_of(path: str) -> Callable[[Tensor], Tensor]:
    """From a module's output to the length of its features at each place."""

    def norm(features: Tensor) -> Tensor:
        if features.ndim != 4:
            raise RecordError(f"expected features (B, C, h, w) from {path}, got {tuple(features.shape)}")
        length: Tensor = torch.linalg.vector_norm(features.float(), dim=1, keepdim=True)
        return length

    return norm
