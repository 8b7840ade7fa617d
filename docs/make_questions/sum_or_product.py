"""Sum or product: what a larger s does to the gates of channels with positive and with negative c."""

from typing import Any

import numpy as np

from docs.make_questions.bench import CLASSIFIED, Array, Bench, sigmoid
from docs.make_questions.pictures import heat, lines, save, sheet

ASKED_OF = "classifier"


def measure(bench: Bench) -> dict[str, Any]:
    """Per stage: channels with negative c, and how the gain follows s with the sum and with the product."""
    stages = []
    for bam in bench.bams(CLASSIFIED[0]):
        gains = _gains(bam.channel, bam.spatial)
        stages.append(
            {
                "stage": bam.stage,
                "negative": float((bam.channel < 0).mean()),
                "sum": _correlation(gains["sum"], bam.spatial),
                "product": _correlation(gains["product"], bam.spatial),
                "ranges": [float(np.ptp(gains[kind])) for kind in ("sum", "product")],
            }
        )
    fusion = bench.bams(CLASSIFIED[0])[0].module.options.fusion
    return {"photo": CLASSIFIED[0], "fusion": fusion, "stages": stages, "least": min(s["product"] for s in stages)}


def _gains(channel: Array, spatial: Array) -> dict[str, Array]:
    fused = {"sum": np.add.outer(channel, spatial), "product": np.multiply.outer(channel, spatial)}
    return {kind: 1 + sigmoid(logits).mean(axis=0) for kind, logits in fused.items()}


def _correlation(a: Array, b: Array) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def draw(bench: Bench, name: str, weights: str) -> None:
    """Gates against s for five values of c, and the gain of stage 3 with both."""
    figure, panels = sheet(4, height=2.4)
    s = np.linspace(-4, 4, 81)
    values = (-2, -1, 0, 1, 2)
    lines(panels[0], s, {f"c = {c}": sigmoid(c + s) for c in values}, "sigmoid(c + s)", "s")
    lines(panels[1], s, {f"c = {c}": sigmoid(c * s) for c in values}, "sigmoid(c · s)", "s")
    bam = bench.bams(CLASSIFIED[0])[-1]
    gains = _gains(bam.channel, bam.spatial)
    heat(panels[2], gains["sum"], "effective gain, stage 3,\nsum")
    heat(panels[3], gains["product"], "the same c and s,\nproduct")
    save(figure, name, weights)
