"""Everything that can be said about one photo's attention: does it focus, does it matter, is it faithful?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor, nn

from attnviz.errors import CancelledError, ModelError
from attnviz.inputs.decode import Source
from attnviz.inputs.preprocess import Preprocessing, ResizeMode, preprocess
from attnviz.measure.captum_measures import remembering
from attnviz.measure.effects import Effect, classes_of, effect_of
from attnviz.measure.faithfulness import Candidate, Faithfulness, judge
from attnviz.measure.focus_table import Box, FocusTable, Mask, check_object, focus_of, measured_maps
from attnviz.measure.interventions import answer, interventions_on
from attnviz.measure.module_features import features_around
from attnviz.measure.query_dependence import QueryDependence, dependence_of
from attnviz.measure.shuffled_weights import with_shuffled_weights
from attnviz.measure.verdict import sentences
from attnviz.models.sites import names_sites
from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.observe.collect import logits_of
from attnviz.observe.discover import record_found
from attnviz.observe.recorder import Recording, record
from attnviz.pipeline import Forecast, Model, forecast, run
from attnviz.results import Explanation

_MOST_MAPS = 4  # of the attention that are judged for faithfulness: the last of each stage, the deepest ones


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        share: Done, from 0 to 1.
        what: Is done now, for people.
    """

    share: float
    what: str


@dataclass(frozen=True)
class GivenMask:
    """A mask that was given, without its pixels.

    Attributes:
        share: Of the photo's pixels on the object, above 0 and at most 1.
        sha256: Of its pixels, a byte each, 1 on the object and 0 elsewhere, row by row.
    """

    share: float
    sha256: str

    @classmethod
    def of(cls, mask: Mask) -> GivenMask:
        """Of a mask, bool (H, W)."""
        return cls(float(mask.mean()), hashlib.sha256(mask.tobytes()).hexdigest())


