"""Labelled views as training draws them: a few shards at a time, those used least first, well mixed."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.arrays import seeded
from training.augment import standardise, to_float


def squeeze(features: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Eight bits of each feature (N, C, H, W): of its square root, since small values are many and large ones few."""
    share = np.clip(features / scale[:, None, None], 0, 1)
    return np.rint(255 * np.sqrt(share)).astype(np.uint8)  # type: ignore[no-any-return]


def restore(kept: Tensor, scale: Tensor) -> Tensor:
    """The features, float32 (N, C, H, W), channels last, of what `squeeze` made of them."""
    return (kept.float() / 255).square().mul_(scale[:, None, None]).contiguous(memory_format=torch.channels_last)


def seldom(logits: Tensor, power: float) -> Tensor:
    """How often each view is to be drawn, float32 (N,), mean 1: more for categories that the teacher seldom names here.

    Photos that can be had show some categories a hundred times as often as others, and a network that is unsure leans
    to those: agreement with the teacher was 63 % over photos and 35 % with every category counting alike.

    Args:
        logits: The teacher's, (N, K).
        power: 1 makes all categories alike; 0 changes nothing.
    """
    answers = logits.float().softmax(1)
    share = answers.mean(0).clamp_min(0.1 / len(answers))  # a category seen less than once counts no more than that
    weights = answers @ share.pow(-power)
    return weights / weights.mean()


class LabelledViews:
    """Batches from whatever shards `training.label` has made by now.

    Args:
        folder: Of the shards, or of the features that `training.front_features` made of them.
        batch: Views a step.
        seed: Of the order.
        at_once: Shards mixed with each other in memory (190 MB each at 176 px).
        balance: Views of seldom categories are drawn more often: share of a category to the power of minus `balance`.
            0: all views alike, each once; 1: all categories alike, some views many times and some never.
    """

    def __init__(self, folder: Path, batch: int, seed: int, at_once: int = 4, balance: float = 0.0) -> None:
        self.folder, self.batch, self.seed, self.at_once, self.balance = folder, batch, seed, at_once, balance
        scale = folder / "scale.npy"
        self.scale = torch.from_numpy(np.load(scale)) if scale.exists() else None
        self.used: Counter[str] = Counter()
        self._views, self._logits, self._order = torch.empty(0), torch.empty(0), torch.empty(0, dtype=torch.int64)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """A step's views, float32 (B, 3, S, S), mean and std removed, some mirrored, and logits float32 (B, K).

        Of `training.front_features`: what the front made of the views, (B, 256, S / 16, S / 16).
        """
        if len(self._order) < self.batch:
            self._load(step)
        index, self._order = self._order[: self.batch], self._order[self.batch :]
        if self.scale is not None:
            return restore(self._views[index], self.scale), self._logits[index].float()
        x = standardise(to_float(self._views[index]))
        mirrored = torch.rand(len(x), generator=seeded(self.seed, 3, step)) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        return x.contiguous(memory_format=torch.channels_last), self._logits[index].float()

    def _load(self, step: int) -> None:
        names = self._names()
        generator = seeded(self.seed, 2, step)
        chance = torch.rand(len(names), generator=generator).tolist()
        ranked = sorted(zip(names, chance, strict=True), key=lambda pair: (self.used[pair[0]], pair[1]))
        chosen = [name for name, _ in ranked[: self.at_once]]
        self.used.update(chosen)
        kind = "views" if self.scale is None else "features"
        views = [np.load(self.folder / f"{kind}-{name}.npy") for name in chosen]
        logits = [np.load(self.folder / f"logits-{name}.npy") for name in chosen]
        self._views, self._logits = torch.from_numpy(np.concatenate(views)), torch.from_numpy(np.concatenate(logits))
        if self.balance:
            weights = seldom(self._logits, self.balance)
            self._order = torch.multinomial(weights, len(weights), replacement=True, generator=generator)
        else:
            self._order = torch.randperm(len(self._views), generator=generator)

    def _names(self) -> list[str]:
        while True:
            names = [file.stem.removeprefix("logits-") for file in sorted(self.folder.glob("logits-*.npy"))]
            names = names[1:] if len(names) > 2 * self.at_once else names  # the oldest may be removed any moment
            if names:
                return names
            time.sleep(5)
