"""Packed pictures, held as uint8 where training runs, and the order in which they are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pictures:
    """One packed data set.

    Attributes:
        images: uint8 (N, H, W, 3), RGB.
        labels: int64 (N,) categories, or uint8 (N, H, W) classes with 255 for unlabelled.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.images)


def load_pictures(folder: Path, name: str, device: torch.device) -> Pictures:
    """Load what `training.pack` wrote, whole, onto the device (a mapped file costs 100 ms a batch in page faults).

    Args:
        folder: The packer's ``--out``.
        name: For example ``"tiny_train"``.
        device: Where batches are made.

    Raises:
        FileNotFoundError: The data set was not packed.
        ValueError: Pictures and labels differ in number, or a shape or dtype is not the packer's.
    """
    images = np.load(folder / f"{name}.npy")
    labels = np.load(folder / f"{name}_labels.npy")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"expected uint8 (N, H, W, 3) in {name}.npy, got {images.dtype} {images.shape}")
    if len(images) != len(labels):
        raise ValueError(f"expected one label per picture of {name}, got {len(labels)} for {len(images)}")
    return Pictures(torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device))


def joined(parts: Sequence[Pictures]) -> Pictures:
    """One data set after the other; all of one shape and on one device."""
    return Pictures(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))


class Draw:
    """Endless draws without replacement: a fresh permutation per epoch, a function of seed and step alone.

    Being stateless it needs nothing in a checkpoint: after a resume, step n draws what it would have drawn.
    """

    def __init__(self, total: int, per_step: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        """Draw `per_step` of `total` at each step, of which process `rank` of `world` gets its own part.

        Raises:
            ValueError: Not at least one per step, or more than there are.
        """
        if not 0 < per_step <= total:
            raise ValueError(f"expected 1 to {total} pictures per step, got {per_step}")
        self.total, self.per_step, self.seed, self.rank, self.world = total, per_step, seed, rank, world
        self.steps_per_epoch = total // per_step
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __call__(self, step: int) -> Tensor:
        """Indices of a step for this process, int64 (about per_step / world,)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, torch.randperm(self.total, generator=seeded(self.seed, epoch))
        return self._order[place * self.per_step : (place + 1) * self.per_step][self.rank :: self.world]


def seeded(*numbers: int) -> torch.Generator:
    """Make a CPU generator from a few numbers, well mixed."""
    entropy = np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(entropy >> np.uint64(1)))


def take(pictures: Pictures, index: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures and labels at int64 (B,) on the device of the data set."""
    index = index.to(pictures.images.device)
    return pictures.images[index], pictures.labels[index]


def split_batch(batch: int, weights: Sequence[float]) -> list[int]:
    """Split a batch in proportion to `weights`, each share at least 1; the first takes what rounding leaves."""
    counts = [max(1, round(batch * w / sum(weights))) for w in weights]
    counts[0] += batch - sum(counts)
    return counts
