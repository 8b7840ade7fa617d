"""Train DANet on CamVid or on everyday things, its trunk started from the classifier's.

    python -m training.segmentation --data PACKED --folder FOLDER --minutes 45 --trunk classifier.safetensors

Run it again with the same options after any interruption: it goes on from the last checkpoint in the folder.
"""

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, nn
from torch.nn import functional

from attnviz.measure.overlap import confusion, intersection_over_union
from attnviz.models.build import build_model
from attnviz.models.danet import DANet
from training.arrays import Draw, Pictures, load_pictures, seeded, take
from training.classifier import place_in_run, start_from
from training.everyday_masks import CLASSES as EVERYDAY_CATEGORIES
from training.pack import CAMVID_CATEGORIES, IGNORED
from training.progress import ProgressBar
from training.run_state import Budget, Run, WeightAverage, phase_at, save_result, train
from training.street_crops import labels_on_grid, random_street_crops, whole_street

log = logging.getLogger(__name__)

SETS = {"camvid": CAMVID_CATEGORIES, "everyday": EVERYDAY_CATEGORIES}
QUERY_AND_KEY = ("head.sa.query_conv", "head.sa.key_conv")
QUERIES = 64  # per picture, of which the auxiliary loss looks at the rows
NOT_OF_THE_RUN = (
    "data", "folder", "init", "trunk", "device", "threads", "save_every", "stop_after", "phases", "minutes", "steps",
)  # fmt: skip


