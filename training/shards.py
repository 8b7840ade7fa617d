"""Labelled views as training draws them: a few shards at a time, those used least first, well mixed."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.arrays import seeded
from training.augment import standardise, to_float


class LabelledViews:
    """Batches from whatever shards `training.label` has made by now.

    Args:
        folder: Of the shards.
        batch: Views a step.
        seed: Of the order.
        at_once: Shards mixed with each other in memory (190 MB each at 176 px).
    """

    def __init__(self, folder: Path, batch: int, seed: int, at_once: int = 4) -> None:
        self.folder, self.batch, self.seed, self.at_once = folder, batch, seed, at_once
        self.used: Counter[str] = Counter()
        self._views, self._logits, self._order = torch.empty(0), torch.empty(0), torch.empty(0, dtype=torch.int64)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """A step's views, float32 (B, 3, S, S), mean and std removed, some mirrored, and logits float32 (B, K)."""
        if len(self._order) < self.batch:
            self._load(step)
        index, self._order = self._order[: self.batch], self._order[self.batch :]
        generator = seeded(self.seed, 3, step)
        x = standardise(to_float(self._views[index]))
        mirrored = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        return x.contiguous(memory_format=torch.channels_last), self._logits[index].float()

    def _load(self, step: int) -> None:
        names = self._names()
        generator = seeded(self.seed, 2, step)
        chance = torch.rand(len(names), generator=generator).tolist()
        ranked = sorted(zip(names, chance, strict=True), key=lambda pair: (self.used[pair[0]], pair[1]))
        chosen = [name for name, _ in ranked[: self.at_once]]
        self.used.update(chosen)
        views = [np.load(self.folder / f"views-{name}.npy") for name in chosen]
        logits = [np.load(self.folder / f"logits-{name}.npy") for name in chosen]
        self._views, self._logits = torch.from_numpy(np.concatenate(views)), torch.from_numpy(np.concatenate(logits))
        self._order = torch.randperm(len(self._views), generator=generator)

    def _names(self) -> list[str]:
        while True:
            names = [file.stem.removeprefix("logits-") for file in sorted(self.folder.glob("logits-*.npy"))]
            names = names[1:] if len(names) > 2 * self.at_once else names  # the oldest may be removed any moment
            if names:
                return names
            time.sleep(5)
