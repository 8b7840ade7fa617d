"""Where a network's maps lie, against people's fixations, persons' boxes and salient objects.

    python -m training.gaze --weights RUN/average.safetensors --spec RUN/spec.json --osie RAW/osie \
        --stanford40 RAW/stanford40 --out RUN/gaze.json

Whole photos, shorter side 224 pixels, sides rounded to multiples of 32. Needs ``scipy`` to read OSIE's fixations.
"""

import argparse
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from attnviz.measure.fixations import auc, nss
from attnviz.models.attention.bam import effective_gain
from attnviz.models.bam_resnet import BamResNet
from attnviz.models.build import build_model
from attnviz.reduce.ranking import centre_score, ring_auc, rings, roc_auc
from training.augment import standardise, to_float
from training.guided_gates import bams_of
from training.photos import as_rgb

SIZE, MULTIPLE = 224, 32
LARGEST_OBJECT = 0.6  # of the photo: around larger ones little is left outside
CELL = 8  # photo pixels (of the network's input) to a side of a cell in which maps and fixations are compared
Floats = NDArray[np.floating]
Maps = dict[str, Floats]


def network_input(image: Image.Image, size: int = SIZE) -> Tensor:
    """A whole photo, float32 (1, 3, h, w), mean and std removed."""
    scale = size / min(image.size)
    width, height = (max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in image.size)
    pixels = np.array(image.resize((width, height), Image.Resampling.BILINEAR))
    return standardise(to_float(torch.from_numpy(pixels)[None])).contiguous(memory_format=torch.channels_last)


