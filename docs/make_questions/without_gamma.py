"""q = k = v without gamma: what a common simplification of position attention computes from the same features."""

from typing import Any

import numpy as np

from docs.make_questions.bench import Array, Bench, odd_share, rank_correlation, softmax
from docs.make_questions.pictures import over_uniform, photo, save, sheet

ASKED_OF = "segmenter"


def measure(bench: Bench) -> dict[str, Any]:
    """Habits of the rows with learned queries and keys, and with the features themselves; how much is added."""
    seen = bench.danet
    plain = simplified(seen.features)
    lengths = np.linalg.norm(seen.features, axis=0)
    ratio = np.linalg.norm(seen.value @ seen.attention.T, axis=0) / lengths
    return {
        "photo": bench.scene,
        "learned": _habits(seen.attention, lengths) | {"odd": odd_share(seen.query.T @ seen.key)},
        "plain": _habits(plain, lengths) | {"odd": odd_share(seen.features.T @ seen.features)},
        "gathered": float(np.median(ratio)),
        "gamma": float(seen.gammas["position"]),
        "places": plain.shape[0],
    }


def simplified(features: Array) -> Array:
    """softmax(A^T A), (N, N)."""
    return softmax(features.T @ features)


def _habits(attention: Array, lengths: Array) -> dict[str, float | None]:
    tops = attention.argmax(axis=1)
    entropy = -(attention * np.log(np.maximum(attention, 1e-300))).sum(axis=1)
    return {
        "self": float(np.diagonal(attention).mean()),
        "self_first": float((tops == np.arange(len(tops))).mean()),
        "targets": len(np.unique(tops)),
        "by_length": rank_correlation(lengths, attention.sum(axis=0)),
        "largest": float(attention.max(axis=1).mean()),
        "effective": float(np.median(np.exp(entropy))),
    }


def draw(bench: Bench, name: str, weights: str) -> None:
    """Where one location looks with learned queries and keys, and with the features in their place."""
    seen = bench.danet
    place = seen.two_of_one_class()[0]
    figure, panels = sheet(3, height=2.5, width=7.5)
    photo(panels[0], seen.image, "the location")
    y, x = divmod(place, seen.grid[1])
    scale = seen.image.shape[0] / seen.grid[0], seen.image.shape[1] / seen.grid[1]
    panels[0].plot((x + 0.5) * scale[1], (y + 0.5) * scale[0], "o", color="#ff2d95", markeredgecolor="white")
    over_uniform(panels[1], seen.attention[place].reshape(seen.grid), "its row, learned query and key")
    row = simplified(seen.features)[place].reshape(seen.grid)
    over_uniform(panels[2], row, "its row, q = k = A")
    save(figure, name, weights)
