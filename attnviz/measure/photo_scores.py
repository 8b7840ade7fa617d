"""What is measured on one photo of a data set: numbers by map, and the network's answers by intervention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from attnviz.errors import AttnvizError, InputError, ModelError, quoted
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.mask import check_mask_size, class_numbers, object_mask
from attnviz.inputs.preprocess import preprocess
from attnviz.measure import fixations as gaze
from attnviz.measure.datasets import Item, Points
from attnviz.measure.effects import class_scores, classes_of, probabilities
from attnviz.measure.focus_table import Box, check_object, cover_of, mass_of, measured_maps, numbers_of
from attnviz.measure.interventions import answer, interventions_on
from attnviz.measure.module_features import features_around
from attnviz.measure.overlap import confusion
from attnviz.measure.query_dependence import dependence_of
from attnviz.measure.shuffled_weights import with_shuffled_weights
from attnviz.models.weights.registry import LoadedModel
from attnviz.observe.attributions import attribute
from attnviz.observe.collect import logits_of
from attnviz.pipeline import Forecast, forecast, run
from attnviz.reduce.maps import FloatArray
from attnviz.reduce.ranking import centre_prior
from attnviz.reduce.upsample import upsample
from attnviz.results import AttentionMap, Explanation

LONG_SIDE = 200  # cells of the grid on which maps and fixations are compared: 4 pixels a cell for OSIE's photos
SHUFFLED = "shuffled weights: "
Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Scorer:
    """Measures photo after photo with one network.

    Attributes:
        loaded: The network.
        shuffled: The same with shuffled weights; None where it cannot be copied.
        size: Shorter side that it sees, pixels; None: what it was trained for.
        interventions: Whether its answers without its attention are measured, too.
    """

    loaded: LoadedModel
    shuffled: LoadedModel | None
    size: int | None = None
    interventions: bool = True

    @classmethod
    def of(cls, loaded: LoadedModel, size: int | None = None, *, interventions: bool = True) -> Scorer:
        """For a network."""
        try:
            shuffled = with_shuffled_weights(loaded)
        except ModelError:
            shuffled = None
        return cls(loaded, shuffled, size, interventions)

    def score(self, item: Item, elsewhere: Points) -> dict[str, Any]:
        """Everything about one photo, as plain data.

        Args:
            item: The photo and what is known about it.
            elsewhere: (N, 2), fixations on all other photos as shares of their sides.

        Returns:
            ``maps``: map -> measure -> number, ``answers``: intervention (``""``: none) -> number or counts,
            ``positions``: attention -> measure -> number.

        Raises:
            AttnvizError: The photo, or what is known about it, cannot be used.
        """
        ready = forecast(item.path, self.loaded, size=self.size)
        explanation = run(ready)
        maps = dict(self._maps(ready, explanation))
        scores = {name: dict[str, float]() for name in maps}
        cover = _cover_maker(item, explanation.geometry, self.loaded.card.task)
        for name, values in maps.items():
            grid = (values.shape[0], values.shape[1])
            scores[name] |= numbers_of(values, None if cover is None else cover(grid))
        if item.viewers:
            for name, numbers in _gaze_scores(maps, explanation.geometry, item.viewers, elsewhere).items():
                scores.setdefault(name, {}).update(numbers)
        classes = None
        if self.loaded.card.task == "segmentation" and item.mask is not None:
            classes = _label_picture(item.mask, explanation.geometry)
        return {
            "maps": scores,
            "answers": self._answers(ready, item, classes),
            "positions": _position_scores(self.loaded.net, ready, explanation, classes),
        }

    def _maps(self, ready: Forecast, explanation: Explanation) -> Iterator[tuple[str, FloatArray]]:
        """The attention's maps as mass, and those they are compared with."""
        grid = (2, 2)
        for label, shown in measured_maps(explanation).items():
            grid = (max(grid[0], shown.values.shape[0]), max(grid[1], shown.values.shape[1]))
            yield label, mass_of(shown)
        for label, shown in self._shuffled_maps(ready).items():
            yield f"{SHUFFLED}{label}", mass_of(shown)
        cam = self._grad_cam(ready)
        if cam is not None:
            yield "Grad-CAM", cam
        yield "centre prior", centre_prior(*grid)
        yield "uniform", np.ones(grid, np.float32)

    def _shuffled_maps(self, ready: Forecast) -> dict[str, AttentionMap]:
        """What the network makes of the photo with shuffled weights; nothing where that is no number any more."""
        try:
            return {} if self.shuffled is None else measured_maps(run(replace(ready, loaded=self.shuffled)))
        except ModelError:
            return {}

    def _grad_cam(self, ready: Forecast) -> FloatArray | None:
        """Of the first category at the last stage; None of what is no classifier with stages."""
        if self.loaded.card.task == "segmentation":
            return None
        x = _input(ready)
        try:
            logits = logits_of(answer(self.loaded.net, x))
            return None if logits is None else attribute(self.loaded.net, x, int(logits[0].argmax())).values
        except AttnvizError:
            return None

    def _answers(self, ready: Forecast, item: Item, classes: NDArray[np.int64] | None) -> dict[str, Any]:
        """Right or wrong, and the label's log-likelihood; or the confusion counts of a segmentation."""
        if item.label is None and classes is None:
            return {}
        net, x, categories = self.loaded.net, _input(ready), self.loaded.card.categories
        found: dict[str, Any] = {}
        for change in (None, *(interventions_on(net, x) if self.interventions else ())):
            output = answer(net, x, change)
            name = "" if change is None else change.key
            if item.label is not None:
                log = torch.log(probabilities(output)[0].clamp_min(1e-30))
                label = category_number(item.label, categories, len(log))
                right = int(log.nan_to_num(-torch.inf).argmax()) == label and bool(log[label].isfinite())
                found[name] = {"right": float(right), "log_likelihood": float(log[label])}
            elif classes is not None:
                found[name] = _confusion(classes, output)
        return found


