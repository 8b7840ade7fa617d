"""The same Grad-CAM by four libraries, and our attention maps, beside the bare forward pass of one network in one run.

    python -m benchmarks.peers                # part of: make bench

From the prepared input to a map as an array on the last stage's grid. The maps are compared too: times of different
results are no comparison. Shown are seconds of this process alone, one thread. A library that is not installed is said.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor, nn

import attnviz.models.torchvision_ops  # noqa: F401 - before torchvision, which the others import
from attnviz.inputs.decode import decode
from attnviz.inputs.preprocess import preprocess
from attnviz.models.weights.registry import DEFAULT_MODEL, load_model
from attnviz.observe.attributions import attribute
from attnviz.observe.recorder import record
from benchmarks.bench import BARE, PHOTO, Case, lines, measure, table

LAYER = "layer4"
OURS = "attnviz: Grad-CAM"
Map = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Maker = Callable[[nn.Module, Tensor, int], Map]


def attnviz_cam(net: nn.Module, x: Tensor, target: int) -> Map:
    """Ours, which takes captum."""
    return attribute(net, x, target, layer=LAYER).values


def captum_cam(net: nn.Module, x: Tensor, target: int) -> Map:
    """By captum itself."""
    from captum.attr import LayerGradCam

    made = LayerGradCam(net, net.get_submodule(LAYER)).attribute(x, target=target, relu_attributions=True)
    return np.asarray(made[0, 0].detach().numpy())


def grad_cam_cam(net: nn.Module, x: Tensor, target: int) -> Map:
    """pytorch-grad-cam's, on the layer's grid: its own call enlarges and scales the map besides."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAM(model=net, target_layers=[net.get_submodule(LAYER)]) as cam:
        return np.asarray(cam(input_tensor=x, targets=[ClassifierOutputTarget(target)])[0])


def torchcam_cam(net: nn.Module, x: Tensor, target: int) -> Map:
    """torchcam's, which scales the map to 0 to 1."""
    from torchcam.methods import GradCAM

    with GradCAM(net, LAYER) as cam:
        return np.asarray(cam(target, net(x))[0][0].detach().numpy())


MAKERS: dict[str, tuple[str, Maker]] = {
    OURS: ("captum", attnviz_cam),
    "captum: LayerGradCam": ("captum", captum_cam),
    "pytorch-grad-cam: GradCAM": ("pytorch_grad_cam", grad_cam_cam),
    "torchcam: GradCAM": ("torchcam", torchcam_cam),
}


def cases(name: str) -> tuple[list[Case], list[str]]:
    """What is compared, the bare pass first; and what is said of each library: how far its map is from ours.

    Args:
        name: Of the weights of a classifier.
    """
    loaded = load_model(name, "cpu")
    net, photo = loaded.net, decode(PHOTO)
    x, _, _ = preprocess(photo, loaded.card.preprocessing, min_size=loaded.card.min_size)

    def bare() -> None:
        with torch.no_grad():
            net(x)

    with torch.no_grad():
        target = int(net(x)[0].argmax())
    found: list[Case] = [(BARE, bare), ("attnviz: all attention maps", lambda: record(net, x))]
    said, ours = [], None
    for title, (package, make) in MAKERS.items():
        if find_spec(package) is None:
            said.append(f"{title}: not installed")
            continue
        made = make(net, x, target)
        ours = made if title == OURS else ours
        if ours is not None and title != OURS:
            said.append(f"{title}: {_likeness(ours, made)}")
        found.append((title, lambda make=make: make(net, x, target)))  # type: ignore[misc]
    return found, said


def _likeness(ours: Map, theirs: Map) -> str:
    if ours.shape != theirs.shape:
        return f"map of {theirs.shape}, ours {ours.shape}: it enlarges it besides"
    return f"correlation with our map {np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]:.4f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description="Grad-CAM by several libraries")
    parser.add_argument("--repeats", type=int, default=15, help="rounds that count (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a classifier's weights (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.repeats < 2:
        parser.error(f"expected at least 2 repeats, got {options.repeats}")
    torch.set_num_threads(1)
    run, said = cases(options.model)
    print(table(lines(options.model, measure(run, options.repeats, time.process_time))))
    print(*said, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
