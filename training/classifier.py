"""Train a BAM-ResNet, or by the same recipe another, on Tiny ImageNet and Imagenette jointly (210 categories).

    python -m training.classifier --data PACKED --folder FOLDER --minutes 60 --init weights.safetensors
    python -m torch.distributed.run --standalone --nproc-per-node 2 -m training.classifier --threads 1 ...

Run it again with the same options after any interruption: it goes on from the last checkpoint in the folder.
"""

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, nn
from torch.nn import functional

from attnviz.models.bam_resnet import BamResNet
from attnviz.models.build import build_model
from training.arrays import Draw, Pictures, joined, load_pictures, seeded, split_batch, take
from training.augment import random_crops, whole
from training.gate_heads import GateHeads, NoHeads
from training.grow import grow_into
from training.progress import ProgressBar
from training.run_state import Budget, Run, WeightAverage, phase_at, save_result, train

log = logging.getLogger(__name__)
Trained = GateHeads | NoHeads


def classifier_spec(options: argparse.Namespace, categories: int) -> dict[str, Any]:
    """Describe the network; a BAM has its dilation fitted to the map, replicate padding, batch norms at its ends."""
    trunk = {"depth": options.depth, "width": options.width}
    if options.attention != "bam":
        inner = None if options.attention == "none" else {"kind": options.attention, "groups": options.groups}
        return {"architecture": "AttentionResNet", "trunk": {**trunk, "attention": inner}, "num_classes": categories}
    bams = [
        {
            "fusion": options.fusion,
            "hidden": hidden,
            "dilation": dilation,
            "convs": 2,
            "padding_mode": "replicate",
            "final_norm": True,
        }
        for hidden, dilation in zip(options.hidden, options.dilation, strict=True)
    ]
    return {"architecture": "BamResNet", "trunk": trunk, "bams": bams, "num_classes": categories}


def start_from(net: nn.Module, file: Path, *, leave: tuple[str, ...]) -> list[str]:
    """Copy weights by name, except under the prefixes `leave`, which start afresh; from a narrower network too.

    Returns:
        Names left fresh.

    Raises:
        ValueError: A name outside `leave` is missing from the file or of a shape that does not fit (`grow_into`).
    """
    given, mine = load_file(file), net.state_dict()
    fresh = [name for name in mine if name.startswith(leave)]
    for name, value in mine.items():
        if name in fresh:
            continue
        if name not in given:
            raise ValueError(f"expected {name} {tuple(value.shape)} in {file}, found none")
        try:
            grow_into(value, given[name])
        except ValueError as error:
            raise ValueError(f"{name} of {file}: {error}") from error
    return fresh


@torch.no_grad()
def open_gates(net: BamResNet, contrast: float) -> None:
    """Hold the gates open: spatial logits of std `contrast` over pictures and locations, for the whole run.

    The scale of the batch norm at the spatial branch's end is set and no longer learned. When it was learned, the
    first gate closed (scale 1.5 to 0.19 in 1,000 steps) and flattening any gate cost nothing. A departure from the
    paper, which learns it.
    """
    for bam in (net.bam1, net.bam2, net.bam3):
        scale = bam.spatial_att.gate_s.gate_s_bn_final.weight
        scale.fill_(contrast)  # type: ignore[operator]
        scale.requires_grad_(False)


