"""Two dilated convolutions or three: which cells they reach, what they cost, and how far the trained ones look."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from docs.make_questions.bench import CLASSIFIED, Array, BamTensors, Bench, numbers
from docs.make_questions.pictures import heat, save, sheet

ASKED_OF = "classifier"


def measure(bench: Bench) -> dict[str, Any]:
    """Side reached, cells read within it and parameters for two and three; the trained branch's reach per stage."""
    rows = []
    for dilation in (1, 2, 4):
        for count in (2, 3):
            read = reached(dilation, count)
            rows.append(
                {"dilation": dilation, "count": count, "side": read.shape[0], "read": int(read.sum()), "all": read.size}
            )
    return {"rows": rows, "stages": [_stage(bam) for bam in bench.bams(CLASSIFIED[0])], "photo": CLASSIFIED[0]}


def reached(dilation: int, count: int) -> Array:
    """Which cells around the middle so many 3x3 convolutions read: (side, side) of 0 and 1."""
    side = 2 * dilation * count + 1
    x = torch.zeros(1, 1, side, side)
    x[0, 0, side // 2, side // 2] = 1
    for _ in range(count):
        x = functional.conv2d(x, torch.ones(1, 1, 3, 3), padding=dilation, dilation=dilation)
    return (x[0, 0] > 0).double().numpy()


def _stage(bam: BamTensors) -> dict[str, Any]:
    options, hidden = bam.module.options, bam.hidden.shape[0]
    return {
        "stage": bam.stage,
        "grid": list(bam.spatial.shape),
        "dilation": options.dilation,
        "count": options.convs,
        "side": 2 * options.dilation * options.convs + 1,
        "at_centre": float(influence(bam).max()),
        "each": 9 * hidden**2 + hidden + 2 * hidden,  # weights, bias, batch norm
        "branch": sum(p.numel() for p in bam.module.spatial_att.parameters()),
    }


def influence(bam: BamTensors) -> Array:
    """How much s at a location depends on the features around it: |ds/dF| summed over channels, (side, side).

    The mean over up to 25 locations spread over the map: at a single one all the ReLUs may be shut. Adds up to 1.
    """
    reach = bam.module.options.dilation * bam.module.options.convs
    features = bam.features.clone().requires_grad_(True)
    spatial = bam.module.spatial_att(features)[0, 0]
    window = np.zeros((2 * reach + 1, 2 * reach + 1))
    for y in np.linspace(0, spatial.shape[0] - 1, 7)[1:-1].astype(int):
        for x in np.linspace(0, spatial.shape[1] - 1, 7)[1:-1].astype(int):
            (slope,) = torch.autograd.grad(spatial[y, x], features, retain_graph=True)
            around = np.pad(np.abs(numbers(slope)[0]).sum(axis=0), reach)
            window += around[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
    return window / max(window.sum(), 1e-300)


def draw(bench: Bench, name: str, weights: str) -> None:
    """The cells that two and three convolutions of dilation 4 read, and the trained branches' influence."""
    figure, panels = sheet(5, height=2.0)
    for panel, count in zip(panels, (2, 3), strict=False):
        heat(panel, np.pad(reached(4, count), 4 * (3 - count)), f"cells read by {count},\ndilation 4", bar=False)
    for panel, bam in zip(panels[2:], bench.bams(CLASSIFIED[0]), strict=True):
        heat(panel, influence(bam), f"|ds/dF| around a location,\nstage {bam.stage}", colormap="magma")
    save(figure, name, weights)
