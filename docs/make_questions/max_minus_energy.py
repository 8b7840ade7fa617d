"""Max minus energy in the channel attention: what the released code does, and what the paper's equation would do."""

from typing import Any

import numpy as np

from docs.make_questions.bench import Array, Bench, softmax
from docs.make_questions.pictures import heat, save, sheet

ASKED_OF = "segmenter"


def measure(bench: Bench) -> dict[str, Any]:
    """Both forms on the same energies: largest share of a row, share on itself, rank of what is looked at."""
    features = bench.danet.channel_input
    energy = features @ features.T
    code, paper = softmax(energy.max(axis=1, keepdims=True) - energy), softmax(energy)
    return {
        "photo": bench.scene,
        "channels": energy.shape[0],
        "same_as_minus": float(np.abs(code - softmax(-energy)).max()),
        "code": _habits(code, energy),
        "paper": _habits(paper, energy),
        "spread": float(np.median(np.ptp(energy, axis=1))),
        "gamma": float(bench.danet.gammas["channel"]),
    }


def _habits(attention: Array, energy: Array) -> dict[str, float]:
    closer = energy[:, None, :] < np.take_along_axis(energy, attention.argmax(axis=1)[:, None], axis=1)[:, :, None]
    return {
        "largest": float(np.median(attention.max(axis=1))),
        "self": float(np.diagonal(attention).mean()),
        "targets": len(np.unique(attention.argmax(axis=1))),
        "likeness": float(closer.mean()),
    }


def draw(bench: Bench, name: str, weights: str) -> None:
    """The energies, and what each form makes of them."""
    features = bench.danet.channel_input
    energy = features @ features.T
    figure, panels = sheet(3, height=2.5)
    heat(panels[0], np.log10(np.maximum(energy, 1e-3)), "log10 of the energy A Aᵀ")
    heat(panels[1], softmax(energy), "softmax(energy): the paper", limits=(0, 1), colormap="magma")
    code = softmax(energy.max(axis=1, keepdims=True) - energy)
    heat(panels[2], code, "softmax(max \u2212 energy): the code", limits=(0, 1), colormap="magma")
    save(figure, name, weights)
