"""Is one spatial channel redundant? How many maps the branch has inside, and what becomes of them."""

from typing import Any

import numpy as np

from docs.make_questions.bench import CLASSIFIED, Array, BamTensors, Bench
from docs.make_questions.pictures import heat, save, sheet

ASKED_OF = "classifier"


def measure(bench: Bench) -> dict[str, Any]:
    """Per stage: hidden maps, how many directions they fill, what of them one logit keeps; all gates ordered alike."""
    return {"photo": CLASSIFIED[0], "stages": [_stage(bam) for bam in bench.bams(CLASSIFIED[0])]}


def _stage(bam: BamTensors) -> dict[str, Any]:
    shares = component_shares(bam.hidden)
    return {
        "stage": bam.stage,
        "channels": len(bam.channel),
        "maps": bam.hidden.shape[0],
        "alive": int((bam.hidden.reshape(bam.hidden.shape[0], -1).std(axis=1) > 1e-6).sum()),
        "needed": int((shares.cumsum() < 0.95).sum() + 1),
        "first": float(shares[0]),
        "kept": kept_by(bam.hidden, bam.spatial),
        "same_order": same_order(bam.gate),
    }


def component_shares(maps: Array) -> Array:
    """Shares of the variance over locations along the principal directions of (K, h, w) maps, largest first."""
    flat = maps.reshape(maps.shape[0], -1)
    values = np.linalg.svd(flat - flat.mean(axis=1, keepdims=True), compute_uv=False) ** 2
    return np.asarray(values / values.sum())


def kept_by(maps: Array, single: Array) -> float:
    """Share of the variance of (K, h, w) maps that a straight line in one (h, w) map explains."""
    flat = maps.reshape(maps.shape[0], -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    line = single.ravel() - single.mean()
    explained = (flat @ line) ** 2 / (line @ line)
    return float(explained.sum() / (flat**2).sum())


def same_order(gate: Array) -> float:
    """Share of channels whose gates order the locations as the first channel's does or exactly the other way round."""
    gate = gate[:, gate[0].argsort()]
    steps = np.diff(gate, axis=1)
    return float(((steps >= -1e-12).all(axis=1) | (steps <= 1e-12).all(axis=1)).mean())


def draw(bench: Bench, name: str, weights: str) -> None:
    """The seven hidden maps of stage 3 that vary most, and the one logit that is made of all."""
    bam = bench.bams(CLASSIFIED[0])[-1]
    order = bam.hidden.reshape(bam.hidden.shape[0], -1).std(axis=1).argsort()[::-1][:7]
    figure, panels = sheet(4, 2, height=3.4)
    for panel, number in zip(panels, order, strict=False):
        heat(panel, bam.hidden[number], f"hidden map {number}, stage 3")
    for panel in panels[len(order) : -1]:
        panel.axis("off")
    heat(panels[-1], bam.spatial, "s: the one logit", colormap="magma")
    save(figure, name, weights)
