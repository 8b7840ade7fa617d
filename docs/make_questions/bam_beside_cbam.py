"""BAM beside CBAM: what each costs on the same trunk, and what each may do to a feature."""

from typing import Any

import numpy as np
from torch import nn

from attnviz.models.attention.bam import BAM, BamOptions
from attnviz.models.attention.cbam import CBAM
from docs.make_questions.bench import Bench, sigmoid
from docs.make_questions.pictures import lines, save, sheet

ASKED_OF = "classifier"


def measure(bench: Bench) -> dict[str, Any]:
    """Parameters of the classifier's BAMs, of the paper's, and of a CBAM in each block of its trunk; their ranges."""
    trunk = bench.classifier.net.options
    blocks = [channels for channels, count in zip(trunk.channels, trunk.blocks, strict=True) for _ in range(count)]
    return {
        "bam_modules": 3,
        "cbam_modules": len(blocks),
        "own": sum(_parameters(bench.classifier.net.get_submodule(f"bam{stage}")) for stage in (1, 2, 3)),
        "bam": sum(_parameters(BAM(channels, BamOptions())) for channels in trunk.channels[:3]),
        "cbam": sum(_parameters(CBAM(channels)) for channels in blocks),
        "trunk": sum(p.numel() for n, p in bench.classifier.net.named_parameters() if not n.startswith(("bam", "fc"))),
        "depth": trunk.depth,
        "side": 17,
        "kernel": 7,
        "half": [1.5**3, 0.25 ** len(blocks)],
    }


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def draw(bench: Bench, name: str, weights: str) -> None:
    """What one module multiplies a feature by, and what all of them can do together."""
    figure, panels = sheet(2, height=2.5, width=7)
    logit = np.linspace(-6, 6, 121)
    gate = sigmoid(logit)
    one = {"BAM: 1 + M": 1 + gate, "CBAM: channel gate x spatial gate": gate**2}
    lines(panels[0], logit, one, "factor of one module (all logits alike)", "logit")
    together = {"BAM: 3 modules": (1 + gate) ** 3, "CBAM: 8 blocks": gate**16}
    lines(panels[1], logit, together, "all modules one after the other", "logit")
    panels[1].set_yscale("log")
    panels[1].set_ylim(1e-8, 20)
    save(figure, name, weights)
