"""Crops, flips and light of whole batches at once, as tensors, on the device of the pictures."""

import math

import torch
from torch import Tensor
from torch.nn import functional

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB in [0, 1]
STD = (0.229, 0.224, 0.225)


def to_float(images: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in [0, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def standardise(images: Tensor) -> Tensor:
    """Remove ImageNet's mean and std from (B, 3, H, W) in [0, 1]."""
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return (images - mean) / std


def random_crops(
    images: Tensor,
    size: int,
    generator: torch.Generator,
    *,
    smallest: float = 0.5,
    light: float = 0.2,
    detail: bool = False,
) -> Tensor:
    """Random resized crops with flips, brightness and contrast, one affine sampling for the whole batch.

    Args:
        images: uint8 (B, H, W, 3), square.
        size: Side of the result.
        generator: On the CPU; every random number comes from it.
        smallest: Share of the area that a crop keeps at least; its aspect ratio is in [3/4, 4/3].
        light: Brightness and contrast factors are in [1 - light, 1 + light].
        detail: Also blur or sharpen each picture and add noise (`vary_detail`).

    Returns:
        float32 (B, 3, size, size), mean and std removed, channels last in memory.
    """
    x = to_float(images)
    if x.shape[2] >= 2 * size:  # grid_sample does not antialias
        x = functional.avg_pool2d(x, 2)
    count, device = len(x), x.device
    area = torch.empty(count).uniform_(smallest, 1, generator=generator)
    ratio = torch.empty(count).uniform_(math.log(3 / 4), math.log(4 / 3), generator=generator).exp()
    width = (area * ratio).sqrt().clamp_(max=1)
    height = (area / ratio).sqrt().clamp_(max=1)
    left = (torch.rand(count, generator=generator) * 2 - 1) * (1 - width)
    top = (torch.rand(count, generator=generator) * 2 - 1) * (1 - height)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = width * flip, left
    theta[:, 1, 1], theta[:, 1, 2] = height, top
    grid = functional.affine_grid(theta.to(device), [count, 3, size, size], align_corners=False)
    x = functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    if light:
        x = _relight(x, generator, light)
    if detail:
        x = vary_detail(x, generator)
    return standardise(x).contiguous(memory_format=torch.channels_last)


def vary_detail(x: Tensor, generator: torch.Generator, *, share: float = 0.5) -> Tensor:
    """Blur or sharpen pictures, each by its own amount, and add noise: detail then says little about the data set.

    Args:
        x: float32 (B, 3, H, W) in [0, 1].
        generator: On the CPU.
        share: Chance of a picture to be changed; the others stay as they are.

    Returns:
        x + amount * (x - blurred) + noise, amount in [-1, 1.5] (-1: blurred), std of the noise up to 0.04.
    """
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=x.device) / 16
    kernel = (taps[:, None] * taps[None, :]).expand(3, 1, 5, 5)
    chosen = (torch.rand(len(x), generator=generator) < share).nonzero()[:, 0]
    sharp = x[chosen.to(x.device)].contiguous(memory_format=torch.channels_last)  # five times as fast on a CPU
    blurred = functional.conv2d(functional.pad(sharp, (2, 2, 2, 2), mode="reflect"), kernel, groups=3)
    amount = torch.empty(len(chosen), 1, 1, 1).uniform_(-1, 1.5, generator=generator).to(x.device)
    strength = torch.empty(len(chosen), 1, 1, 1).uniform_(0, 0.04, generator=generator).to(x.device)
    noise = torch.randn(sharp.shape, generator=generator).to(x.device)
    return x.index_copy(0, chosen.to(x.device), sharp + amount * (sharp - blurred) + strength * noise)


def _relight(x: Tensor, generator: torch.Generator, light: float) -> Tensor:
    factors = torch.empty(2, len(x), 1, 1, 1).uniform_(1 - light, 1 + light, generator=generator).to(x.device)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return ((x - mean) * factors[0] + mean) * factors[1]


def whole(images: Tensor, height: int, width: int | None = None) -> Tensor:
    """Resize whole pictures for evaluation, antialiased: uint8 (B, H, W, 3) -> float32 (B, 3, height, width).

    Args:
        images: RGB.
        height: Rows of the result.
        width: Its columns; None: a square.
    """
    x, size = to_float(images), (height, width or height)
    if x.shape[2:] != size:
        x = functional.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
    return standardise(x.clamp_(0, 1)).contiguous(memory_format=torch.channels_last)
