"""Whether the places that a map marks are those that the answer rests on: the attention's maps beside others.

For one photo and one category: what taking places by a map's order does to the category's probability, how the maps'
orders agree, and captum's infidelity and sensitivity. Made for few forward passes: pictures go through the network in
large batches, and each batch counts as one pass.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attnviz.errors import OptionError, RecordError
from attnviz.inputs.geometry import Geometry
from attnviz.measure.captum_measures import infidelities, sensitivity
from attnviz.measure.effects import probabilities
from attnviz.measure.pass_plan import MOST_PASSES, PassPlan, plan_passes
from attnviz.measure.perturbation import Job, Removal, area, curve_jobs, order_of, pictures_of, road_score
from attnviz.observe.attributions import Method, attribute
from attnviz.observe.collect import logits_of
from attnviz.observe.recorder import evaluating, lock_of
from attnviz.reduce.maps import FloatArray
from attnviz.reduce.ranking import centre_prior, spearman
from attnviz.reduce.upsample import upsample

Role = Literal["attention", "attribution", "baseline"]


@dataclass(frozen=True)
class Candidate:
    """A map that is judged.

    Attributes:
        label: Its name.
        title: For people.
        role: Attention, an attribution to the same category, or a baseline.
        values: float32 (h, w), on its own grid.
        again: What it becomes for other inputs, (B, 3, H, W) -> (B, ...), where that can be said.
    """

    label: str
    title: str
    role: Role
    values: FloatArray
    again: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class MapFaithfulness:
    """How faithful a map is to the answer.

    Attributes:
        label: Of the map.
        title: For people.
        role: Attention, attribution or baseline.
        deletion: Probability of the category with the most important share of the pixels at the mean colour, at each of
            `Faithfulness.shares`.
        insertion: The same with that share sharp in a blurred picture.
        road_most: The same with the most important share filled in from around it, at each of `road_shares`.
        road_least: The same with the least important share.
        deletion_area: Under the curve, 0 to 1; lower is better.
        insertion_area: Under the curve, 0 to 1; higher is better.
        road: Half the mean of `road_least` minus `road_most`, -0.5 to 0.5; 0 by chance, higher is better.
        infidelity: In logits squared; lower is better.
        sensitivity: Largest relative change under unseen noise, 0 and up; None where it is not measured.
        agreement: Label of another map -> Spearman's rank correlation on this map's grid, -1 to 1.
    """

    label: str
    title: str
    role: Role
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    road_most: tuple[float, ...]
    road_least: tuple[float, ...]
    deletion_area: float
    insertion_area: float
    road: float
    infidelity: float
    sensitivity: float | None
    agreement: Mapping[str, float]


@dataclass(frozen=True)
class Faithfulness:
    """All maps of one photo, for one category.

    Attributes:
        category: Number of the category.
        probability: Of the category, untouched.
        shares: Of the pixels, for deletion and insertion.
        road_shares: The same for ROAD.
        maps: One entry for each.
        passes: Forward passes of the network that it took, a batch counting as one.
        left_out: Name of an attribution that this network does not allow -> why.
    """

    category: int
    probability: float
    shares: tuple[float, ...]
    road_shares: tuple[float, ...]
    maps: tuple[MapFaithfulness, ...]
    passes: int
    left_out: Mapping[str, str]


def judge(
    net: nn.Module, x: Tensor, attention: Sequence[Candidate], category: int
) -> Generator[float, None, Faithfulness]:
    """Judge attention maps beside Grad-CAM, integrated gradients, occlusion, the centre prior and a random map.

    Args:
        net: A classifier; it is as before afterwards.
        x: Its input, (1, 3, H, W).
        attention: Maps of its attention.
        category: Number of the category whose probability is watched.

    Yields:
        The share that is done, from 0 to 1.

    Returns:
        The numbers.

    Raises:
        RecordError: The network is no classifier of one picture.
    """
    counter = _PassCounter(net)
    steps = _judge(net, x, attention, category)
    while True:
        try:
            with counter:  # not while others have their turn with the same network
                share = next(steps)
        except StopIteration as end:
            found: Faithfulness = end.value
            return replace(found, passes=counter.passes)
        yield share


def _judge(
    net: nn.Module, x: Tensor, attention: Sequence[Candidate], category: int
) -> Generator[float, None, Faithfulness]:
    """The same as `judge`, its passes not counted."""
    parameter = next(net.parameters(), x)
    x = x.to(parameter.device, parameter.dtype)
    plan = plan_passes(net, x, len(attention))
    others, left_out = yield from _others(net, x, category, plan)
    candidates = [*attention, *others, *_baselines(x)]
    pixels = [_on_pixels(candidate.values, x) for candidate in candidates]
    orders = [order_of(values) for values in pixels]
    jobs = list(curve_jobs(len(candidates), plan.shares, plan.road_shares))
    found: dict[Job, float] = {}
    for start in range(0, len(jobs), plan.at_once):
        batch = jobs[start : start + plan.at_once]
        answers = _forward(net, pictures_of(x[0], orders, batch))
        found.update(zip(batch, probabilities(answers)[:, category].tolist(), strict=True))
        yield 0.3 + 0.5 * min(1.0, (start + plan.at_once) / len(jobs))
    labels = [candidate.label for candidate in candidates]
    maps = {label: torch.from_numpy(values) for label, values in zip(labels, pixels, strict=True)}
    logit = _in_parts(lambda inputs: _logit(net, inputs, category), plan.at_once)
    unfaithful = infidelities(logit, x, maps)
    yield 0.9
    shaken = {c.label: sensitivity(_in_parts(c.again, plan.at_once), x) for c in candidates if c.again is not None}
    yield 1.0
    judged = tuple(
        _judged(plan, number, found, candidates, (unfaithful[candidate.label], shaken.get(candidate.label)))
        for number, candidate in enumerate(candidates)
    )
    probability = found[Job(0, "deletion", 0.0)]
    return Faithfulness(category, probability, plan.shares, plan.road_shares, judged, 0, left_out)


def _in_parts(function: Callable[[Tensor], Tensor], at_once: int) -> Callable[[Tensor], Tensor]:
    """A function of a batch that is asked about so many pictures at most."""
    return lambda inputs: torch.cat([function(part) for part in inputs.split(at_once)])


def _others(
    net: nn.Module, x: Tensor, category: int, plan: PassPlan
) -> Generator[float, None, tuple[list[Candidate], dict[str, str]]]:
    """Captum's attributions to the category, as far as this network and the plan allow them."""
    found: list[Candidate] = []
    words = f"expected a panel within {MOST_PASSES} forward passes, got an input too large for it and this memory"
    refused: dict[str, str] = {
        method: words for method in get_args(Method) if method not in (*plan.methods, "saliency")
    }
    for number, method in enumerate(plan.methods):
        at_once = plan.at_once if method == "occlusion" else plan.with_gradients
        try:
            shown = attribute(net, x, category, method, sparing=True, at_once=at_once)
        except (OptionError, RecordError) as error:
            refused[method] = str(error)
            continue
        shaken = plan.shaken and method != "occlusion"
        again = functools.partial(_attributed, net, category, method, at_once) if shaken else None
        found.append(Candidate(method, shown.title, "attribution", shown.values, again))
        yield 0.1 * (number + 1)
    return found, refused


