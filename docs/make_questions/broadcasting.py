"""Does broadcasting help? The rank of a BAM's logits and gates, and what the network says with simpler gates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from docs.make_questions.bench import CLASSIFIED, Array, BamTensors, Bench, network_input
from docs.make_questions.pictures import heat, save, sheet

ASKED_OF = "classifier"
Change = Callable[[Tensor], Tensor]
SIMPLER: dict[str, Change] = {
    "as it is": lambda m: m,
    "mean over locations": lambda m: m.mean(dim=(2, 3), keepdim=True).expand_as(m),
    "mean over channels": lambda m: m.mean(dim=1, keepdim=True).expand_as(m),
    "one number": lambda m: m.mean().expand_as(m),
}


def measure(bench: Bench) -> dict[str, Any]:
    """Ranks per stage, where the spread of M lies, and the first category's probability with simpler gates."""
    stages = [_stage(bam) for bam in bench.bams(CLASSIFIED[0])]
    tried = []
    for photo in CLASSIFIED:
        x = network_input(bench.classifier, photo)[0]
        found = [_probabilities(bench.classifier.net, x, change) for change in SIMPLER.values()]
        first = int(found[0].argmax())
        values = [float(p[first]) for p in found]
        tried.append({"photo": photo, "values": values, "channels_matter_more": values[2] < values[1]})
    return {
        "photo": CLASSIFIED[0],
        "fusion": bench.bams(CLASSIFIED[0])[0].module.options.fusion,
        "stages": stages,
        "highest_rank": max(stage["logit_rank"] for stage in stages),
        "tried": tried,
    }


def _stage(bam: BamTensors) -> dict[str, Any]:
    gate = bam.gate
    singular = np.linalg.svd(gate, compute_uv=False)
    total = gate.var()
    channels, places = gate.mean(axis=1).var() / total, gate.mean(axis=0).var() / total
    return {
        "stage": bam.stage,
        "channels": gate.shape[0],
        "places": gate.shape[1],
        "logit_rank": int(np.linalg.matrix_rank(bam.logits)),
        "gate_rank": _needed(singular),
        "first": float(singular[0] ** 2 / (singular**2).sum()),
        "by_channel": float(channels),
        "by_place": float(places),
        "together": float(1 - channels - places),
    }


def _needed(singular: Array) -> int:
    """How many singular values are above a thousandth of the largest."""
    return int((singular > 1e-3 * singular[0]).sum())


def _probabilities(net: nn.Module, x: Tensor, change: Change) -> Tensor:
    handles = [
        net.get_submodule(f"bam{stage}.gate").register_forward_hook(lambda _, __, gate: change(gate))
        for stage in (1, 2, 3)
    ]
    try:
        with torch.inference_mode():
            return net(x).softmax(dim=1)[0]
    finally:
        for handle in handles:
            handle.remove()


def draw(bench: Bench, name: str, weights: str) -> None:
    """Logits and gates as matrices, channels down and locations across, both in order of their logits."""
    bam = bench.bams(CLASSIFIED[0])[-1]
    figure, panels = sheet(3, height=2.6)
    rows, columns = bam.channel.argsort(), bam.spatial.ravel().argsort()
    heat(panels[0], bam.logits[rows][:, columns], "logits, stage 3 (channels × locations)", square=False)
    heat(panels[1], bam.gate[rows][:, columns], "M = sigmoid(logits)", limits=(0, 1), square=False)
    for each in bench.bams(CLASSIFIED[0]):
        for matrix, style in ((each.logits, ":"), (each.gate, "-")):
            values = np.linalg.svd(matrix, compute_uv=False)[:8]
            kind = "M" if style == "-" else "logits"
            panels[2].semilogy(range(1, 9), values / values[0], style, label=f"{kind}, stage {each.stage}")
    panels[2].set_ylim(1e-6, 2)
    panels[2].set_title("singular values over the first", fontsize=8)
    panels[2].legend(fontsize=6, frameon=False)
    save(figure, name, weights)