class WatchedDANet(nn.Module):
    """DANet that also returns rows of its position attention, for the auxiliary loss.

    Args:
        net: The network that is trained and shipped.
        drop_own: Chance of a picture, in training, that a location keeps nothing but what it gathers from the others
            (`without_own_features`).
        drop_own_channels: The same of the channel attention: the chance that a channel keeps nothing of its own.
    """

    def __init__(self, net: DANet, drop_own: float = 0.0, drop_own_channels: float = 0.0) -> None:
        super().__init__()
        self.net = net
        self._rows: list[Tensor] = []
        net.head.sa.softmax.register_forward_hook(lambda _m, _i, rows: self._rows.append(rows))
        for module, chance in ((net.head.sa, drop_own), (net.head.sc, drop_own_channels)):
            if chance:
                module.register_forward_hook(partial(without_own_features, chance=chance))

    def forward(self, x: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """(B, 3, H, W) -> logits of the three classifiers on the grid, (B, K, h, w), and rows (B, N, N)."""
        self._rows.clear()
        logits = self.net.head(self.net.pretrained(x))
        rows = torch.cat(self._rows, dim=1)
        self._rows.clear()
        return logits, rows


def without_own_features(module: nn.Module, inputs: tuple[Tensor], output: Tensor, *, chance: float) -> Tensor:
    """Take a picture's residual out of x + gamma * gathered: the classifiers must then read what was gathered.

    With the residual always there the network learned to do without the attention: gamma = 0 cost 0.3 points. A
    departure from DANet, in training only.

    Args:
        module: The attention module, whose forward hook this is; it acts in training mode.
        inputs: x, (B, C, H, W).
        output: x + gamma * gathered, same shape.
        chance: Of each picture to lose x.
    """
    if not module.training:
        return output
    dropped = torch.rand(len(output), 1, 1, 1, device=output.device) < chance
    return output - dropped * inputs[0]


def segmentation_spec(options: argparse.Namespace) -> dict[str, Any]:
    """Describe the network."""
    return {
        "architecture": "DANet",
        "trunk": {"depth": options.depth, "width": options.width, "output_stride": 8},
        "num_classes": len(SETS[options.set]),
        "head_channels": options.head_channels,
        "query_channels": options.query_channels,
        "align_corners": False,
    }


@torch.no_grad()
def start_trunk(net: DANet, file: Path) -> None:
    """Copy a classifier's trunk into `pretrained`, by name; its BAMs and its classifier stay behind.

    Raises:
        ValueError: A weight of the trunk is missing from the file or of another shape.
    """
    given = load_file(file)
    for name, value in net.pretrained.state_dict().items():
        if name not in given or given[name].shape != value.shape:
            raise ValueError(f"expected {name} {tuple(value.shape)} in {file}")
        value.copy_(given[name])


@torch.no_grad()
def open_attention(net: DANet, gamma: float) -> None:
    """Start both gammas above zero: from zero they need a gradient that only useful attention gives them."""
    net.head.sa.gamma.fill_(gamma)
    net.head.sc.gamma.fill_(gamma)


def own_class_loss(rows: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
    """Mean of -log(mass of a row on its query's own class), over queries of known class.

    After the affinity loss of the Context Prior (arXiv 2004.01547); a departure from DANet, whose rows learn
    through the classifiers alone.

    Args:
        rows: (B, N, N), each sums to 1.
        labels: int64 (B, N), 255 unlabelled.
        queries: int64 (Q,) locations looked at.
    """
    mine = labels[:, queries]
    own = (mine[:, :, None] == labels[:, None, :]) & (labels != IGNORED)[:, None, :]
    mass = (rows[:, queries].float() * own).sum(2)
    known = mine != IGNORED
    return -(mass.clamp_min(1e-6).log() * known).sum() / known.sum().clamp_min(1)


def soft_jaccard_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - mean intersection over union of the probabilities, over the classes that occur in the batch.

    The score itself, made differentiable (arXiv 1606.04797 for the Dice coefficient): every class counts alike, be it
    the road or a pole.

    Args:
        logits: (B, K, H, W).
        labels: int64 (B, H, W), 255 unlabelled.
    """
    known = (labels != IGNORED)[:, None]
    truth = functional.one_hot(labels.clamp(max=logits.shape[1] - 1), logits.shape[1]).permute(0, 3, 1, 2) * known
    share = logits.float().softmax(1) * known
    both, size = (share * truth).sum((0, 2, 3)), truth.sum((0, 2, 3))
    each = both / (share.sum((0, 2, 3)) + size - both).clamp_min(1e-6)
    return 1 - each[size > 0].mean() if bool((size > 0).any()) else each.sum() * 0


def class_weights(labels: Tensor, power: float, classes: int) -> Tensor:
    """Weight rare classes: (median share / share) ** power, float32 (classes,); 1 for those that do not occur."""
    counts = torch.bincount(labels.flatten(), minlength=IGNORED + 1)[:classes].float()
    share = torch.where(counts > 0, counts, torch.nan) / counts.sum()
    return torch.nan_to_num((share.nanmedian() / share) ** power, nan=1.0)


def parameter_groups(net: nn.Module, *, rate: float, decay: float, trunk: float, fast: float) -> list[dict[str, Any]]:
    """Gammas: `fast` times the rate, no decay. Trunk: `trunk` times the rate. Vectors: no decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if name.endswith("gamma"):
            key = (rate * fast, 0.0)
        else:
            key = (rate * (trunk if "pretrained." in name else 1), decay if parameter.ndim > 1 else 0.0)
        groups.setdefault(key, []).append(parameter)
    return [{"params": p, "lr": r, "base_lr": r, "weight_decay": d} for (r, d), p in groups.items()]


def make_loss(
    model: nn.Module, pictures: Pictures, options: argparse.Namespace, device: torch.device
) -> Callable[[int, float], Tensor]:
    """Return (step, progress) -> loss of the batch that belongs to the step."""
    rank, world = place_in_run()
    draw = Draw(len(pictures), options.batch, options.seed, rank=rank, world=world)
    weights = class_weights(pictures.labels, options.balance, len(SETS[options.set])).to(device)

    def compute(step: int, progress: float) -> Tensor:
        height, generator = phase_at(progress, options.phases), seeded(options.seed, 1, step, rank)
        images, labels = take(pictures, draw(step))
        crops = (height, height * 4 // 3)
        x, y = random_street_crops(images, labels, crops, generator, scales=tuple(options.scales))
        model.train()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=options.bf16):
            logits, rows = model(x)
        half = (crops[0] // 2, crops[1] // 2)  # at full size the losses alone took a third of a step
        cells, y = labels_on_grid(y, tuple(logits[0].shape[2:])).flatten(1), labels_on_grid(y, half)
        fused, position, channel = (
            functional.interpolate(z.float(), half, mode="bilinear", align_corners=False) for z in logits
        )
        losses = [
            functional.cross_entropy(z, y, weight=weights, ignore_index=IGNORED) for z in (fused, position, channel)
        ]
        queries = torch.randperm(rows.shape[1], generator=generator)[:QUERIES].to(device)
        loss = losses[0] + options.auxiliary * (losses[1] + losses[2])
        loss = loss + options.jaccard * soft_jaccard_loss(fused, y)
        return loss + options.own_class * own_class_loss(rows, cells, queries)

    return compute


@torch.inference_mode()
def score(net: nn.Module, pictures: Pictures, rows: int) -> tuple[float, float, np.ndarray[Any, Any]]:
    """Mean IoU, share of pixels right, and IoU per class, on whole pictures seen at so many rows, in float32."""
    net.eval()
    classes = net.config["num_classes"]  # type: ignore[index]
    counts = np.zeros((classes, classes), dtype=np.int64)
    for index in torch.arange(len(pictures)).split(4):
        images, labels = take(pictures, index)
        logits = net(whole_street(images, rows))
        full = functional.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=False)
        predicted = full.argmax(1)
        counts += confusion(labels.cpu().numpy().ravel(), predicted.cpu().numpy().ravel(), classes)
    each = intersection_over_union(counts)
    return float(np.nanmean(each)), float(np.trace(counts) / counts.sum()), each


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train DANet on CamVid or on everyday things.")
    parser.add_argument("--set", choices=sorted(SETS), default="camvid")
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.pack")
    parser.add_argument("--folder", type=Path, required=True, help="folder for checkpoint and result")
    parser.add_argument("--minutes", type=float, default=0, help="budget in minutes of training")
    parser.add_argument("--steps", type=int, default=0, help="budget in steps, instead of --minutes")
    parser.add_argument("--init", type=Path, help="safetensors of a whole DANet that starts the run")
    parser.add_argument("--keep-rows", action="store_true", help="--init also starts the queries and keys")
    parser.add_argument("--trunk", type=Path, help="safetensors of a classifier whose trunk starts the run")
    parser.add_argument("--depth", type=int, default=18)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--head-channels", type=int, default=128)
    parser.add_argument("--query-channels", type=int, default=16)
    parser.add_argument("--gamma", type=float, default=2.0, help="both gammas at the start")
    parser.add_argument("--drop-own", type=float, default=0.3, help="chance that a location keeps only what it gathers")
    parser.add_argument("--drop-own-channels", type=float, default=0.0, help="the same of the channel attention")
    parser.add_argument("--phases", type=float, nargs="+", default=[0, 240, 0.75, 360], help="progress rows ...")
    parser.add_argument("--size", type=int, default=480, help="rows of a whole picture as the network sees it")
    parser.add_argument("--scales", type=float, nargs=2, default=[0.8, 2.1], help="of the crops, over 360 rows")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--trunk-rate", type=float, default=0.5, help="rate of the trunk over the head's")
    parser.add_argument("--fast", type=float, default=3, help="rate of the gammas over the head's")
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--balance", type=float, default=0.4, help="0: all pixels count alike; 1: all classes do")
    parser.add_argument("--auxiliary", type=float, default=0.3, help="weight of the losses of PAM and CAM alone")
    parser.add_argument("--jaccard", type=float, default=0.5, help="weight of the soft Jaccard loss")
    parser.add_argument("--own-class", type=float, default=0.1, help="weight of the loss on the rows")
    parser.add_argument("--average", type=float, default=0.995)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-bf16", dest="bf16", action="store_false")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-every", type=float, default=180, help="seconds between checkpoints")
    parser.add_argument("--report-every", type=int, default=300, help="steps between scores on the validation set")
    parser.add_argument("--stop-after", type=int, help="stop after so many steps, as an interruption would")
    options = parser.parse_args(argv)
    options.phases = [(a, int(b)) for a, b in zip(options.phases[::2], options.phases[1::2], strict=True)]
    return options


def prepare(options: argparse.Namespace, device: torch.device) -> tuple[Run, dict[str, Any]]:
    """Build the network, its optimizer and its average; restore the checkpoint if there is one."""
    torch.manual_seed(options.seed)
    spec = segmentation_spec(options)
    net = build_model(spec)
    if not isinstance(net, DANet):
        raise TypeError(f"expected a DANet, got {type(net).__name__}")
    if options.init:
        start_from(net, options.init, leave=() if options.keep_rows else QUERY_AND_KEY)
    if options.trunk:
        start_trunk(net, options.trunk)
    open_attention(net, options.gamma)
    model = WatchedDANet(net, options.drop_own, options.drop_own_channels).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = parameter_groups(
        model, rate=options.rate, decay=options.decay, trunk=options.trunk_rate, fast=options.fast
    )
    kept = {k: v for k, v in vars(options).items() if k not in NOT_OF_THE_RUN}
    budget = Budget(steps=options.steps, seconds=60 * options.minutes)
    run = Run(model, torch.optim.AdamW(groups), WeightAverage(model, options.average), budget, kept)
    checkpoint = options.folder / "checkpoint.pt"
    if checkpoint.exists():
        run.resume(checkpoint)
        log.info("resumed at step %d, %.1f minutes", run.budget.step, run.budget.spent / 60)
    return run, spec


def averaged_net(run: Run, spec: dict[str, Any], device: torch.device) -> nn.Module:
    """Build the network that is shipped: the moving average."""
    net = build_model(spec).to(device)
    net.load_state_dict({k.removeprefix("net."): v for k, v in run.average.values.items()}, strict=True)
    return net


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parse(argv)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if "RANK" in os.environ:
        distributed.init_process_group("gloo" if device.type == "cpu" else "nccl")
    rank, _ = place_in_run()
    options.folder.mkdir(parents=True, exist_ok=True)
    pictures, held_out = (load_pictures(options.data, f"{options.set}_{s}", device) for s in ("train", "val"))
    run, spec = prepare(options, device)
    with ProgressBar(hidden=rank > 0, keep=0.95) as bar:

        def show(run: Run, loss: Tensor) -> None:
            bar.show(run, loss)
            if rank == 0 and run.budget.step % options.report_every == 0:
                report(run, spec, held_out, options.size)

        train(
            run,
            make_loss(run.model, pictures, options, device),
            options.folder / "checkpoint.pt" if rank == 0 else None,
            save_every=options.save_every,
            on_step=show,
            stop_after=options.stop_after,
        )
    if rank == 0 and run.budget.progress >= 1:
        net = averaged_net(run, spec, device)
        save_result(net, options.folder)
        report(run, spec, held_out, options.size)


def report(run: Run, spec: dict[str, Any], held_out: Pictures, rows: int) -> None:
    """Log the average's score on validation pictures."""
    net = averaged_net(run, spec, held_out.images.device)
    mean, right, _ = score(net, held_out, rows)
    gammas = net.gammas
    values = (run.budget.step, run.budget.spent / 60, 100 * mean, 100 * right, gammas)
    log.info("step %d, %.1f min: val mean IoU %.1f %%, pixels %.1f %%, gammas %s", *values)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
