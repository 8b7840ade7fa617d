"""Scaled crops of street scenes with their labels, whole batches at once."""

import torch
from torch import Tensor
from torch.nn import functional

from training.augment import standardise, to_float, whole
from training.pack import IGNORED


def random_street_crops(
    images: Tensor,
    labels: Tensor,
    size: tuple[int, int],
    generator: torch.Generator,
    *,
    scales: tuple[float, float] = (0.6, 1.6),
    brightness: float = 0.4,
    colour: float = 0.15,
) -> tuple[Tensor, Tensor]:
    """Scale, crop, flip and relight a batch by one affine sampling.

    Args:
        images: uint8 (B, H, W, 3).
        labels: uint8 (B, H, W), 255 unlabelled.
        size: Rows and columns of the crops.
        generator: On the CPU; every random number comes from it.
        scales: Range of the magnification, drawn log-uniformly.
        brightness: Each picture is multiplied by a factor in [1 - brightness, 1 + brightness]: some of CamVid's rides
            are at dusk.
        colour: Each colour of a picture, furthermore, by one in [1 - colour, 1 + colour].

    Returns:
        float32 (B, 3, h, w), mean and std removed, mirrored beyond the picture; int64 (B, h, w) with 255 where
        unlabelled or beyond the picture.
    """
    x, (height, width) = to_float(images), size
    count, device = len(x), x.device
    scale = torch.empty(count).uniform_(*(torch.tensor(scales).log().tolist()), generator=generator).exp()
    across, down = width / scale / x.shape[3], height / scale / x.shape[2]
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = across * flip, down
    # where the crop is larger than the picture, the picture lies somewhere within it
    theta[:, 0, 2] = (torch.rand(count, generator=generator) * 2 - 1) * (1 - across).abs()
    theta[:, 1, 2] = (torch.rand(count, generator=generator) * 2 - 1) * (1 - down).abs()
    grid = functional.affine_grid(theta.to(device), [count, 3, height, width], align_corners=False)
    x = functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    shifted = (labels.float() + 1)[:, None]  # 0 is then free to mean: beyond the picture
    y = functional.grid_sample(shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    y = y[:, 0].round().long() - 1
    y[y < 0] = IGNORED
    factors = torch.empty(count, 1, 1, 1).uniform_(1 - brightness, 1 + brightness, generator=generator)
    factors = factors * torch.empty(count, 3, 1, 1).uniform_(1 - colour, 1 + colour, generator=generator)
    x = standardise((x * factors.to(device)).clamp_(0, 1))
    return x.contiguous(memory_format=torch.channels_last), y


def whole_street(images: Tensor, rows: int) -> Tensor:
    """Resize whole pictures for evaluation, as the page does: uint8 (B, H, W, 3) -> float32 (B, 3, rows, columns).

    Args:
        images: RGB.
        rows: Rows of the result; its columns keep the pictures' shape, to the nearest multiple of 8.
    """
    return whole(images, rows, 8 * round(rows * images.shape[2] / images.shape[1] / 8))


def labels_on_grid(labels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Class at each cell's centre: (B, H, W) -> (B, h, w), same dtype."""
    rows = ((torch.arange(grid[0]) + 0.5) * labels.shape[1] / grid[0]).long()
    columns = ((torch.arange(grid[1]) + 0.5) * labels.shape[2] / grid[1]).long()
    return labels[:, rows.to(labels.device)][:, :, columns.to(labels.device)]
