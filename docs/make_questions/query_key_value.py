"""B, C, D of the paper and query, key, value of the code: which is which, and whether it matters."""

from typing import Any

import numpy as np

from docs.make_questions.bench import Bench, odd_share
from docs.make_questions.pictures import lines, over_uniform, photo, save, sheet

ASKED_OF = "segmenter"


def measure(bench: Bench) -> dict[str, Any]:
    """Shapes, sums of rows and columns, how far the energy is from symmetric, and how alike queries and keys are."""
    seen = bench.danet
    energy = seen.query.T @ seen.key
    columns = seen.attention.sum(axis=0)
    unit = [part / np.linalg.norm(part, axis=0) for part in (seen.query, seen.key)]
    return {
        "photo": bench.scene,
        "grid": list(seen.grid),
        "places": seen.grid[0] * seen.grid[1],
        "channels": seen.features.shape[0],
        "query_channels": seen.query.shape[0],
        "row_error": float(np.abs(seen.attention.sum(axis=1) - 1).max()),
        "columns": [float(columns.min()), float(columns.max())],
        "odd": odd_share(energy),
        "alike": float((unit[0] * unit[1]).sum(axis=0).mean()),
    }


def draw(bench: Bench, name: str, weights: str) -> None:
    """Two locations of one class: their queries, their keys, and where each looks."""
    seen = bench.danet
    places = seen.two_of_one_class()
    figure, panels = sheet(5, height=2.1)
    photo(panels[0], seen.image, "two locations of one class")
    scale = seen.image.shape[0] / seen.grid[0], seen.image.shape[1] / seen.grid[1]
    for number, (place, color) in enumerate(zip(places, ("#ff2d95", "#00c8ff"), strict=True), start=1):
        y, x = divmod(place, seen.grid[1])
        panels[0].plot((x + 0.5) * scale[1], (y + 0.5) * scale[0], "o", color=color, markeredgecolor="white")
        over_uniform(panels[2 + number], seen.attention[place].reshape(seen.grid), f"row of location {number}")
    across = range(seen.query.shape[0])
    for panel, part, title in ((panels[1], seen.query, "query"), (panels[2], seen.key, "key")):
        lines(panel, across, {str(n): part[:, p] for n, p in enumerate(places, start=1)}, title, "channel")
    save(figure, name, weights)