class Watcher:
    """The gain of each BAM, and Grad-CAM of the first category at the last stage, of one photo after the other."""

    def __init__(self, net: BamResNet) -> None:
        self.net = net.eval()
        self.kept: dict[str, Tensor] = {}
        for stage, bam in enumerate(bams_of(net), start=1):
            bam.gate.register_forward_hook(self._keep(f"stage {stage}"))

    def _keep(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(_module: nn.Module, _inputs: object, gate: Tensor) -> None:
            self.kept[name] = effective_gain(gate.detach().float())[0, 0]

        return keep

    def __call__(self, x: Tensor) -> Maps:
        """(1, 3, H, W) -> "stage 1" to "stage 3" and "Grad-CAM", float32 (h, w) each."""
        net = self.net
        with torch.no_grad():
            y = net.bam1(net.layer1(net.stem(x)))
            last = net.layer4(net.bam3(net.layer3(net.bam2(net.layer2(y)))))
            best = net.fc(net.avgpool(last).flatten(1)).argmax(1)
            # after a mean and a linear layer the gradient is the classifier's row, the same at every location
            cam = functional.relu((last[0] * net.fc.weight[best[0]][:, None, None]).sum(0))
        return {**{name: value.numpy() for name, value in self.kept.items()}, "Grad-CAM": cam.float().numpy()}


def on_grid(values: Floats, shape: tuple[int, int]) -> Floats:
    """Resize a map, bilinear."""
    given = torch.from_numpy(np.ascontiguousarray(values))[None, None].float()
    resized = functional.interpolate(given, size=shape, mode="bilinear", align_corners=False)
    return resized[0, 0].numpy()


def gaze_scores(values: Floats, fixations: Floats) -> tuple[float, float]:
    """Score a map against fixations.

    Args:
        values: (h, w), on the grid of the fixations.
        fixations: (h, w), how many fell in each cell.

    Returns:
        ROC-AUC of fixated against all cells, and the mean of the standardised map at the fixations (NSS).
    """
    return auc(values, fixations), nss(values, fixations)


def sides(values: Floats) -> Floats:
    """Mass over the minimum in each outermost row and column, over its share of the cells: top, bottom, left, right."""
    mass = values - values.min()
    total = mass.sum() + 1e-12
    parts = (mass[0].sum(), mass[-1].sum(), mass[:, 0].sum(), mass[:, -1].sum())
    height, width = values.shape
    shares: Floats = np.array(parts) / total * np.array([height, height, width, width])
    return shares


def osie(folder: Path) -> Iterator[tuple[Path, list[tuple[float, float]]]]:
    """OSIE's photos of 800 x 600 pixels with all fixations of 15 viewers: x, y as shares of the sides."""
    read = import_module("scipy.io").loadmat(folder / "eye/fixations.mat", squeeze_me=True, struct_as_record=False)
    for entry in read["fixations"]:
        points = [
            (float(x) / 800, float(y) / 600)
            for viewer in entry.subjects
            for x, y in zip(np.atleast_1d(viewer.fix_x), np.atleast_1d(viewer.fix_y), strict=True)
        ]
        yield folder / "stimuli" / entry.img, points


def persons(folder: Path) -> Iterator[tuple[Path, tuple[float, float, float, float]]]:
    """Stanford40's official test photos, with the person's box as shares of the sides: left, top, right, bottom."""
    for file in sorted((folder / "ImageSplits").glob("*_test.txt")):
        for line in file.read_text().split():
            photo = folder / "JPEGImages" / line
            root = ElementTree.parse(folder / "XMLAnnotations" / f"{photo.stem}.xml").getroot()
            found = [float(root.findtext(f".//{name}", "nan")) for name in ("xmin", "ymin", "xmax", "ymax")]
            with Image.open(photo) as opened:
                width, height = opened.size
            yield photo, (found[0] / width, found[1] / height, found[2] / width, found[3] / height)


def score_gaze(watch: Watcher, folder: Path, limit: int | None) -> dict[str, float]:
    """AUC and NSS of every map on OSIE, the centre prior beside them; and how much of a map lies along the border."""
    found: dict[str, list[tuple[float, float]]] = {}
    along: dict[str, list[Floats]] = {}
    chosen = list(osie(folder))
    chosen = chosen[:: max(1, len(chosen) // limit)] if limit else chosen
    for path, points in tqdm(chosen, desc="gaze", mininterval=10):
        x = network_input(as_rgb(path))
        shape = (x.shape[2] // CELL, x.shape[3] // CELL)
        seen = [(int(py * shape[0]), int(px * shape[1])) for px, py in points if 0 <= px < 1 and 0 <= py < 1]
        counts = np.zeros(shape)
        np.add.at(counts, tuple(np.array(seen).T), 1)
        maps = watch(x)
        for name, values in maps.items():
            found.setdefault(name, []).append(gaze_scores(on_grid(values, shape), counts))
            along.setdefault(name, []).append(sides(values))
        found.setdefault("centre", []).append(gaze_scores(centre_score(*shape), counts))
    metrics: dict[str, float] = {}
    for name, pairs in found.items():
        auc, nss = np.mean(pairs, axis=0)
        metrics |= {f"{name} gaze AUC": auc, f"{name} gaze NSS": nss}
    for name, parts in along.items():
        for side, share in zip(("top", "bottom", "left", "right"), np.mean(parts, axis=0), strict=True):
            metrics[f"{name} mass along the {side}, over its share"] = share
    return {**metrics, "photos with fixations": len(chosen)}


def score_boxes(watch: Watcher, folder: Path, limit: int | None) -> dict[str, float]:
    """ROC-AUC of every map in persons' boxes and within rings of equal distance to the centre."""
    chosen = [(p, b) for p, b in persons(folder) if (b[2] - b[0]) * (b[3] - b[1]) < LARGEST_OBJECT]
    chosen = chosen[:: max(1, len(chosen) // limit)] if limit else chosen
    found: dict[str, list[float]] = {}
    pairs: dict[str, list[tuple[float, float]]] = {}
    for path, (left, top, right, bottom) in tqdm(chosen, desc="boxes", mininterval=10):
        maps = watch(network_input(as_rgb(path)))
        for name, values in {**maps, "centre": centre_score(*maps["stage 3"].shape)}.items():
            height, width = values.shape
            rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
            inside = ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))[None]
            found.setdefault(name, []).append(roc_auc(values.ravel(), inside.ravel()))
            pairs.setdefault(name, []).append(ring_auc(values.ravel(), inside.ravel(), rings(height, width).ravel()))
    metrics = {f"{name} ROC-AUC in persons' boxes": float(np.nanmean(values)) for name, values in found.items()}
    for name, rated in pairs.items():
        weights = np.array([count for _, count in rated])
        scores = np.nan_to_num([score for score, _ in rated])
        metrics[f"{name} ROC-AUC within rings"] = float((scores * weights).sum() / weights.sum())
    return {**metrics, "photos with boxes": len(chosen)}


def load(weights: Path, spec: Path) -> BamResNet:
    """A trained BAM-ResNet; of a card of weights, its ``spec`` or ``config`` is used.

    Raises:
        TypeError: Another network.
    """
    fields = json.loads(spec.read_text())
    net = build_model(fields.get("spec", fields.get("config", fields)))
    if not isinstance(net, BamResNet):
        raise TypeError(f"expected a BamResNet, got a {type(net).__name__}")
    net.load_state_dict(load_file(weights), strict=True)
    return net


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare a network's maps with where people look.")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--osie", type=Path)
    parser.add_argument("--stanford40", type=Path)
    parser.add_argument("--limit", type=int, help="about so many photos of each set, evenly spaced")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    watch = Watcher(load(options.weights, options.spec))
    found: dict[str, float] = {}
    if options.osie:
        found |= score_gaze(watch, options.osie, options.limit)
    if options.stanford40:
        found |= score_boxes(watch, options.stanford40, options.limit)
    found = {name: round(float(value), 4) for name, value in found.items()}
    text = json.dumps(found, indent=1)
    if options.out:
        options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