def parameter_groups(model: nn.Module, *, rate: float, decay: float, fast: float) -> list[dict[str, Any]]:
    """Gates: a rate `fast` times as high and no decay. Elsewhere, vectors (norms, biases) have no decay."""
    gates, matrices, vectors = [], [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if ".bam" in f".{name}":
            gates.append(parameter)
        else:
            (matrices if parameter.ndim > 1 else vectors).append(parameter)
    groups = ((gates, rate * fast, 0.0), (matrices, rate, decay), (vectors, rate, 0.0))
    return [{"params": p, "lr": r, "base_lr": r, "weight_decay": d} for p, r, d in groups]


def make_loss(
    model: nn.Module, sources: list[Pictures], options: argparse.Namespace, device: torch.device
) -> Callable[[int, float], Tensor]:
    """Return (step, progress) -> loss of the batch that belongs to the step.

    Only Imagenette has pictures sharper than 64 px. Simply added, they would teach the network that sharpness means
    its ten categories, and call every good photo one of them. So they are made as small and as compressed as Tiny
    ImageNet's. Those that are left sharp (`--sharp`) compete among their own ten categories only; even so they teach
    the network to be sure of one of the ten wherever a picture is clean.

    Args:
        model: A `GateHeads` or `NoHeads`.
        sources: Tiny ImageNet, Imagenette and its crops reduced and compressed alike, Imagenette as it is.
        options: The command line.
        device: Of model and sources.
    """
    sharp = sources[-1]
    repeat = options.repeat * len(sharp)  # of Imagenette's pictures, in the time of one epoch of Tiny ImageNet
    shown = [len(sources[0]), repeat * (1 - options.sharp), repeat * options.sharp]
    own = (int(sharp.labels.min()), 1 + int(sharp.labels.max()))
    sources, shown = zip(*[(s, n) for s, n in zip(sources, shown, strict=True) if n], strict=True)
    counts = split_batch(options.batch, shown)
    rank, world = place_in_run()
    draws = [
        Draw(len(s), c, options.seed + i, rank=rank, world=world)
        for i, (s, c) in enumerate(zip(sources, counts, strict=True))
    ]

    def compute(step: int, progress: float) -> Tensor:
        size, generator = phase_at(progress, options.phases), seeded(options.seed, 1, step, rank)
        crops, labels = [], []
        for source, draw in zip(sources, draws, strict=True):
            images, categories = take(source, draw(step))
            plain = source is not sharp
            crops.append(random_crops(images, size, generator, smallest=options.smallest_crop, detail=plain))
            labels.append(categories)
        x, y, last = torch.cat(crops), torch.cat(labels), len(labels[-1]) if options.sharp else 0
        train_unfrozen(model)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=options.bf16):
            logits, extra, flat = model(x.contiguous(memory_format=torch.channels_last))
        loss = joint_loss(logits, y, last, own, options.smoothing) + options.flatness * flat
        for weight, head in zip(options.auxiliary, extra.values(), strict=bool(extra)):
            loss = loss + weight * joint_loss(head, y, last, own, options.smoothing)
        return loss

    return compute


@torch.no_grad()
def freeze_when_due(run: Run, options: argparse.Namespace) -> None:
    """Train parts of the network no further, at their averaged weights: early layers learn early and cost most.

    Args:
        run: As soon as it is as far as `--freeze-after`, the parts of `--freeze` are frozen, once.
        options: The command line.

    Raises:
        ValueError: The network has no part of that name.
    """
    children = dict(run.model.net.named_children())  # type: ignore[operator, union-attr]
    for part in options.freeze:
        if part not in children:
            raise ValueError(f"expected a part of the network to freeze ({', '.join(children)}), got {part!r}")
        trained = any(weight.requires_grad for weight in children[part].parameters())
        if trained and run.budget.progress >= options.freeze_after:
            children[part].requires_grad_(False)
            for name, value in children[part].state_dict().items():
                value.copy_(run.average.values[f"net.{part}.{name}"])


def train_unfrozen(model: nn.Module) -> None:
    """Set training mode, except in modules whose weights are all frozen: their norms keep their statistics."""
    model.train()
    for module in model.modules():
        weights = list(module.parameters())
        if weights and not any(w.requires_grad for w in weights):
            module.eval()


def joint_loss(logits: Tensor, labels: Tensor, sharp: int, own: tuple[int, int], smoothing: float) -> Tensor:
    """Cross entropy over all categories; of the last `sharp` pictures over their data set's own categories alone.

    Args:
        logits: (B, K).
        labels: int64 (B,).
        sharp: How many pictures at the end of the batch are sharper than the rest.
        own: Range of their categories, end excluded.
        smoothing: Of the labels.
    """
    logits, plain = logits.float(), len(labels) - sharp
    loss = functional.cross_entropy(logits[:plain], labels[:plain], label_smoothing=smoothing, reduction="sum")
    if sharp:
        within, target = logits[plain:, own[0] : own[1]], labels[plain:] - own[0]
        loss = loss + functional.cross_entropy(within, target, label_smoothing=smoothing, reduction="sum")
    return loss / len(labels)