def _attributed(net: nn.Module, category: int, method: Method, at_once: int, inputs: Tensor) -> Tensor:
    maps = [attribute(net, one[None], category, method, sparing=True, at_once=at_once).values for one in inputs]
    return torch.from_numpy(np.stack(maps)).to(inputs)


def _baselines(x: Tensor) -> list[Candidate]:
    height, width = max(2, x.shape[2] // 16), max(2, x.shape[3] // 16)  # as coarse as a last stage
    random = np.random.default_rng(0).random((height, width), dtype=np.float32)
    return [
        Candidate("centre", "Centre prior", "baseline", centre_prior(height, width)),
        Candidate("random", "Random map", "baseline", random),
    ]


def _judged(
    plan: PassPlan,
    number: int,
    found: Mapping[Job, float],
    candidates: Sequence[Candidate],
    captums: tuple[float, float | None],
) -> MapFaithfulness:
    candidate = candidates[number]

    def curve(removal: Removal, shares: Sequence[float]) -> tuple[float, ...]:
        return tuple(found[_job(number, removal, share)] for share in shares)

    deletion, insertion = curve("deletion", plan.shares), curve("insertion", plan.shares)
    most, least = curve("road_most", plan.road_shares), curve("road_least", plan.road_shares)
    grid = (candidate.values.shape[0], candidate.values.shape[1])
    agreement = {
        other.label: spearman(candidate.values, _on_grid(other.values, grid))
        for other in candidates
        if other is not candidate
    }
    return MapFaithfulness(
        *(candidate.label, candidate.title, candidate.role, deletion, insertion, most, least),
        *(area(plan.shares, deletion), area(plan.shares, insertion), road_score(most, least), *captums, agreement),
    )


def _job(number: int, removal: Removal, share: float) -> Job:
    """The job that gave a point of a curve: those that are the same for every map were done once."""
    if removal == "insertion" and share == 1.0:
        return Job(0, "deletion", 0.0)
    return Job(0 if removal in ("deletion", "insertion") and share in (0.0, 1.0) else number, removal, share)


def _on_pixels(values: FloatArray, x: Tensor) -> FloatArray:
    size = (int(x.shape[2]), int(x.shape[3]))
    return upsample(values, Geometry(size, (0, 0, size[1], size[0]), size), how="bilinear", onto="network")


def _on_grid(values: FloatArray, grid: tuple[int, int]) -> NDArray[np.floating]:
    """A map averaged or interpolated onto another grid."""
    given = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    resized = nn.functional.interpolate(given, size=grid, mode="bilinear", antialias=True)
    return np.asarray(resized[0, 0].numpy())


def _forward(net: nn.Module, x: Tensor) -> object:
    with lock_of(net), evaluating(net), torch.no_grad():
        return net(x)


def _logit(net: nn.Module, x: Tensor, category: int) -> Tensor:
    logits = logits_of(_forward(net, x))
    if logits is None:
        raise RecordError("expected a classifier's logits of shape (B, categories), got another output")
    return logits[:, category]


class _PassCounter:
    """Counts how often a network is run while it is entered."""

    def __init__(self, net: nn.Module) -> None:
        self.passes = 0
        self._net = net

    def __enter__(self) -> None:
        self._handle = self._net.register_forward_pre_hook(self._count)

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _count(self, _module: nn.Module, _inputs: object) -> None:
        self.passes += 1
