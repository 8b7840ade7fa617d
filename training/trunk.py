"""Start a network from a trunk whose batch norms are folded into its convolutions, and give it its norms back."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.bam_resnet import BamResNet
from attnviz.models.resnet import ResNetTrunk

OF_TRUNK = re.compile(r"(layer\d\.\d+\.)?(conv\d|downsample\.0)")
HALF_OPEN = 1.5  # what a BAM's gate of one half multiplies by
FRESH_GATE = {"sge": 1 / (1 + math.exp(-1)), "se": 0.5, "cbam": 0.25}  # what the others multiply by at first


def pairs(net: nn.Module) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """Each convolution of a trunk, by name, with the norm behind it: conv1 with bn1, downsample.0 with downsample.1."""
    modules = dict(net.named_modules())
    for name, conv in modules.items():
        if OF_TRUNK.fullmatch(name):
            norm = modules[name.replace("conv", "bn").replace("downsample.0", "downsample.1")]
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            yield name, conv, norm


def statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Running mean and variance of a norm that keeps them."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


@torch.no_grad()
def load_folded(net: ResNetTrunk, file: Path) -> None:
    """Take trunk and classifier from a file of folded weights; every norm adds the bias and does nothing else.

    Args:
        net: Norms beyond those of convolutions (of modules put in) stay as they are.
        file: Safetensors, torchvision's names, ``.weight`` and ``.bias`` of each convolution and of ``fc``.
    """
    given = load_file(file)
    for name, conv, norm in pairs(net):
        conv.weight.copy_(given[f"{name}.weight"])
        mean, var = statistics(norm)
        mean.zero_()
        var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.copy_(given[f"{name}.bias"])
    for name in ("fc.weight", "fc.bias"):
        net.get_parameter(name).copy_(given[name])


def run_with_hooks(
    net: nn.Module, batches: Iterable[Tensor], hooks: Iterable[tuple[nn.Module, Callable[..., None]]]
) -> None:
    """Run batches through a network while forward hooks (module, inputs, output) look on; no hook stays."""
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        for batch in batches:
            net(batch)
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def calibrate_norms(net: ResNetTrunk, batches: Iterable[Tensor]) -> None:
    """Give every norm of the trunk the statistics of its convolution; what the network computes stays the same.

    Args:
        net: In evaluation mode.
        batches: float32 (B, 3, H, W), mean and std removed; some thousand pictures in all.
    """
    norms = {name: (conv, norm) for name, conv, norm in pairs(net)}
    totals: dict[str, list[Tensor]] = {name: [] for name in norms}

    def note(name: str, output: Tensor) -> None:
        values = output.float()
        totals[name].append(torch.stack([values.mean((0, 2, 3)), values.square().mean((0, 2, 3))]))

    hooks = [(conv, lambda _m, _i, output, name=name: note(name, output)) for name, (conv, _) in norms.items()]
    run_with_hooks(net, batches, hooks)
    for name, (_, norm) in norms.items():
        mean, square = torch.stack(totals[name]).mean(0)
        kept_mean, kept_var = statistics(norm)
        scale = norm.weight / (kept_var + norm.eps).sqrt()
        shift = norm.bias - scale * kept_mean
        kept_mean.copy_(mean)
        kept_var.copy_((square - mean.square()).clamp_(min=0))
        norm.weight.copy_(scale * (kept_var + norm.eps).sqrt())
        norm.bias.copy_(shift + scale * mean)


@torch.no_grad()
def take_gain_out(net: BamResNet, stages: Sequence[int] = (2, 3, 4)) -> None:
    """Divide what follows each BAM by the gain of a half-open gate: the network starts as the trunk was.

    Args:
        net: Changed in place.
        stages: Those whose first convolutions still expect the trunk's features.
    """
    for stage in stages:
        for conv in ("conv1", "downsample.0"):
            net.get_parameter(f"layer{stage}.0.{conv}.weight").div_(HALF_OPEN)


@torch.no_grad()
def take_block_gain_out(net: AttentionResNet) -> None:
    """Let fresh attention in the blocks begin as constant gates, and multiply what enters it by as much as it takes.

    The network then starts as the trunk was.

    Args:
        net: Changed in place.
    """
    if net.options.attention is None:
        return
    kind = net.options.attention.kind
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in stage:
            layers = [part for part in block.get_submodule(kind).modules() if isinstance(part, nn.Linear)]
            if layers:
                layers[-1].weight.zero_()
                layers[-1].bias.zero_()
            for name in ("weight", "bias"):
                block.get_parameter(f"bn2.{name}").div_(FRESH_GATE[kind])
