"""How finely the maps of one photo are judged, and in what batches: within forty forward passes at every input size.

Large inputs leave room for few pictures at once. Then batches grow as far as the free memory allows; where that is not
enough, what costs the most is measured with fewer points, and left out last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor, nn

from attnviz.measure.captum_measures import NEIGHBOURS, SQUARES
from attnviz.measure.perturbation import curve_jobs
from attnviz.observe.attributions import SPARING_STEPS, Method, occlusion_windows
from attnviz.observe.cost import estimate, free_memory

MOST_PASSES = 40  # of the network for one photo, a batch counting as one
MOST_PIXELS = 32 * 224 * 336  # in a forward pass where nothing asks for more: about a gigabyte for a ResNet18
_LEAST_AT_ONCE = 2
_ALL: tuple[Method, ...] = ("grad_cam", "integrated_gradients", "occlusion")


@dataclass(frozen=True)
class PassPlan:
    """What is measured, and in what batches.

    Attributes:
        at_once: Pictures in one forward pass; a quarter as many where gradients are needed.
        shares: Of the pixels, for deletion and insertion.
        road_shares: The same for ROAD.
        methods: The attributions that stand beside the attention.
        shaken: Whether the sensitivity of the attributions is measured too.
    """

    at_once: int
    shares: tuple[float, ...]
    road_shares: tuple[float, ...]
    methods: tuple[Method, ...] = _ALL
    shaken: bool = True

    @property
    def with_gradients(self) -> int:
        """Pictures in one pass with gradients, for which the outputs of all layers are kept."""
        return max(1, self.at_once // 4)


def plan_passes(net: nn.Module, x: Tensor, attention: int) -> PassPlan:
    """The finest plan that takes forty forward passes at most.

    Args:
        net: A classifier.
        x: Its input, (1, 3, H, W).
        attention: How many maps of its attention are judged.
    """
    size = (int(x.shape[2]), int(x.shape[3]))
    usual = max(1, MOST_PIXELS // (size[0] * size[1]))
    free = free_memory(str(x.device))
    room = usual if free is None else free // (2 * max(1, estimate(net, size, size).nbytes))
    least, most = max(_LEAST_AT_ONCE, min(usual, room)), max(_LEAST_AT_ONCE, room)
    for level in _levels():
        for at_once in range(least, most + 1):
            plan = replace(level, at_once=at_once)
            if passes_of(plan, size, attention) <= MOST_PASSES:
                return plan
    return replace(level, at_once=most)


def passes_of(plan: PassPlan, size: tuple[int, int], attention: int) -> int:
    """Forward passes that a plan takes at most.

    Args:
        plan: Any.
        size: (H, W) of the input.
        attention: How many maps of the attention are judged.
    """

    def batches(pictures: int, at_once: int = plan.at_once) -> int:
        return -(-pictures // at_once)

    path = batches(SPARING_STEPS, plan.with_gradients)
    attributed = {"grad_cam": 1, "integrated_gradients": path, "occlusion": 1 + batches(occlusion_windows(size))}
    jobs = curve_jobs(attention + len(plan.methods) + 2, plan.shares, plan.road_shares)
    total = sum(attributed[method] for method in plan.methods) + batches(sum(1 for _ in jobs))
    total += 1 + batches(SQUARES) + (1 + batches(NEIGHBOURS)) * (attention > 0)
    again = [attributed[method] for method in plan.methods if method != "occlusion"]
    return total + (1 + NEIGHBOURS) * sum(again) * plan.shaken


def _levels() -> Iterator[PassPlan]:
    """From fine to coarse."""
    tenths = tuple(round(0.1 * i, 1) for i in range(11))
    yield PassPlan(1, tenths, (0.2, 0.4, 0.6, 0.8))
    yield PassPlan(1, tenths, (0.2, 0.4, 0.6, 0.8), shaken=False)
    yield PassPlan(1, tenths[::2], (0.3, 0.7), shaken=False)
    yield PassPlan(1, tenths[::5], (0.5,), shaken=False)
    yield PassPlan(1, tenths[::5], (0.5,), ("grad_cam",), shaken=False)
