"""The number format a network computes in: float32, or bfloat16 wherever that costs its attention nothing.

A bfloat16 has eight significant bits: a BAM's gain, in (1, 2), would come in steps of 1/128. So the trunk alone
computes in bfloat16, with its pixels' channels beside each other in memory (channels last), which is what hardware for
bfloat16 multiplies fastest. Attention modules, batch normalisation and the last layers compute in float32.
"""

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from attnviz.models.attention.steps import steps_of
from attnviz.models.sites import names_sites, sites_of
from attnviz.models.weights.registry import LoadedModel

Precision = Literal["float32", "bfloat16"]


def best_precision(device: torch.device) -> Precision:
    """Bfloat16 where the hardware of a device multiplies it, else float32.

    Args:
        device: Where the network computes.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type != "cpu":
        return "float32"
    # PyTorch tells of a CPU's matrix units by these names only; where a version has none of them, float32 it is.
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return "bfloat16" if any(probe() for probe in probes if probe is not None) else "float32"


def has_known_parts(loaded: LoadedModel) -> bool:
    """Whether attnviz built a network, and so knows which of its modules attend."""
    return loaded.card.status != "own" and names_sites(loaded.net)


def in_precision(net: nn.Module, precision: Precision) -> nn.Module:
    """A network that computes in a format: itself for float32, else a copy.

    Args:
        net: Of float32, in evaluation mode, one of attnviz's own.
        precision: What to compute in. The outputs of attention modules' parts and of the last layers are float32 in
            any case.
    """
    if precision == "float32":
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