@dataclass(frozen=True)
class Evidence:
    """What was measured about the attention of one network on one photo; plain data, no torch.

    Attributes:
        model: Name of the weights.
        trained: False: random weights.
        network_size: (height, width) in pixels at which the network saw the photo.
        box: (left, top, right, bottom) in photo pixels of the object that was given; None: none, or a mask.
        mask: Of the object that was given as one; None: none, or a box.
        category: Name of the category that is watched: the most probable one; None for segmentations.
        focus: How focused each map is, beside its baselines.
        effects: What each intervention changed; empty where no attention was found, or the network gives no classes.
        faithfulness: Whether the maps mark what the answer rests on; None for what is no classifier.
        positions: Whether each position attention depends on the query.
        verdict: What all of it says, a sentence each.

    Example:
        >>> import attnviz
        >>> found = attnviz.evidence("assets/coffee.jpg", "bam_resnet18_w32", device="cpu", size=64)
        >>> [effect.key for effect in found.effects][-2:]
        ['stage3.product', 'all.flat']
        >>> found.faithfulness.passes <= 40
        True
    """

    model: str
    trained: bool
    network_size: tuple[int, int]
    box: Box | None
    mask: GivenMask | None
    category: str | None
    focus: FocusTable
    effects: tuple[Effect, ...]
    faithfulness: Faithfulness | None
    positions: tuple[QueryDependence, ...]
    verdict: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it in lists, numbers and text, as JSON has them; a number that is not defined is None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def evidence(
    photo: Source,
    model: Model = DEFAULT_MODEL,
    *,
    device: str = "auto",
    size: int | None = None,
    resize_mode: ResizeMode | None = None,
    preprocessing: Preprocessing | None = None,
    box: Box | None = None,
    mask: Mask | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Evidence:
    """Measure whether a network's attention focuses, whether it matters, and whether its maps are faithful.

    The network is as before afterwards, to the bit.

    Args:
        photo: As for `attnviz.explain`.
        model: As for `attnviz.explain`.
        device: As for `attnviz.explain`.
        size: As for `attnviz.explain`.
        resize_mode: As for `attnviz.explain`.
        preprocessing: As for `attnviz.explain`.
        box: (left, top, right, bottom) of an object in photo pixels: how well the maps find it is measured too.
        mask: bool (H, W) of the photo's size, True on the object. Of box and mask one at most.
        progress: Told how far the run is, again and again.
        cancel: Asked between forward passes whether to give up.

    Returns:
        The numbers, with their baselines, and a verdict in words.

    Raises:
        CancelledError: The run was given up.
        ImageError: The photo cannot be used.
        InputError: Box and mask are given, or one that is impossible or not on the photo.
        ModelError: The model cannot be had or computed something that is not a number.
        DeviceError: The device is not there, or the run would take more memory than is free.

    Example:
        >>> import attnviz
        >>> found = attnviz.evidence("assets/coffee.jpg", "bam_resnet18_w32", device="cpu", size=64)
        >>> len(found.verdict) >= 2
        True
    """
    options = {"device": device, "size": size, "resize_mode": resize_mode, "preprocessing": preprocessing}
    steps = evidence_steps(photo, model, box=box, mask=mask, **options)
    try:
        while True:
            if cancel is not None and cancel():
                raise CancelledError("expected the run to go on, but it was cancelled")
            step = next(steps)
            if progress is not None:
                progress(step)
    except StopIteration as end:
        found: Evidence = end.value
        return found
    finally:
        steps.close()


def evidence_steps(
    photo: Source, model: Model = DEFAULT_MODEL, *, box: Box | None = None, mask: Mask | None = None, **options: Any
) -> Generator[Progress, None, Evidence]:
    """The same as `evidence`, a step at a time, for who shows progress and may stop: closing it leaves no trace.

    Args:
        photo: As for `attnviz.explain`.
        model: As for `attnviz.explain`.
        box: As for `evidence`.
        mask: As for `evidence`.
        **options: ``device``, ``size``, ``resize_mode`` and ``preprocessing``, as for `attnviz.explain`.

    Yields:
        How far it is.

    Returns:
        The numbers.
    """
    yield Progress(0.0, "running the network")
    ready = forecast(photo, model, **options)
    check_object(ready.geometry, box=box, mask=mask)
    explanation = run(ready)
    yield Progress(0.05, "running the network with shuffled weights")
    focus = focus_of(explanation, box=box, mask=mask, shuffled=_shuffled(ready))
    net, categories = ready.loaded.net, ready.loaded.card.categories
    x = preprocess(ready.photo, ready.preprocessing, min_size=ready.loaded.card.min_size)[0]
    untouched = answer(net, x)
    answers = logits_of(untouched) is not None or classes_of(untouched) is not None
    interventions = interventions_on(net, x) if answers else ()
    effects = []
    for number, intervention in enumerate(interventions):
        yield Progress(0.1 + 0.3 * number / len(interventions), f"taking away: {intervention.title}")
        effects.append(effect_of(intervention, untouched, answer(net, x, intervention), categories))
    positions = tuple(_dependences(net, x, explanation))
    faithful, category = None, None
    logits = logits_of(untouched)
    if logits is not None:
        number = int(logits[0].argmax())
        category = categories[number] if number < len(categories) else f"class {number}"
        judged = judge(net, x, _candidates(net, explanation), number)
        try:
            while True:
                share = next(judged)
                yield Progress(0.4 + 0.6 * share, "judging whether the maps are faithful")
        except StopIteration as end:
            faithful = end.value
    verdict = sentences(focus, effects, faithful, positions, answers=answers)
    size = explanation.geometry.network_size
    return Evidence(
        model=ready.loaded.card.name,
        trained=ready.loaded.trained,
        network_size=(size[0], size[1]),
        box=box,
        mask=None if mask is None else GivenMask.of(mask),
        category=category,
        focus=focus,
        effects=tuple(effects),
        faithfulness=faithful,
        positions=positions,
        verdict=tuple(verdict),
    )


def _shuffled(ready: Forecast) -> Explanation | None:
    """What the network with shuffled weights makes of the photo; None where that is no number, or there is no copy."""
    try:
        return run(replace(ready, loaded=with_shuffled_weights(ready.loaded)))
    except ModelError:
        return None


def _candidates(net: nn.Module, explanation: Explanation) -> list[Candidate]:
    """The maps of the attention that are judged: the last of each stage, and of them the deepest."""
    by_stage = {shown.stage or label: (label, shown) for label, shown in measured_maps(explanation).items()}
    recorded = remembering(lambda inputs: _recorded(net, inputs))

    def again(label: str) -> Callable[[Tensor], Tensor]:
        return lambda inputs: recorded(inputs).sites[label].float().mean(dim=1)

    found = []
    for label, shown in list(by_stage.values())[-_MOST_MAPS:]:
        known = None if shown.kind == "position_received" else again(label)
        found.append(Candidate(label, shown.title, "attention", shown.values, known))
    return found


def _recorded(net: nn.Module, x: Tensor) -> Recording:
    return record(net, x) if names_sites(net) else record_found(net, x)


def _dependences(net: nn.Module, x: Tensor, explanation: Explanation) -> Generator[QueryDependence, None, None]:
    segmentation = explanation.segmentation
    features = features_around(net, x) if explanation.positions and segmentation is not None else {}
    for label, attention in explanation.positions.items():
        known = segmentation is not None and segmentation.cells.shape == attention.grid
        labels = segmentation.cells if segmentation is not None and known else None
        yield dependence_of(label, attention, labels, void=-1, features=features.get(label))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any part of it
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
