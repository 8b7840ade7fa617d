"""A trunk out of a BAM-ResNet: what each BAM multiplies a channel by, on average, goes into the convolutions behind it.

    python -m training.without_bam --start RUN/average.safetensors --shards SHARDS --out trunk.safetensors

The other families start from it; it answers as the network does whose gates are the same everywhere.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from attnviz.models.bam_resnet import BamResNet
from attnviz.models.build import build_model
from training.distil import spec_of, take_weights
from training.shards import LabelledViews
from training.trunk import run_with_hooks

BATCHES = 8


@torch.no_grad()
def mean_gains(net: BamResNet, batches: Iterable[Tensor]) -> dict[int, Tensor]:
    """Mean output over mean input of each stage's BAM, per channel: stage -> float32 (C,).

    Args:
        net: In evaluation mode.
        batches: float32 (B, 3, H, W), mean and std removed.
    """
    sums: dict[int, list[Tensor]] = {stage: [torch.zeros(()), torch.zeros(())] for stage in (1, 2, 3)}

    def note(stage: int) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        def add(_module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            for place, values in enumerate((inputs[0], output)):
                sums[stage][place] = sums[stage][place] + values.float().mean((0, 2, 3))

        return add

    run_with_hooks(net, batches, [(net.get_submodule(f"bam{stage}"), note(stage)) for stage in sums])
    return {stage: after / before.clamp_min(1e-6) for stage, (before, after) in sums.items()}


def without_bam(values: dict[str, Tensor], gains: dict[int, Tensor]) -> dict[str, Tensor]:
    """A BAM-ResNet's weights as those of its trunk, gains (C,) by stage in the convolutions of the next one."""
    trunk = {name: value.clone() for name, value in values.items() if not name.startswith("bam")}
    for stage, gain in gains.items():
        for conv in ("conv1", "downsample.0"):
            trunk[f"layer{stage + 1}.0.{conv}.weight"] *= gain[None, :, None, None]
    return trunk


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Take the BAMs out of a network, their mean gains left in.")
    parser.add_argument("--start", type=Path, required=True, help="safetensors of a BAM-ResNet18")
    parser.add_argument("--shards", type=Path, required=True, help="folder that training.label fills")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    options = parser.parse_args(argv)
    given, net = load_file(options.start), build_model(spec_of("bam"))
    take_weights(net, given, set())
    views = LabelledViews(options.shards, 64, 1, at_once=1)
    gains = mean_gains(net.eval(), (views(step)[0] for step in range(BATCHES)))  # type: ignore[arg-type]
    save_file(without_bam(given, gains), options.out)


if __name__ == "__main__":
    main()