def place_in_run() -> tuple[int, int]:
    """Rank of this process and number of processes; (0, 1) outside torch.distributed."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


@torch.inference_mode()
def class_logits(
    net: nn.Module, pictures: Pictures, size: int, *, limit: int | None = None, batch: int = 250
) -> tuple[Tensor, Tensor]:
    """What a network says of whole pictures, in float32 arithmetic: logits (N, K), and their labels int64 (N,).

    Args:
        net: Classifier; its mode is set to evaluation.
        pictures: Held-out data.
        size: Side the network sees.
        limit: Only so many pictures, evenly spaced (the packed ones are in order of category).
        batch: Pictures per forward.
    """
    net.eval()
    total = min(limit or len(pictures), len(pictures))
    chosen = torch.arange(total) * len(pictures) // total
    logits = [net(whole(take(pictures, index)[0], size)) for index in chosen.split(batch)]
    return torch.cat(logits), pictures.labels[chosen.to(pictures.labels.device)]


def answered_right(logits: Tensor, labels: Tensor, among: tuple[int, int] | None = None) -> Tensor:
    """Of which pictures the first category is right: bool (N,).

    Args:
        logits: (N, K).
        labels: int64 (N,).
        among: Range of the categories that may be answered, end excluded; None: all.
    """
    first, end = among or (0, logits.shape[1])
    return logits[:, first:end].argmax(1) == labels - first


def averaged_net(run: Run, spec: dict[str, Any], device: torch.device) -> nn.Module:
    """Build the network that is shipped: the moving average, without the auxiliary heads."""
    net = build_model(spec).to(device)
    values = {k.removeprefix("net."): v for k, v in run.average.values.items() if k.startswith("net.")}
    net.load_state_dict(values, strict=True)
    return net


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a ResNet with attention on Tiny ImageNet and Imagenette.")
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.pack")
    parser.add_argument("--folder", type=Path, required=True, help="folder for checkpoint and result")
    parser.add_argument("--minutes", type=float, default=0, help="budget in minutes of training")
    parser.add_argument("--steps", type=int, default=0, help="budget in steps, instead of --minutes")
    parser.add_argument("--init", type=Path, help="safetensors whose trunk and classifier start the run")
    parser.add_argument("--keep-bams", action="store_true", help="take the BAMs from --init too")
    parser.add_argument("--attention", choices=("bam", "cbam", "sge", "se", "none"), default="bam")
    parser.add_argument("--groups", type=int, default=16, help="of channels, for SGE; divides the width")
    parser.add_argument("--depth", type=int, default=18)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--fusion", choices=("sum", "product"), default="sum")
    parser.add_argument("--hidden", type=int, nargs=3, default=[8, 16, 16])
    parser.add_argument("--dilation", type=int, nargs=3, default=[4, 2, 1])
    parser.add_argument("--contrast", type=float, default=2.0, help="std of the spatial logits")
    parser.add_argument("--spread", type=float, default=0.3, help="least std of a spatial gate within a picture")
    parser.add_argument("--flatness", type=float, default=3.0, help="weight of the loss that asks for it")
    parser.add_argument("--phases", type=float, nargs="+", default=[0, 96, 0.6, 128], help="progress size ...")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeat", type=float, default=3, help="times Imagenette is seen per epoch of Tiny ImageNet")
    parser.add_argument("--sharp", type=float, default=0, help="share of Imagenette's pictures that stay sharp")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--decay", type=float, default=5e-4)
    parser.add_argument("--fast", type=float, default=3, help="rate of the gates over the trunk's")
    parser.add_argument("--auxiliary-stages", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument(
        "--auxiliary", type=float, nargs="*", default=[0.05, 0.1, 0.3], help="weight of each stage's loss"
    )
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--smallest-crop", type=float, default=0.5)
    parser.add_argument("--freeze", nargs="*", default=[], help="parts no longer trained, such as conv1 bn1 layer1")
    parser.add_argument("--freeze-after", type=float, default=0, help="share of the run after which --freeze begins")
    parser.add_argument("--average", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-bf16", dest="bf16", action="store_false")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-every", type=float, default=180, help="seconds between checkpoints")
    parser.add_argument("--stop-after", type=int, help="stop after so many steps, as an interruption would")
    options = parser.parse_args(argv)
    starts, sizes = options.phases[::2], options.phases[1::2]
    options.phases = [(a, int(b)) for a, b in zip(starts, sizes, strict=True)]
    return options


NOT_OF_THE_RUN = (
    "data",
    "folder",
    "init",
    "device",
    "threads",
    "save_every",
    "stop_after",
    "freeze",
    "freeze_after",
    "sharp",
    "phases",
    "minutes",
    "steps",
)


def prepare(options: argparse.Namespace, device: torch.device, categories: int) -> tuple[Run, dict[str, Any]]:
    """Build the network, its optimizer and its average; restore the checkpoint if there is one."""
    torch.manual_seed(options.seed)
    spec = classifier_spec(options, categories)
    net = build_model(spec)
    if options.init:
        start_from(net, options.init, leave=() if options.keep_bams else ("bam",))
    model: Trained = NoHeads(net)
    if isinstance(net, BamResNet):
        open_gates(net, options.contrast)
        model = GateHeads(net, options.auxiliary_stages, options.spread)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = parameter_groups(model, rate=options.rate, decay=options.decay, fast=options.fast)
    optimizer = torch.optim.SGD(groups, lr=options.rate, momentum=0.9, nesterov=True)
    kept = {k: v for k, v in vars(options).items() if k not in NOT_OF_THE_RUN}
    budget = Budget(steps=options.steps, seconds=60 * options.minutes)
    run = Run(model, optimizer, WeightAverage(model, options.average), budget, kept)
    checkpoint = options.folder / "checkpoint.pt"
    if checkpoint.exists():
        run.resume(checkpoint)
        log.info("resumed at step %d, %.1f minutes", run.budget.step, run.budget.spent / 60)
    freeze_when_due(run, options)
    return run, spec


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parse(argv)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    if "RANK" in os.environ:
        distributed.init_process_group("gloo" if device.type == "cpu" else "nccl")
    rank, _ = place_in_run()
    options.folder.mkdir(parents=True, exist_ok=True)
    tiny, small, crops, sharp = (
        load_pictures(options.data, name, device)
        for name in ("tiny_train", "imagenette_train_small", "imagenette_train_crops", "imagenette_train")
    )
    sources = [tiny, joined([small, crops]), sharp]
    held_out = [load_pictures(options.data, n, device) for n in ("tiny_val", "imagenette_val_small")]
    categories = 1 + max(int(s.labels.max()) for s in sources)
    run, spec = prepare(options, device, categories)
    with ProgressBar(hidden=rank > 0) as bar:

        def show(run: Run, loss: Tensor) -> None:
            bar.show(run, loss)
            freeze_when_due(run, options)
            if rank == 0 and run.budget.step % 1000 == 0:
                report(run, spec, held_out, options.phases[-1][1])

        train(
            run,
            make_loss(run.model, sources, options, device),
            options.folder / "checkpoint.pt" if rank == 0 else None,
            save_every=options.save_every,
            on_step=show,
            stop_after=options.stop_after,
        )
    if rank == 0 and run.budget.progress >= 1:
        net = averaged_net(run, spec, device)
        save_result(net, options.folder)
        report(run, spec, held_out, options.phases[-1][1])


def report(run: Run, spec: dict[str, Any], held_out: list[Pictures], size: int) -> None:
    """Log the average's accuracy on 1,000 held-out pictures of each set."""
    device = held_out[0].images.device
    net = averaged_net(run, spec, device)
    right = (answered_right(*class_logits(net, pictures, size, limit=1000)) for pictures in held_out)
    tiny, nette = (100 * float(flags.float().mean()) for flags in right)
    log.info("step %d, %.1f min: Tiny %.1f %%, Imagenette %.1f %%", run.budget.step, run.budget.spent / 60, tiny, nette)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
