"""Keep what a network's first three stages make of every labelled view: stage 4 then trains twice as fast, for epochs.

    python -m training.front_features --shards SHARDS --start RUN/average.safetensors --family bam --out FEATURES
    python -m training.distil --shards FEATURES --frozen-front ...

Beside ``logits-NAME.npy`` of each shard lie ``features-NAME.npy``, uint8 (N, 256, S / 16, S / 16), and, for all of
them, ``scale.npy``, float32 (256): the square root of a feature over its channel's scale, times 255. Half of the views
are mirrored. Shards that have theirs are passed over, so an interrupted run goes on where it was.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from attnviz.models.build import build_model
from training.arrays import seeded
from training.augment import standardise, to_float
from training.distil import FAMILIES, spec_of, take_weights
from training.frozen_front import compile_front
from training.label import save
from training.shards import squeeze

BATCH = 64  # views at once


def half_mirrored(views: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Views (N, S, S, 3) of the shard of a name, every other one of them mirrored, at random."""
    mirrored = torch.rand(len(views), generator=seeded(0, 4, sum(name.encode()))) < 0.5
    return np.where(mirrored.numpy()[:, None, None, None], views[:, :, ::-1], views)


def features_of(views: NDArray[np.uint8], front: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
    """What the front makes of views (N, S, S, 3): float32 (N, 256, S / 16, S / 16)."""
    found = []
    for start in range(0, len(views), BATCH):
        part = views[start : start + BATCH]
        filled = np.zeros((BATCH, *views.shape[1:]), np.uint8)
        filled[: len(part)] = part
        found.append(front(standardise(to_float(torch.from_numpy(filled))))[: len(part)].numpy())
    return np.concatenate(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Keep the third stage's features of labelled views.")
    parser.add_argument("--shards", type=Path, required=True, help="folder that training.label fills")
    parser.add_argument("--out", type=Path, required=True, help="folder for the features")
    parser.add_argument("--start", type=Path, required=True, help="safetensors of the network")
    parser.add_argument("--family", choices=FAMILIES, default="bam")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    net = build_model(spec_of(options.family))
    take_weights(net, load_file(options.start), set())
    front = None
    for answers in sorted(options.shards.glob("logits-*.npy")):
        name = answers.stem.removeprefix("logits-")
        if (options.out / answers.name).exists():
            continue
        views = half_mirrored(np.load(options.shards / f"views-{name}.npy"), name)
        front = front or compile_front(net, (BATCH, 3, *views.shape[1:3]), options.threads)  # type: ignore[arg-type]
        found = features_of(views, front)
        if not (options.out / "scale.npy").exists():
            save(options.out / "scale.npy", np.maximum(found.max((0, 2, 3)), 1e-6))
        save(options.out / f"features-{name}.npy", squeeze(found, np.load(options.out / "scale.npy")))
        save(options.out / answers.name, np.load(answers))
        print(name, flush=True)


if __name__ == "__main__":
    main()
