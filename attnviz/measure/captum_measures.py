"""Infidelity and sensitivity of a map, by captum (Yeh et al., arXiv 1901.09392)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from attnviz.extras import needs

with needs("captum", extra="attributions"):
    from captum.metrics import infidelity, infidelity_perturb_func_decorator, sensitivity_max

_T = TypeVar("_T")
SQUARES = 16  # random squares by which infidelity is measured
NEIGHBOURS = 4  # noisy copies of the input by which sensitivity is measured
RADIUS = 0.02  # of the noise, standard deviations of the colours; captum's default
_SIDE = 0.25  # of a square, as a share of the short side


def infidelities(logit: Callable[[Tensor], Tensor], x: Tensor, maps: Mapping[str, Tensor]) -> dict[str, float]:
    """How badly the sum of a map in a square tells how far the logit falls when the square is covered.

    The "square removal" of the paper: squares of a quarter of the short side, at random places, become the mean colour.
    A map's unit is taken out: it is scaled to fit best (captum's ``normalize``).

    Args:
        logit: Of the category, (B, 3, H, W) -> (B,). The same pictures are not computed twice.
        x: The input, (1, 3, H, W).
        maps: Name -> (H, W), finite.

    Returns:
        Name -> in logits squared, 0 (told exactly) and up; the mean square of the falls is what a map earns that tells
        nothing.
    """
    remembered = remembering(logit)

    @infidelity_perturb_func_decorator(True)  # a map is read as what a place is worth
    def covered(inputs: Tensor, *_baselines: object) -> Tensor:
        return torch.where(_squares(inputs), torch.zeros_like(inputs), inputs)

    found = {}
    for name, values in maps.items():
        attributions = values.to(x)[None, None].expand_as(x) / x.shape[1]
        with torch.no_grad():
            score = infidelity(
                remembered, covered, x, attributions, baselines=0.0, n_perturb_samples=SQUARES, normalize=True
            )
        found[name] = float(score[0])
    return found


def sensitivity(maps_of: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """How much a map changes at most, over its size, when the input changes by noise that nobody sees.

    Args:
        maps_of: Inputs (B, 3, H, W) -> maps (B, ...).
        x: The input, (1, 3, H, W).

    Returns:
        Largest of the changes' norms over the map's norm, 0 and up; 0: the map stays the same.
    """
    with _seeded():
        # captum hands over and takes tuples, as of several inputs
        found = sensitivity_max(
            lambda inputs: (maps_of(inputs[0]),), x, perturb_radius=RADIUS, n_perturb_samples=NEIGHBOURS
        )
    return float(found.max())


def remembering(function: Callable[[Tensor], _T]) -> Callable[..., _T]:
    """A function of tensors that is not asked twice about the same numbers."""
    known: dict[tuple[Sequence[int], int], _T] = {}

    def remembered(x: Tensor, *_: Any) -> _T:
        key = (tuple(x.shape), hash(x.detach().cpu().contiguous().numpy().tobytes()))
        if key not in known:
            known[key] = function(x)
        return known[key]

    return remembered


def _squares(inputs: Tensor) -> Tensor:
    """Bool like the inputs: a square of each picture, at random places that are the same every time."""
    count, _, height, width = inputs.shape
    side = max(1, round(_SIDE * min(height, width)))
    generator = torch.Generator().manual_seed(0)
    top = torch.randint(height - side + 1, (count, 1, 1, 1), generator=generator)
    left = torch.randint(width - side + 1, (count, 1, 1, 1), generator=generator)
    y, x = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
    inside = (y >= top) & (y < top + side) & (x >= left) & (x < left + side)
    return inside.to(inputs.device).expand_as(inputs)


@contextmanager
def _seeded() -> Iterator[None]:
    """Within it PyTorch's random numbers are the same every time; after it they go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
