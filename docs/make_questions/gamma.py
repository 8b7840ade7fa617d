"""What gamma does: the segmentation with the attention weighed less and more than was learned."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from docs.make_questions.bench import Bench, gammas_times, network_input, numbers
from docs.make_questions.pictures import heat, save, sheet

ASKED_OF = "segmenter"
FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0)


def measure(bench: Bench) -> dict[str, Any]:
    """Share of pixels that change their class when gamma is changed, and how large is what is added."""
    seen = bench.danet
    added = np.linalg.norm(seen.output - seen.features, axis=0) / np.linalg.norm(seen.features, axis=0)
    learned = classes_with(bench, 1.0)
    cost = [value for name, value in bench.segmenter.card.metrics.items() if name.startswith("gamma = 0 (position)")]
    return {
        "photo": bench.scene,
        "position": float(seen.gammas["position"]),
        "channel": float(seen.gammas["channel"]),
        "added": float(np.median(added)),
        "changed": [{"factor": f, "share": float((classes_with(bench, f) != learned).mean())} for f in FACTORS],
        "cost": cost[0] if cost else None,
    }


def classes_with(bench: Bench, factor: float) -> NDArray[np.int64]:
    """Predicted class of every pixel with the position attention's gamma so many times what it is."""
    x, net = network_input(bench.segmenter, bench.scene)[0], bench.segmenter.net
    with gammas_times(net, factor), torch.inference_mode():
        return numbers(net(x))[0].argmax(axis=0)


def draw(bench: Bench, name: str, weights: str) -> None:
    """The segmentation with gamma 0, half of it, as learned, and twice as much."""
    figure, panels = sheet(4, height=2.3)
    for panel, factor in zip(panels, (0.0, 0.5, 1.0, 2.0), strict=True):
        gamma = factor * bench.danet.gammas["position"]
        title = f"classes, gamma = {gamma:.2f}"
        heat(panel, classes_with(bench, factor), title, colormap="tab20", limits=(0, 19), bar=False)
    save(figure, name, weights)
