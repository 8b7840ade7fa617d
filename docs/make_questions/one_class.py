"""Why convolution alone makes one class inconsistent, and what the position attention does to it."""

from typing import Any

import numpy as np

from docs.make_questions.bench import Array, Bench, DanetTensors
from docs.make_questions.pictures import heat, photo, save, sheet

ASKED_OF = "segmenter"
SMALLEST = 0.01  # share of the picture under which a class is left out


def measure(bench: Bench) -> dict[str, Any]:
    """Share of the spread of features that lies within classes, before the attention, gathered by it, and after it."""
    seen = bench.danet
    classes = seen.classes.ravel()
    gathered = seen.value @ seen.attention.T
    own = [float(seen.attention[np.ix_(classes == c, classes == c)].sum(axis=1).mean()) for c in _present(classes)]
    shares = [float((classes == c).mean()) for c in _present(classes)]
    return {
        "photo": bench.scene,
        "grid": list(seen.grid),
        "before": within(seen.features, classes),
        "gathered": within(gathered, classes),
        "after": within(seen.output, classes),
        "gamma": float(seen.gammas["position"]),
        "taught": any("auxiliary loss" in note for note in bench.segmenter.card.notes),
        "classes": [
            {"name": bench.segmenter.card.categories[c], "share": share, "own": mass, "stays": mass > share}
            for c, share, mass in zip(_present(classes), shares, own, strict=True)
        ],
    }


def _present(classes: Array) -> list[int]:
    counts = np.bincount(classes) / classes.size
    return [int(c) for c in np.argsort(-counts) if counts[c] >= SMALLEST]


def distances(features: Array, classes: Array) -> Array:
    """Squared distance of each location's features to the mean of its class, over the mean squared distance to all."""
    means = {c: features[:, classes == c].mean(axis=1) for c in np.unique(classes)}
    centres = np.stack([means[c] for c in classes], axis=1)
    whole = ((features - features.mean(axis=1, keepdims=True)) ** 2).sum(axis=0).mean()
    return np.asarray(((features - centres) ** 2).sum(axis=0) / whole)


def within(features: Array, classes: Array) -> float:
    """Share of the spread of (C, N) features over locations that lies within classes, 0 to 1."""
    return float(distances(features, classes).mean())


def draw(bench: Bench, name: str, weights: str) -> None:
    """Photo, classes, and each location's distance to its class before and after."""
    seen: DanetTensors = bench.danet
    classes = seen.classes.ravel()
    figure, panels = sheet(4, height=2.2)
    photo(panels[0], seen.image, bench.scene)
    heat(panels[1], seen.classes, "predicted class of each location", colormap="tab20", limits=(0, 19), bar=False)
    maps = [distances(features, classes).reshape(seen.grid) for features in (seen.features, seen.output)]
    limits = (0.0, float(np.quantile(maps[0], 0.98)))
    heat(panels[2], maps[0], "A: distance to its class", limits=limits, colormap="magma")
    heat(panels[3], maps[1], "E: distance to its class", limits=limits, colormap="magma")
    save(figure, name, weights)