def category_number(label: str, categories: Sequence[str], count: int | None = None) -> int:
    """Number of a category that is given by its name, one of its names, or its number.

    Args:
        label: As people write it.
        categories: Names of the network's; of networks of one's own they may be unknown.
        count: So many categories it has; None: as many as names.

    Raises:
        InputError: There is no such category.
    """
    if label.isdecimal() and int(label) < (len(categories) if count is None else count):
        return int(label)
    for number, names in enumerate(categories):
        if label == names or label in (part.strip() for part in names.split(",")):
            return number
    raise InputError(f"expected a category of the model, got {quoted(label)}")


def _input(ready: Forecast) -> torch.Tensor:
    return preprocess(ready.photo, ready.preprocessing, min_size=ready.loaded.card.min_size)[0]


def _cover_maker(item: Item, geometry: Geometry, task: str) -> Any:  # noqa: ANN401 - a function of a grid, or None
    """How much of each cell of a grid the photo's objects cover."""
    if item.boxes:
        _check_boxes(geometry, item.boxes)

        def of_boxes(grid: tuple[int, int]) -> Floats:
            return np.max([cover_of(geometry, grid, box=box) for box in item.boxes], axis=0)  # type: ignore[no-any-return]

        return of_boxes
    if item.mask is None or task == "segmentation":
        return None
    mask = object_mask(item.mask)
    check_object(geometry, box=None, mask=mask)
    return lambda grid: cover_of(geometry, grid, mask=mask)


def _check_boxes(geometry: Geometry, boxes: Sequence[Box]) -> None:
    """Refuse a photo of whose objects the network sees nothing at all, and any box that is none."""
    if not any([cover_of(geometry, (1, 1), box=box).any() for box in boxes]):
        check_object(geometry, box=boxes[0], mask=None)


def _label_picture(file: Path, geometry: Geometry) -> NDArray[np.int64]:
    """Classes at the size that the network sees, nearest; those it does not see are left out."""
    left, top, right, bottom = geometry.crop
    numbers = class_numbers(file)
    check_mask_size(numbers, geometry.photo_size)
    seen = Image.fromarray(numbers[top:bottom, left:right].astype(np.int32))
    height, width = geometry.network_size
    return np.array(seen.resize((width, height), Image.Resampling.NEAREST)).astype(np.int64)


def _confusion(classes: NDArray[np.int64], output: object) -> list[list[int]]:
    scores = class_scores(output)
    predicted = classes_of(output)
    if scores is None or predicted is None or predicted.shape != classes.shape:
        raise InputError("expected a segmentation at the size of its input, got another output")
    counts: list[list[int]] = confusion(classes.ravel(), predicted.ravel(), scores.shape[1]).tolist()
    return counts


def _gaze_scores(
    maps: Mapping[str, FloatArray], geometry: Geometry, viewers: Sequence[Points], elsewhere: Points
) -> dict[str, dict[str, float]]:
    """Every map against where people looked, and what the viewers say of one another."""
    height, width = geometry.photo_size
    scale = LONG_SIDE / max(height, width)
    grid = (max(1, round(height * scale)), max(1, round(width * scale)))
    shares = [points / (width, height) for points in viewers]
    counts = gaze.counts_on_grid(np.concatenate(shares), grid)
    if not counts.sum():
        raise InputError("expected at least one fixation inside of the picture, got none")
    density, others = gaze.fixation_density(counts), gaze.counts_on_grid(elsewhere, grid)
    found = {}
    for name, values in maps.items():
        placed = upsample(values, geometry, grid, how="bilinear")
        placed = np.nan_to_num(placed, nan=float(values.min()))  # what the network did not see
        found[name] = {
            "gaze_auc": gaze.auc(placed, counts),
            "shuffled_auc": gaze.shuffled_auc(placed, counts, others),
            "nss": gaze.nss(placed, counts),
            "kl": gaze.kl_divergence(placed, density),
            "correlation": gaze.correlation(placed, density),
        }
    ceiling = gaze.viewers_ceiling(shares, grid)
    return {**found, "other viewers": {"gaze_auc": ceiling["auc"], "nss": ceiling["nss"]}}


def _position_scores(
    net: nn.Module, ready: Forecast, explanation: Explanation, classes: NDArray[np.int64] | None
) -> dict[str, dict[str, float]]:
    found = {}
    features = features_around(net, _input(ready)) if explanation.positions and classes is not None else {}
    for label, attention in explanation.positions.items():
        labels = None
        if classes is not None:
            rows, columns = attention.grid
            picked = Image.fromarray(classes.astype(np.int32)).resize((columns, rows), Image.Resampling.NEAREST)
            count = len(explanation.segmentation.categories) if explanation.segmentation else 0
            labels = np.array(picked).astype(np.int64)
            labels[labels >= count] = -1
        measured = dependence_of(label, attention, labels, void=-1, features=features.get(label))
        found[label] = {
            "total_variation": measured.total_variation,
            "own_class": measured.own_class,
            "sink_mass": measured.sink_mass,
        }
        if measured.compactness_before is not None and measured.compactness_after is not None:
            found[label]["compactness_before"] = measured.compactness_before
            found[label]["compactness_after"] = measured.compactness_after
    return found
