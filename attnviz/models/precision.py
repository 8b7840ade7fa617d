"""The number format a network computes in: float32, or bfloat16 wherever that costs its attention nothing.

A bfloat16 has eight significant bits: a BAM's gain, in (1, 2), would come in steps of 1/128. So the trunk alone
computes in bfloat16, with its pixels' channels beside each other in memory (channels last), which is what hardware for
bfloat16 multiplies fastest. Attention modules, batch normalisation and the last layers compute in float32.
"""

import copy
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from attnviz.errors import OptionError, quoted
from attnviz.models.attention.steps import steps_of
from attnviz.models.sites import names_sites, sites_of

Precision = Literal["float32", "bfloat16"]
PrecisionChoice = Literal["float32", "bfloat16", "auto"]
PRECISION_CHOICES: tuple[PrecisionChoice, ...] = get_args(PrecisionChoice)


def pick_precision(choice: PrecisionChoice, device: torch.device) -> Precision:
    """The format of that name; ``"auto"`` takes bfloat16 where the hardware multiplies it, else float32.

    Args:
        choice: ``"float32"``, ``"bfloat16"`` or ``"auto"``.
        device: Where the network computes.

    Raises:
        OptionError: There is no such choice.
    """
    if choice not in PRECISION_CHOICES:
        raise OptionError(f"expected precision to be one of {', '.join(PRECISION_CHOICES)}, got {quoted(choice)}")
    if choice != "auto":
        return choice
    return "bfloat16" if _multiplies_bfloat16(device) else "float32"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # PyTorch tells of a CPU's matrix units by these names only; where a version has none of them, float32 it is.
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(probe() for probe in probes if probe is not None)


def in_precision(net: nn.Module, precision: Precision) -> nn.Module:
    """A network that computes in a format: itself for float32, else a copy.

    Args:
        net: Of float32, in evaluation mode. One that names no sites stays as it is: nothing is known of it.
        precision: What to compute in. The outputs of attention modules' parts and of the last layers are float32 in
            any case.
    """
    if precision == "float32" or not names_sites(net):
        return net
    fast: nn.Module = copy.deepcopy(net).to(torch.bfloat16).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the stub lacks it
    answers = {site.path for site in sites_of(net) if site.kind == "class_logit"}
    inside = ""  # path of the exact module that is walked through
    for path, module in net.named_modules():
        if inside and path.startswith(inside):
            continue
        attends, answering = steps_of(module) is not None, path in answers or isinstance(module, nn.Linear)
        if not (attends or answering or isinstance(module, nn.modules.batchnorm._BatchNorm)):
            continue
        inside = path + "."
        exact = fast.get_submodule(path).float()
        exact.load_state_dict(module.state_dict())
        if attends or answering:
            exact.register_forward_pre_hook(_to_float32)
        if attends:
            exact.register_forward_hook(_to_bfloat16)
    return fast


def _to_float32(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.float() if isinstance(value, Tensor) else value for value in inputs)


def _to_bfloat16(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.to(torch.bfloat16)
