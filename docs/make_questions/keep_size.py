"""Why the spatial branch must not lose size, and what a dilation sees of a small map: arithmetic, and one network."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from docs.make_questions.bench import CLASSIFIED, Array, Bench, sigmoid
from docs.make_questions.pictures import heat, save, sheet

ASKED_OF = "classifier"
VARIANTS = ((1, 0), (2, 1), (1, 1), (4, 4))  # (dilation, padding)
GRIDS = (4, 7, 14, 28, 56)
DILATIONS = (1, 2, 4)


def measure(bench: Bench) -> dict[str, Any]:
    """Sizes after each of three convolutions, taps inside small maps, and the gain without a map of locations."""
    bam = bench.bams(CLASSIFIED[0])[-1]
    gain = 1 + bam.gate.mean(axis=0)
    return {
        "sizes": [{"dilation": d, "padding": p, "sizes": sizes(7, d, p)} for d, p in VARIANTS],
        "taps": [{"grid": grid, "means": [float(taps_inside(grid, d).mean()) for d in DILATIONS]} for grid in GRIDS],
        "most_of_4": int(taps_inside(4, 4).max()),
        "own_grid": list(bam.spatial.shape),
        "own_dilation": bam.module.options.dilation,
        "own_taps": float(taps_inside(min(bam.spatial.shape), bam.module.options.dilation).mean()),
        "gain": [float(gain.min()), float(gain.max())],
        "flat": float(1 + _with_one_number(bench).mean()),
        "photo": CLASSIFIED[0],
    }


def sizes(side: int, dilation: int, padding: int) -> list[int]:
    """Side of a map before and after each of three 3x3 convolutions, as torch computes it."""
    x, found = torch.zeros(1, 1, side, side), [side]
    for _ in range(3):
        x = functional.conv2d(x, torch.ones(1, 1, 3, 3), padding=padding, dilation=dilation)
        found.append(x.shape[-1])
    return found


def taps_inside(side: int, dilation: int) -> Array:
    """How many of the nine taps of a 3x3 convolution fall inside the map, for each of its locations."""
    ones = torch.ones(1, 1, side, side)
    kernel = torch.ones(1, 1, 3, 3)
    return functional.conv2d(ones, kernel, padding=dilation, dilation=dilation)[0, 0].double().numpy()


def _with_one_number(bench: Bench) -> Array:
    """The gate of each channel at stage 3, were the spatial branch to end with one number: its mean."""
    bam = bench.bams(CLASSIFIED[0])[-1]
    number = bam.spatial.mean()
    fused = bam.channel + number if bam.module.options.fusion == "sum" else bam.channel * number
    return sigmoid(fused)


def draw(bench: Bench, name: str, weights: str) -> None:
    """Taps inside three maps, and the gain with a map of locations and with one number."""
    figure, panels = sheet(5, height=2.0)
    for panel, (grid, dilation) in zip(panels, ((4, 4), (7, 4), (14, 4)), strict=False):
        heat(panel, taps_inside(grid, dilation), f"taps inside, {grid} x {grid},\ndilation {dilation}", limits=(0, 9))
    bam = bench.bams(CLASSIFIED[0])[-1]
    gain = 1 + bam.gate.mean(axis=0).reshape(bam.spatial.shape)
    limits = (float(gain.min()), float(gain.max()))
    heat(panels[3], gain, "effective gain,\nstage 3", limits=limits)
    flat = np.full(bam.spatial.shape, 1 + _with_one_number(bench).mean())
    heat(panels[4], flat, "the same with\none number for s", limits=limits)
    save(figure, name, weights)
