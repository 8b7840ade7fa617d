"""What a network's answers lose when a gate is replaced by its mean over locations.

python -m training.flattening --weights RUN/average.safetensors --spec RUN/spec.json --gauges GAUGES --out costs.json
"""

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from attnviz.measure.changed_outputs import flattened, output_replaced
from attnviz.models.bam_resnet import BamResNet
from training.gauges import answers
from training.gaze import load
from training.guided_gates import bams_of

VARIANTS = {"stage 1": (1,), "stage 2": (2,), "stage 3": (3,), "all stages": (1, 2, 3)}


def with_flat_gates(net: BamResNet, stages: Sequence[int], views: np.ndarray, batch: int) -> Tensor:
    """Logits float32 (N, K) of views uint8 (N, S, S, 3) while the gates of some stages are flat."""
    with ExitStack() as stack:
        for stage in stages:
            stack.enter_context(output_replaced(bams_of(net)[stage - 1].gate, flattened))
        return answers(net, views, batch)


def costs(net: BamResNet, folder: Path, batch: int = 100) -> dict[str, float]:
    """Top-1 on the held-out photos of `training.gauges`, and what flattening takes from it, with standard errors.

    Right on Imagenette's photos is the label among 1,000; on the others the teacher's first category.
    """
    with np.load(folder / "held_out.npz") as held, np.load(folder / "imagenette.npz") as nette:
        views = np.concatenate([held["views"], nette["views"]])
        labels = np.concatenate([held["logits"].astype(np.float32).argmax(1), nette["labels"]])
        parts = {"held-out photos": slice(0, len(held["views"])), "Imagenette val": slice(len(held["views"]), None)}
    truth = torch.from_numpy(labels)
    plain = answers(net, views, batch)
    found: dict[str, float] = {}
    for where, part in parts.items():
        right = (plain.argmax(1) == truth)[part].float()
        found[f"top-1 (%), {len(right):,} {where}"] = 100 * float(right.mean())
    for name, stages in VARIANTS.items():
        flat = with_flat_gates(net, stages, views, batch)
        lost = 100 * ((plain.argmax(1) == truth).float() - (flat.argmax(1) == truth).float())
        more = functional.cross_entropy(flat, truth, reduction="none")
        nats = 1000 * (more - functional.cross_entropy(plain, truth, reduction="none"))
        for unit, values in (("points of top-1", lost), ("millinats", nats)):
            for where, part in parts.items():
                each = values[part]
                found[f"{name} flattened costs ({unit}), {where}"] = float(each.mean())
                found[f"{name} flattened costs, standard error ({unit}), {where}"] = (
                    float(each.std()) / len(each) ** 0.5
                )
    return {name: round(value, 3) for name, value in found.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure what flattening a BAM-ResNet's gates costs.")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--gauges", type=Path, required=True, help="folder written by training.gauges")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    text = json.dumps(costs(load(options.weights, options.spec), options.gauges), indent=1)
    if options.out:
        options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
