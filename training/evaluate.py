"""Measure a trained network on held-out data: how well it answers, and whether its attention is used.

    python -m training.evaluate classifier --data PACKED --weights average.safetensors --spec spec.json --out m.json
    python -m training.evaluate segmentation --data PACKED --weights average.safetensors --spec spec.json --out m.json

The result is a flat JSON object; each name says the unit and the data.
"""

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from attnviz.inputs.preprocess import Preprocessing, preprocess
from attnviz.measure.changed_outputs import flattened, output_replaced
from attnviz.measure.overlap import confusion, intersection_over_union
from attnviz.measure.query_dependence import mean_total_variation, own_class_ratio
from attnviz.models.attention.bam import effective_gain
from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.bam_resnet import BamResNet
from attnviz.models.build import build_model
from attnviz.models.danet import DANet
from attnviz.reduce.ranking import centre_score, ring_auc, rings, roc_auc
from training.arrays import Pictures, load_pictures, seeded, take
from training.augment import standardise, to_float, whole
from training.classifier import answered_right, class_logits
from training.measures import border_area, border_share, cells_inside
from training.pack import IGNORED, TINY_SIZE, read_square
from training.segmentation import SETS
from training.street_crops import labels_on_grid, whole_street
from training.trunk import run_with_hooks

LARGEST_BOX = 0.6  # of the picture: around larger ones little is left outside
Metrics = dict[str, float]
Classifier = BamResNet | AttentionResNet


@torch.inference_mode()
def gains(net: BamResNet, pictures: Pictures, index: Tensor, size: int) -> list[NDArray[np.float32]]:
    """Effective gain of each stage for whole pictures: three arrays float32 (len(index), h, w)."""
    net.eval()
    kept: list[list[Tensor]] = [[], [], []]
    bams = (net.bam1, net.bam2, net.bam3)
    hooks = [
        (bam.gate, lambda _m, _i, gate, i=i: kept[i].append(effective_gain(gate)[:, 0].cpu()))
        for i, bam in enumerate(bams)
    ]
    run_with_hooks(net, (whole(take(pictures, part)[0], size) for part in tqdm(index.split(250), desc="gains")), hooks)
    return [torch.cat(parts).float().numpy() for parts in kept]


def location_metrics(maps: NDArray[np.float32], boxes: NDArray[np.int64]) -> dict[str, float]:
    """Score maps against boxes, picture by picture.

    Args:
        maps: (N, s, s).
        boxes: (N, 4), pixels of a picture of side 64.

    Returns:
        ``auc`` and ``centre auc`` (mean over pictures), ``ring auc`` (mean over pairs within picture and ring),
        ``border share`` and ``border area``.
    """
    side = maps.shape[1]
    ring, centre = rings(side, side).ravel(), centre_score(side, side).ravel()
    aucs, centres, ring_total, ring_pairs = [], [], 0.0, 0.0
    for values, box in zip(maps, boxes, strict=True):
        inside = cells_inside(tuple(int(v) for v in box), TINY_SIZE, side).ravel()  # type: ignore[arg-type]
        aucs.append(roc_auc(values.ravel(), inside))
        centres.append(roc_auc(centre, inside))
        value, pairs = ring_auc(values.ravel(), inside, ring)
        if pairs:
            ring_total, ring_pairs = ring_total + value * pairs, ring_pairs + pairs
    return {
        "auc": float(np.nanmean(aucs)),
        "centre auc": float(np.nanmean(centres)),
        "ring auc": ring_total / ring_pairs if ring_pairs else float("nan"),
        "border share": border_share(maps),
        "border area": border_area(side, side),
    }


