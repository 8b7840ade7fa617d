"""How much a network's answer changes when something is taken from its attention: numbers, and a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from attnviz.errors import ModelError, RecordError
from attnviz.measure.interventions import Intervention
from attnviz.measure.overlap import confusion, intersection_over_union
from attnviz.observe.collect import logits_of

# Share of the probability, or of the pixels, that moves: below the first nothing is said to have happened. One point of
# a hundred is what people print; the others are a scale to read by, not a test.
NO_EFFECT, SLIGHT, CLEAR = 0.01, 0.05, 0.25


@dataclass(frozen=True)
class TopCategory:
    """One of the categories that the untouched network finds most probable.

    Attributes:
        category: Its name.
        before: Its probability, in [0, 1], of the untouched network.
        after: The same with the intervention; 0 where it left no numbers.
    """

    category: str
    before: float
    after: float


@dataclass(frozen=True)
class Effect:
    """What an intervention changed on one picture, against the untouched run on the same picture.

    Attributes:
        key: Of the intervention.
        title: For people.
        moved: Share, from 0 to 1, of the probability that went to other categories (total variation: half the sum of
            absolute differences), or of the pixels that were given another class.
        top: The five most probable categories; empty for segmentations.
        first_after: The most probable category with the intervention; None for segmentations, and where it left no
            numbers.
        log_likelihood_change: Of the untouched network's first category, in nats; negative: it became less likely.
            None for segmentations, and where the intervention left no numbers.
        mean_iou: Between the classes before and after, mean over those that occur in either, from 0 to 1 (nothing
            changed); None for classifiers.
        verdict: In words.
    """

    key: str
    title: str
    moved: float
    top: tuple[TopCategory, ...]
    first_after: str | None
    log_likelihood_change: float | None
    mean_iou: float | None
    verdict: str


def effect_of(
    intervention: Intervention, before: object, after: object, categories: Sequence[str], top: int = 5
) -> Effect:
    """Compare two answers of a network to one picture.

    Args:
        intervention: What stood between them.
        before: The untouched network's output: logits (1, K), or (1, K, H, W) of a segmentation, or what holds them.
        after: Its output with the intervention.
        categories: Names of the classes; those without a name are numbered.
        top: How many categories are told.

    Raises:
        ModelError: The untouched network computed something that is not a number.
        RecordError: The output is neither.
    """
    one, other = logits_of(before), logits_of(after)
    if one is not None and other is not None:
        return _on_categories(intervention, one[0], other[0], categories, top)
    first, second = classes_of(before), classes_of(after)
    if first is None or second is None:
        raise RecordError("expected a classifier's logits (B, K) or a segmentation's (B, K, H, W), got another output")
    moved = float((first != second).mean())
    count = int(max(first.max(), second.max())) + 1
    overlap = float(np.nanmean(intersection_over_union(confusion(first.ravel(), second.ravel(), count))))
    return Effect(
        intervention.key, intervention.title, moved, (), None, None, overlap, f"{strength(moved)}: {_pixels(moved)}"
    )


def class_scores(output: object) -> Tensor | None:
    """The scores of every class at every pixel, (1, K, H, W), in a segmentation's output for one picture; else None."""
    if isinstance(output, Mapping):
        output = output.get("out", output.get("logits"))
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    return output if isinstance(output, Tensor) and output.ndim == 4 and output.shape[0] == 1 else None


def classes_of(output: object) -> np.ndarray[tuple[int, int], np.dtype[np.int64]] | None:
    """The likeliest class of every pixel, int64 (H, W), of a segmentation's output for one picture; else None."""
    scores = class_scores(output)
    return None if scores is None else scores[0].argmax(dim=0).cpu().numpy().astype(np.int64)


def strength(moved: float) -> str:
    """A share that moved, in words: one of four."""
    if moved < NO_EFFECT:
        return "no effect on this picture"
    return "a slight effect" if moved < SLIGHT else "a clear effect" if moved < CLEAR else "a strong effect"


def overall(effects: Sequence[Effect]) -> str:
    """One sentence on all interventions together.

    Args:
        effects: Of one network on one picture.
    """
    if not effects:
        return "No attention was found to intervene on."
    strongest = max(effects, key=lambda effect: effect.moved)
    if strongest.moved < NO_EFFECT:
        return (
            "On this picture the attention has no effect: no intervention moved as much as "
            f"{100 * NO_EFFECT:.0f} % of the answer."
        )
    idle = sum(effect.moved < NO_EFFECT for effect in effects)
    rest = f" {idle} of {len(effects)} interventions had no effect." if idle else ""
    title = strongest.title[:1].lower() + strongest.title[1:]
    return f"The answer depends on the attention most with: {title} ({strongest.verdict}).{rest}"


def _on_categories(
    intervention: Intervention, one: Tensor, other: Tensor, categories: Sequence[str], top: int
) -> Effect:
    before, after = (logits.double().log_softmax(dim=0).cpu() for logits in (one, other))
    if not before.exp().isfinite().all():
        raise ModelError("expected finite numbers as the network's answer, got NaN or infinity; are its weights whole?")
    if not after.exp().isfinite().all():
        return _without_numbers(intervention, before, categories, top)
    moved = min(1.0, 0.5 * float((before.exp() - after.exp()).abs().sum()))
    first, new = int(before.argmax()), int(after.argmax())
    best = [int(i) for i in before.topk(min(top, len(before))).indices]
    names = {i: categories[i] if i < len(categories) else f"class {i}" for i in (*best, new)}
    shares = tuple(TopCategory(names[i], float(before[i].exp()), float(after[i].exp())) for i in best)
    words = f"{strength(moved)}: {_percent(moved)} of the probability moved"
    if new != first:
        words = f"{words}, and the answer becomes {names[new]}"
    change = float(after[first] - before[first])
    return Effect(intervention.key, intervention.title, moved, shares, names[new], change, None, words)


def _without_numbers(intervention: Intervention, before: Tensor, categories: Sequence[str], top: int) -> Effect:
    """Where a network computes infinities without what was taken from it."""
    best = [int(i) for i in before.topk(min(top, len(before))).indices]
    names = (categories[i] if i < len(categories) else f"class {i}" for i in best)
    shares = tuple(TopCategory(name, float(before[i].exp()), 0.0) for name, i in zip(names, best, strict=True))
    words = f"{strength(1.0)}: the network computes no numbers any more"
    return Effect(intervention.key, intervention.title, 1.0, shares, None, None, None, words)


def _pixels(moved: float) -> str:
    return f"{_percent(moved)} of the pixels change their class"


def _percent(moved: float) -> str:
    """Of small shares two digits, so that none looks as if it had reached `NO_EFFECT`."""
    return f"{100 * moved:.1f} %" if moved >= NO_EFFECT else f"{100 * moved:.2f} %"


def probabilities(output: object) -> Tensor:
    """Probabilities (B, K), float64 on the CPU, of a classifier's output.

    Raises:
        RecordError: It is none.
    """
    logits = logits_of(output)
    if logits is None:
        raise RecordError("expected a classifier's logits of shape (B, categories), got another output")
    return torch.softmax(logits.double(), dim=1).cpu()
