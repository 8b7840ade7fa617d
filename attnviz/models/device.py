"""Which device to compute on."""

import torch

from attnviz.errors import DeviceError


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, else Apple's MPS, else the CPU.

    Args:
        name: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.

    Raises:
        DeviceError: The name is unknown or this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"expected device auto, cpu, cuda, cuda:N or mps, got {name!r}") from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise DeviceError(f"expected a device that this machine has, got {name!r}; 'auto' picks one")
    return device