def small_boxes(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the boxes that cover less than 60 % of the picture."""
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    return np.flatnonzero(area < LARGEST_BOX * TINY_SIZE**2)


def as_the_page_shows(pictures: Pictures, preprocessing: Preprocessing) -> Pictures:
    """Let the program itself make a network's input of each picture: uint8 (N, size, size, 3), same labels."""
    seen = [preprocess(image.numpy(), preprocessing)[1] for image in pictures.images.cpu()]
    return Pictures(torch.from_numpy(np.stack(seen)).to(pictures.images.device), pictures.labels)


@torch.inference_mode()
def called_one_of(net: nn.Module, photos: Pictures, own: tuple[int, int]) -> float:
    """Share of photos, as the network sees them, whose first category lies in a range.

    Pictures of Imagenette are the only sharp ones in training: a network that takes sharpness for evidence calls
    every good photo one of its ten categories.
    """
    net.eval()
    found = net(standardise(to_float(photos.images))).argmax(1)
    return float(((found >= own[0]) & (found < own[1])).float().mean())


def answers(
    net: Classifier,
    on_tiny: tuple[Tensor, Tensor],
    small: Pictures,
    nette: Pictures,
    preprocessing: Preprocessing,
    limit: int | None,
) -> Metrics:
    """Accuracy on the validation sets; Imagenette's among all categories and among its own.

    Args:
        net: The network.
        on_tiny: Its logits and the labels of Tiny ImageNet's pictures.
        small: Imagenette reduced and compressed as Tiny ImageNet's files are.
        nette: Imagenette as it is.
        preprocessing: What the program makes of a photo.
        limit: Only so many pictures of Imagenette.
    """
    size = preprocessing.size
    count = min(limit or len(nette), len(nette))
    own = (int(nette.labels.min()), 1 + int(nette.labels.max()))
    every, mine = f"top-1 (%), among {net.fc.out_features}", f"top-1 (%), among its own {own[1] - own[0]}"
    on, page = f"{count:,} Imagenette val pictures, {size} px", as_the_page_shows(nette, preprocessing)
    right = {f"{every}, {len(on_tiny[1]):,} Tiny ImageNet val pictures, {size} px": answered_right(*on_tiny)}
    forms = {"as the page shows them": page, "as Tiny ImageNet's files are": small, "sharp": nette}
    for form, pictures in forms.items():
        logits, labels = class_logits(net, pictures, size, limit=limit)
        right[f"{mine}, {on}, {form}"] = answered_right(logits, labels, own)
        right[f"{every}, {on}, {form}"] = answered_right(logits, labels)
    return {name: 100 * float(flags.float().mean()) for name, flags in right.items()}


def evaluate_classifier(
    net: Classifier, data: Path, device: torch.device, preprocessing: Preprocessing, limit: int | None
) -> Metrics:
    """Accuracy on the validation sets, and of a BAM-ResNet what its gates do."""
    names = ("tiny_val", "imagenette_val_small", "imagenette_val")
    tiny, small, nette = (load_pictures(data, n, device) for n in names)
    size = preprocessing.size
    on_tiny = class_logits(net, tiny, size, limit=limit)
    found = answers(net, on_tiny, small, nette, preprocessing, limit)
    if isinstance(net, BamResNet):
        found |= gate_locations(net, tiny, np.load(data / "tiny_val_boxes.npy"), size, limit)
        found |= gate_costs(net, tiny, on_tiny, size, limit)
    return found


def gate_locations(net: BamResNet, tiny: Pictures, boxes: NDArray[np.int64], size: int, limit: int | None) -> Metrics:
    """Where the gain of each stage lies, against the boxes of Tiny ImageNet's validation pictures."""
    found: Metrics = {}
    chosen = small_boxes(boxes)[:limit]
    boxed = f"{len(chosen):,} Tiny ImageNet val pictures with boxes under 60 %, {size} px"
    for stage, maps in enumerate(gains(net, tiny, torch.from_numpy(chosen), size), start=1):
        numbers = location_metrics(maps, boxes[chosen])
        found[f"stage {stage} ROC-AUC of the gain in boxes, {boxed}"] = numbers["auc"]
        found[f"stage {stage} ROC-AUC within rings, {boxed}"] = numbers["ring auc"]
        found[f"stage {stage} ROC-AUC of the distance to the centre alone, {boxed}"] = numbers["centre auc"]
        found[f"stage {stage} share of the gain's mass in the border ring, {boxed}"] = numbers["border share"]
        found[f"stage {stage} share of the cells in the border ring"] = numbers["border area"]
        spread = float((maps.max((1, 2)) - maps.min((1, 2))).mean())
        found[f"stage {stage} mean range of the gain within a picture (x), {boxed}"] = spread
    return found


def gate_costs(net: BamResNet, tiny: Pictures, on_tiny: tuple[Tensor, Tensor], size: int, limit: int | None) -> Metrics:
    """What each flattened gate costs, and all of them together, with standard errors: accuracy, and likelihood.

    The likelihood of the right category is the sharper question: every picture answers it, not only those whose first
    category changes.
    """
    found: Metrics = {}
    logits, labels = on_tiny
    on = f"{len(labels):,} Tiny ImageNet val pictures, {size} px"
    right, loss = answered_right(logits, labels).float(), functional.cross_entropy(logits, labels, reduction="none")
    bams = {f"stage {stage} flattened costs": [bam] for stage, bam in enumerate((net.bam1, net.bam2, net.bam3), 1)}
    bams["all stages flattened cost"] = [net.bam1, net.bam2, net.bam3]
    for what, members in bams.items():
        with ExitStack() as stack:
            for bam in members:
                stack.enter_context(output_replaced(bam.gate, flattened))
            flat, _ = class_logits(net, tiny, size, limit=limit)
        lost = 100 * (right - answered_right(flat, labels).float())
        less = 1000 * (functional.cross_entropy(flat, labels, reduction="none") - loss)
        for unit, of, each in (("points", "top-1", lost), ("millinats", "log-likelihood", less)):
            found[f"{what} ({unit} of {of}), {on}"] = float(each.mean())
            found[f"{what}, standard error ({unit}), {on}"] = float(each.std()) / len(each) ** 0.5
    return found


def fused_variants(net: DANet, features: Tensor) -> dict[str, Tensor]:
    """Fused logits as trained and with either or both gammas at 0, where an attention module is the identity.

    Args:
        net: The network.
        features: The trunk's output, (B, C, h, w).

    Returns:
        ``none``, ``position``, ``channel``, ``both``: which gamma is 0 -> class logits (B, K, h, w).
    """
    head = net.head
    position, channel = head.conv5a(features), head.conv5c(features)
    with_position, without_position = head.conv51(head.sa(position)), head.conv51(position)
    with_channel, without_channel = head.conv52(head.sc(channel)), head.conv52(channel)
    return {
        "none": head.conv8(with_position + with_channel),
        "position": head.conv8(without_position + with_channel),
        "channel": head.conv8(with_position + without_channel),
        "both": head.conv8(without_position + without_channel),
    }


def row_metrics(query: Tensor, key: Tensor, labels: Tensor, chosen: Tensor) -> tuple[float, float]:
    """Own-class ratio and total variation of some rows of one picture's position attention.

    Args:
        query: (c, h, w).
        key: (c, h, w).
        labels: uint8 (H, W), 255 unlabelled; they decide what "own class" is.
        chosen: int64 (Q,) locations.
    """
    rows = torch.softmax(query.float().flatten(1)[:, chosen].T @ key.float().flatten(1), dim=1).cpu().numpy()
    height, width = query.shape[1:]
    cells = labels_on_grid(labels[None], (height, width))[0].flatten().cpu().numpy()
    ratios = own_class_ratio(rows, cells, chosen.cpu().numpy(), IGNORED)
    known = ratios[~np.isnan(ratios)]
    return (float(known.mean()) if len(known) else float("nan")), mean_total_variation(rows)


@torch.inference_mode()
def watch_danet(
    net: DANet, pictures: Pictures, rows: int, *, bf16: bool = False, queries: int = 64
) -> tuple[dict[str, NDArray[np.int64]], list[tuple[float, float]]]:
    """Go through pictures once: confusion counts of each variant, and the row metrics of each picture.

    Args:
        net: The network.
        pictures: Whole, with labels.
        rows: Of a picture as the network sees it.
        bf16: Autocast, twice as fast on some processors.
        queries: Rows looked at per picture, drawn at random by the picture's number.
    """
    net.eval()
    counts: dict[str, NDArray[np.int64]] = {}
    watched = []
    device = pictures.images.device
    for i in tqdm(range(len(pictures)), desc="pictures", mininterval=5):
        images, labels = take(pictures, torch.tensor([i]))
        x = whole_street(images, rows)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            features = net.pretrained(x)
            variants = fused_variants(net, features)
            attended = net.head.conv5a(features)
            query, key = net.head.sa.query_conv(attended)[0], net.head.sa.key_conv(attended)[0]
        for name, logits in variants.items():
            full = functional.interpolate(
                logits.float(), size=labels.shape[1:], mode="bilinear", align_corners=net.align_corners
            )
            found = confusion(labels.cpu().numpy().ravel(), full.argmax(1).cpu().numpy().ravel(), full.shape[1])
            counts[name] = counts.get(name, 0) + found
        chosen = torch.randperm(query[0].numel(), generator=seeded(0, i))[:queries].to(device)
        watched.append(row_metrics(query, key, labels[0], chosen))
    return counts, watched


def evaluate_segmentation(
    net: DANet, data: Path, device: torch.device, rows: int, limit: int | None, *, bf16: bool, name: str = "camvid"
) -> Metrics:
    """Mean IoU on held-out pictures, the cost of each gamma, and what the rows of the position attention look at.

    Of CamVid they are its test pictures, of the everyday things the fifth of MSRC that is held out.
    """
    test = load_pictures(data, {"camvid": "camvid_test", "everyday": "everyday_val"}[name], device)
    called = {"camvid": "CamVid test", "everyday": "held-out MSRC"}[name]
    if limit:
        test = Pictures(test.images[:limit], test.labels[:limit])
    columns = whole_street(test.images[:1], rows).shape[3]
    on = f"{len(test)} {called} pictures seen at {rows} x {columns}" + (", bf16" if bf16 else "")
    counts, watched = watch_danet(net, test, rows, bf16=bf16)
    each = intersection_over_union(counts["none"])
    mean = {name: 100 * float(np.nanmean(intersection_over_union(c))) for name, c in counts.items()}
    found: Metrics = {
        f"mean IoU (%), {len(SETS[name])} classes, {on}": mean["none"],
        f"pixels right (%), {on}": 100 * float(np.trace(counts["none"]) / counts["none"].sum()),
        "gamma of the position attention": net.gammas["position"],
        "gamma of the channel attention": net.gammas["channel"],
    }
    for which in ("position", "channel", "both"):
        found[f"gamma = 0 ({which}) costs (points of mean IoU), {on}"] = mean["none"] - mean[which]
    ratio, distance = np.nanmean(np.array(watched), axis=0)
    found[f"mass of a row on its own class over that class's share (x), {on}"] = float(ratio)
    found[f"total variation between rows, mean (0 to 1), {on}"] = float(distance)
    for category, value in zip(SETS[name], each, strict=True):
        found[f"IoU of {category} (%), {on}"] = 100 * float(value)
    return found


def load_trained(weights: Path, spec: dict[str, Any], device: torch.device) -> nn.Module:
    """Build a network and load float32 weights, strictly."""
    net = build_model(spec)
    values = {k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()}
    net.load_state_dict(values, strict=True)
    return net.to(device).eval()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure a trained network on held-out data.")
    parser.add_argument("task", choices=("classifier", "segmentation"))
    parser.add_argument("--set", choices=sorted(SETS), default="camvid", help="of a segmentation")
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.pack")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--spec", type=Path, required=True, help="JSON with the spec, or a card that holds one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--describe", type=Path, required=True, help="JSON whose `preprocessing` the network is given")
    parser.add_argument("--bf16", action="store_true", help="autocast DANet's convolutions")
    parser.add_argument("--limit", type=int, help="only so many pictures")
    parser.add_argument("--photos", type=Path, help="folder of photos, none of them of Imagenette's categories")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    preprocessing = Preprocessing(**json.loads(args.describe.read_text())["preprocessing"])
    described = json.loads(args.spec.read_text())
    net = load_trained(args.weights, described.get("config", described), device)
    if args.task == "classifier" and isinstance(net, Classifier):
        found = evaluate_classifier(net, args.data, device, preprocessing, args.limit)
        photos = sorted(p for p in args.photos.iterdir() if p.suffix in (".jpg", ".png")) if args.photos else []
        if photos:
            labels = np.load(args.data / "imagenette_val_labels.npy")
            squares = torch.from_numpy(np.stack([read_square(p, 4 * preprocessing.size) for p in photos]))
            shown = as_the_page_shows(Pictures(squares.to(device), torch.zeros(len(photos))), preprocessing)
            share = called_one_of(net, shown, (int(labels.min()), 1 + int(labels.max())))
            name = "photos that are none of Imagenette's categories but are called one (%)"
            found[f"{name}, {len(photos)} photos, {preprocessing.size} px"] = 100 * share
    elif args.task == "segmentation" and isinstance(net, DANet):
        where = (net, args.data, device, preprocessing.size, args.limit)
        found = evaluate_segmentation(*where, bf16=args.bf16, name=args.set)
    else:
        parser.error(f"expected a network for {args.task}, got {type(net).__name__}")
    args.out.write_text(json.dumps({k: round(v, 3) for k, v in found.items()}, indent=1))


if __name__ == "__main__":
    main()
