"""Weights in a quarter of the room: 8 bits each, with a scale for every output channel.

Symmetric rounding to [-127, 127] by the largest weight of a channel, as in "Quantizing deep convolutional networks for
efficient inference" (arXiv 1806.08342, section 3.1.3); only for storage: the network computes in float32.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from attnviz.errors import CheckpointError

_SCALE = ".scale"  # after the name of the tensor that it belongs to
_STEPS = 127


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round matrices and kernels to 8 bits a weight; vectors (biases, norms) and integers stay as they are.

    Args:
        tensors: Name -> tensor as a network has it.

    Returns:
        Name -> int8 tensor of the same shape, and beside it ``NAME.scale``, float32 (out_channels,).
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.ndim < 2:
            packed[name] = tensor
            continue
        rows = tensor.float().flatten(1)
        scale = rows.abs().amax(1) / _STEPS
        steps = (rows / scale.clamp_min(torch.finfo(torch.float32).tiny)[:, None]).round()
        packed[name] = steps.to(torch.int8).reshape(tensor.shape)
        packed[name + _SCALE] = scale
    return packed


def unpack(tensors: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """Weights as `pack` was given them, but for the rounding; a file without packed ones comes back as it is.

    Args:
        tensors: Name -> tensor as a file holds it.
        file: Its name, for messages.

    Returns:
        Name -> tensor; packed ones as float32.

    Raises:
        CheckpointError: A scale is not one number for each output channel.
    """
    scales = {name for name in tensors if name.endswith(_SCALE) and _is_packed(tensors, name.removesuffix(_SCALE))}
    found = {name: tensor for name, tensor in tensors.items() if name not in scales}
    for name in scales:
        scale, steps = tensors[name], tensors[name.removesuffix(_SCALE)]
        if scale.shape != steps.shape[:1] or not scale.is_floating_point():
            raise CheckpointError(
                f"expected {name} of {file} to be {steps.shape[0]} floating-point numbers, one for each output "
                f"channel, got {scale.dtype} {tuple(scale.shape)}"
            )
        found[name.removesuffix(_SCALE)] = steps.float() * scale.float().reshape(-1, *[1] * (steps.ndim - 1))
    return found


def _is_packed(tensors: Mapping[str, Tensor], name: str) -> bool:
    return name in tensors and tensors[name].dtype == torch.int8 and tensors[name].ndim >= 2
