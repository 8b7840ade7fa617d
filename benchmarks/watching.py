"""What being watched costs networks that name no sites, beside their bare forward pass in the same run.

    python -m benchmarks.watching --repeats 40

One thread, one picture of 224 x 224, medians of alternating runs. Shown are seconds of this process alone, so that what
else runs on the machine does not count as the watching's.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

import attnviz.models.torchvision_ops  # noqa: F401 - before torchvision
from attnviz.observe.discover import find_attention, record_found
from attnviz.observe.training_watch import watch
from benchmarks.bench import BARE, Case, lines, measure, table


def networks() -> dict[str, Callable[[], nn.Module]]:
    """What is measured: without attention, with a gate in every block, with attention in every block."""
    import timm
    from torchvision.models import resnet50

    return {
        "ResNet50": lambda: resnet50(weights=None),
        "SE-ResNet50": lambda: timm.create_model("seresnet50", pretrained=False),
        "ViT-S/16": lambda: timm.create_model("vit_small_patch16_224", pretrained=False),
    }


def cases(net: nn.Module) -> list[Case]:
    """What is compared for one network; the bare forward pass comes first."""
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))

    def bare() -> None:
        with torch.no_grad():
            net(x)

    def seen() -> None:
        with torch.no_grad(), watch(net):
            net(x)

    record_found(net, x)
    bare_again: Case = ("bare forward pass, again", bare)
    return [
        (BARE, bare),
        ("watched", seen),
        ("recorded", lambda: record_found(net, x)),
        ("found (watched whole)", lambda: find_attention(net, x)),
        bare_again,
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each network."""
    parser = argparse.ArgumentParser(prog="benchmarks.watching", description="watching beside the bare forward pass")
    parser.add_argument("--repeats", type=int, default=20, help="rounds that count (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.repeats < 2:
        parser.error(f"expected at least 2 repeats, got {options.repeats}")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, make in networks().items():
        print(table(lines(name, measure(cases(make().eval()), options.repeats, time.process_time))), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
