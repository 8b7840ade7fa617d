"""BAM beside CBAM: what each costs on the same trunk, and what each may do to a feature."""

from functools import cache
from typing import Any

import numpy as np
from torch import nn

from attnviz.models.attention.bam import BAM, BamOptions
from attnviz.models.attention.cbam import CBAM
from attnviz.models.families import families_here
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models
from attnviz.pipeline import explain
from attnviz.results import Explanation
from docs.make_questions.bench import ASSETS, CLASSIFIED, Bench, rank_correlation, sigmoid
from docs.make_questions.pictures import heat, lines, photo, save, sheet

ASKED_OF = "classifier"
DIGITS = 12  # of a hash
STAGES = (1, 2, 3)  # after which there is a BAM


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
        "trained": _trained(),
    }


def cbam_card() -> ModelCard | None:
    """Of the CBAM that is shipped; None: there is none."""
    return families_here(card for card in list_models().values() if card.status == "shipped").get("CBAM")


@cache
def explained(model: str) -> Explanation:
    """The first photo by a model."""
    return explain(ASSETS / f"{CLASSIFIED[0]}.jpg", model, device="cpu")


def last_of(found: Explanation, kind: str, stage: int) -> np.ndarray:
    """The map of a kind after a stage, by its last module."""
    return [entry.values for entry in found.maps.values() if entry.kind == kind and entry.stage == stage][-1]


def _trained() -> dict[str, Any] | None:
    """What BAM and a trained CBAM do to the features of one photo; None without such weights."""
    card = cbam_card()
    if card is None:
        return None
    bam, cbam = explained(DEFAULT_MODEL), explained(card.name)
    gains = [last_of(bam, "effective_gain", stage) for stage in STAGES]
    gates = [last_of(cbam, "spatial_gate", stage) for stage in STAGES]
    places = [entry.values.mean() for entry in cbam.maps.values() if entry.kind == "spatial_gate"]
    channels = [gate.values.mean() for gate in cbam.channel_gates.values()]
    return {
        "name": card.name,
        "weights": str(card.sha256)[:DIGITS],
        "photo": CLASSIFIED[0],
        "gain": float(np.prod([gain.mean() for gain in gains])),
        "left": float(np.prod(places) * np.prod(channels)),
        "stages": [
            {
                "stage": stage,
                "gain": [float(gain.min()), float(gain.max())],
                "gate": [float(gate.min()), float(gate.max())],
                "alike": rank_correlation(gain, gate) if gain.shape == gate.shape else None,
            }
            for stage, gain, gate in zip(STAGES, gains, gates, strict=True)
        ],
    }


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def draw(bench: Bench, name: str, weights: str) -> None:
    """What one module multiplies a feature by, and what all of them can do together."""
    card = cbam_card()
    figure, panels = sheet(2, height=2.5, width=7) if card is None else _sheet_with_maps(card)
    logit = np.linspace(-6, 6, 121)
    gate = sigmoid(logit)
    one = {"BAM: 1 + M": 1 + gate, "CBAM: channel gate x spatial gate": gate**2}
    lines(panels[0], logit, one, "factor of one module (all logits alike)", "logit")
    together = {"BAM: 3 modules": (1 + gate) ** 3, "CBAM: 8 blocks": gate**16}
    lines(panels[1], logit, together, "all modules one after the other", "logit")
    panels[1].set_yscale("log")
    panels[1].set_ylim(1e-8, 20)
    save(figure, name, weights)


def _sheet_with_maps(card: ModelCard) -> Any:  # noqa: ANN401 - figure and axes
    """A figure whose first two axes are free, above the maps of both families after each stage."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 6.2), dpi=110, layout="constrained")
    grid = figure.add_gridspec(3, 4, height_ratios=(1.5, 1, 1))
    bam, cbam = explained(DEFAULT_MODEL), explained(card.name)
    for row, (found, kind, name) in enumerate(
        ((bam, "effective_gain", "BAM, gain"), (cbam, "spatial_gate", "CBAM, spatial gate")), start=1
    ):
        photo(figure.add_subplot(grid[row, 0]), found.network_image, name)
        for column, stage in enumerate(STAGES, start=1):
            heat(figure.add_subplot(grid[row, column]), last_of(found, kind, stage), f"stage {stage}")
    return figure, [figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[0, 2:])]
