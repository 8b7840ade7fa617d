"""Train a network of any family on the teacher's answers to views of everyday photos.

    python -m training.distil --shards SHARDS --folder RUN --minutes 40 --family none --folded trunk.safetensors \
        --rates layer4=1e-3 fc=1e-3
    python -m training.distil --shards SHARDS --folder RUN --minutes 60 --family bam --start RUN/average.safetensors \
        --rates bam=2e-3 layer3=1e-4 layer4=3e-4 fc=3e-4

Run it again with the same options after any interruption: it goes on from the last checkpoint in the folder. The
shards may grow and change meanwhile (`training.label`).
"""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.bam_resnet import BamResNet
from attnviz.models.build import build_model
from training.classifier import averaged_net, train_unfrozen
from training.frozen_front import FrozenFront
from training.gate_heads import NoHeads
from training.gauges import gauge
from training.guided_gates import STAGES, GuidedGates, quiet_start, set_contrast
from training.progress import ProgressBar
from training.run_state import Budget, Run, WeightAverage, save_result, train
from training.shards import LabelledViews
from training.trunk import calibrate_norms, load_folded, take_block_gain_out, take_gain_out

log = logging.getLogger(__name__)
FAMILIES = ("none", "bam", "sge", "cbam", "se")
NOT_OF_THE_RUN = (
    "folder",
    "shards",
    "threads",
    "save_every",
    "minutes",
    "steps",
    "gauges",
    "gauge_every",
    "stop_after",
    "frozen_front",
    "end",
    "crowding",
    "balance",
)


def spec_of(family: str, categories: int = 1000) -> dict[str, Any]:
    """Describe the network of a family on a ResNet18.

    Of BAM's three, the second has three plain 3x3 convolutions: with two of dilation 2 it drew a lattice.
    """
    trunk: dict[str, Any] = {"depth": 18, "width": 64}
    if family != "bam":
        inner = None if family == "none" else {"kind": family, "groups": 64}
        return {"architecture": "AttentionResNet", "trunk": {**trunk, "attention": inner}, "num_classes": categories}
    common = {"fusion": "sum", "hidden": 16, "padding_mode": "reflect", "final_norm": True}
    bams = [{**common, "dilation": dilation, "convs": convs} for dilation, convs in ((2, 2), (1, 3), (2, 2))]
    return {"architecture": "BamResNet", "trunk": trunk, "bams": bams, "num_classes": categories}


def rate_groups(model: nn.Module, rates: dict[str, float], decay: float) -> list[dict[str, Any]]:
    """Parameters by rate; those that `rates` does not name are frozen. Vectors (norms, biases) and gates don't decay.

    Args:
        model: With the network as `net`; what is beside it (heads) has the rate of "heads", or of the gates.
        rates: Rate of each prefix of a parameter's name, the longest that fits counts; or of a module within ("sge"),
            which counts before any prefix.
        decay: Of matrices, times the rate.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        place = name.removeprefix("net.")
        inner = place.split(".")[1:]
        fitting = [part for part in rates if place.startswith(part) or part in inner]
        rate = rates[max(fitting, key=lambda part: (part in inner, len(part)))] if fitting else 0.0
        parameter.requires_grad_(rate > 0 and parameter.requires_grad)
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and "bam" not in place and not set(inner) & set(rates)
            groups.setdefault((rate, decay if decays else 0.0), []).append(parameter)
    return [{"params": p, "lr": r, "base_lr": r, "weight_decay": d} for (r, d), p in groups.items()]


def soft_loss(logits: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the student's answers (B, K) from the teacher's, mean over views, nats."""
    return functional.kl_div(
        functional.log_softmax(logits.float(), 1),
        functional.log_softmax(teacher, 1),
        reduction="batchmean",
        log_target=True,
    )


def make_loss(model: nn.Module, views: LabelledViews, options: argparse.Namespace) -> Callable[[int, float], Tensor]:
    """Return (step, progress) -> loss of the batch that belongs to the step."""
    fresh = fresh_stages(options)

    def compute(step: int, progress: float) -> Tensor:
        x, teacher = views(step)
        if options.size and options.size < x.shape[2]:
            x = functional.interpolate(x, size=options.size, mode="bilinear", antialias=True)
        train_unfrozen(model)
        if isinstance(model, GuidedGates):
            grown = min(1.0, 0.1 + progress / options.ramp)
            set_contrast(model.net, {s: options.contrast * (grown if s in fresh else 1.0) for s in STAGES})
            model.demand = min(1.0, progress / options.ramp)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            logits, extra, penalty = model(x)
        loss = soft_loss(logits, teacher) + penalty
        for weight, head in zip(options.auxiliary, extra.values(), strict=False):
            loss = loss + weight * soft_loss(head, teacher)
        return loss  # type: ignore[no-any-return]

    return compute


def prepare(options: argparse.Namespace, views: LabelledViews) -> tuple[Run, dict[str, Any]]:
    """Build the network, its optimizer and its average; restore the checkpoint if there is one."""
    torch.manual_seed(options.seed)
    spec = spec_of(options.family)
    net = build_model(spec)
    checkpoint = options.folder / "checkpoint.pt"
    if not checkpoint.exists():
        start(net, options, views)
    model: nn.Module = FrozenFront(net, options.threads) if options.frozen_front else NoHeads(net)  # type: ignore[arg-type]
    if isinstance(net, BamResNet) and not options.frozen_front:
        model = GuidedGates(net, spread=options.spread, weights=options.penalties, crowding=options.crowding)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rates = {part: float(rate) for part, rate in (pair.split("=") for pair in options.rates)}
    optimizer = torch.optim.AdamW(rate_groups(model, rates, options.decay), betas=(0.9, 0.99))
    kept = {k: v for k, v in vars(options).items() if k not in NOT_OF_THE_RUN}
    kept = {k: str(v) if isinstance(v, Path) else v for k, v in kept.items()}
    budget = Budget(steps=options.steps, seconds=60 * options.minutes)
    run = Run(model, optimizer, WeightAverage(model, options.average), budget, kept)
    if checkpoint.exists():
        run.resume(checkpoint)
        log.info("resumed at step %d, %.1f minutes", run.budget.step, run.budget.spent / 60)
    return run, spec


def start(net: nn.Module, options: argparse.Namespace, views: LabelledViews) -> None:
    """Take the first weights: of a folded trunk, or of a trained network, whose parts in `--fresh` are left out.

    Stage 4 and the classifier may come from elsewhere (`--end`): a trunk that was trained on meanwhile.
    """
    if options.folded:
        load_folded(net, options.folded)  # type: ignore[arg-type]
    if options.start:
        take_weights(net, load_file(options.start), set(options.fresh))
    if options.end:
        end = load_file(options.end)
        for name, value in net.state_dict().items():
            if name.startswith(("layer4.", "fc.")):
                value.copy_(end[name])
        if isinstance(net, BamResNet):
            take_gain_out(net, [4])
    if isinstance(net, BamResNet):
        quiet_start(net, fresh_stages(options))
        if len(fresh_stages(options)) == len(STAGES):
            take_gain_out(net)
    if isinstance(net, AttentionResNet) and (options.fresh or options.folded):
        take_block_gain_out(net)  # before the norms look: features behind closed gates are not what they will meet
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        if options.calibrate:
            calibrate_norms(net.eval(), (views(step)[0] for step in range(options.calibrate)))  # type: ignore[arg-type]


def fresh_stages(options: argparse.Namespace) -> list[int]:
    """Stages whose BAM starts anew."""
    return [stage for stage in STAGES if options.folded or {"bam", f"bam{stage}"} & set(options.fresh)]


def take_weights(net: nn.Module, given: dict[str, Tensor], fresh: set[str]) -> None:
    """Copy weights by name, but for those with a part in `fresh`: "bam2" is bam2 alone, "bam" every BAM.

    Raises:
        ValueError: A name is missing, or of another shape.
    """
    for name, value in net.state_dict().items():
        parts = set(name.split("."))
        if fresh & (parts | {part.rstrip("123") for part in parts}):
            continue
        if name not in given or given[name].shape != value.shape:
            raise ValueError(f"expected {name} {tuple(value.shape)}, found {getattr(given.get(name), 'shape', 'none')}")
        value.copy_(given[name])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a ResNet18 with attention on a teacher's answers.")
    parser.add_argument("--shards", type=Path, required=True, help="folder that training.label fills")
    parser.add_argument("--gauges", type=Path, help="folder written by training.gauges, to report on held-out photos")
    parser.add_argument("--folder", type=Path, required=True, help="folder for checkpoint and result")
    parser.add_argument("--minutes", type=float, default=0, help="budget in minutes of training")
    parser.add_argument("--steps", type=int, default=0, help="budget in steps, instead of --minutes")
    parser.add_argument("--family", choices=FAMILIES, default="bam")
    parser.add_argument("--folded", type=Path, help="safetensors of a trunk whose norms are folded in")
    parser.add_argument("--start", type=Path, help="safetensors of a network with norms")
    parser.add_argument("--fresh", nargs="*", default=[], help="modules not taken from --start: bam, bam2, sge, ...")
    parser.add_argument("--end", type=Path, help="safetensors of a trunk: stage 4 and classifier are its")
    parser.add_argument("--rates", nargs="+", required=True, help="PART=RATE; other parts are frozen")
    parser.add_argument(
        "--frozen-front", action="store_true", help="stage 4 and fc alone are trained: run the rest fast"
    )
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--size", type=int, help="side that views are reduced to, in pixels")
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument(
        "--calibrate", type=int, default=20, help="batches that give norms their statistics; 0 with features"
    )
    parser.add_argument("--contrast", type=float, default=2.0, help="std of BAM's spatial logits")
    parser.add_argument("--spread", type=float, default=0.25, help="least std of a spatial gate over locations")
    parser.add_argument("--ramp", type=float, default=0.2, help="share of the run before contrast and spread are full")
    parser.add_argument("--auxiliary", type=float, nargs=3, default=[0.1, 0.3, 0.3], help="weight of each stage's")
    parser.add_argument("--penalties", type=float, nargs=3, default=[3.0, 0.1, 0.1], help="spread, smoothness, guide")
    parser.add_argument("--crowding", type=float, default=1.0, help="weight of the penalty on gates open everywhere")
    parser.add_argument("--balance", type=float, default=0.0, help="draw seldom categories more: 0 not, 1 all alike")
    parser.add_argument("--average", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-bf16", dest="bf16", action="store_false")
    parser.add_argument("--save-every", type=float, default=180, help="seconds between checkpoints")
    parser.add_argument("--gauge-every", type=int, default=500, help="steps between reports on held-out photos")
    parser.add_argument("--stop-after", type=int, help="stop after so many steps of this call")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parse(argv)
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    views = LabelledViews(options.shards, options.batch, options.seed, balance=options.balance)
    run, spec = prepare(options, views)
    device = torch.device("cpu")
    with ProgressBar(hidden=False) as bar:

        def show(run: Run, loss: Tensor) -> None:
            bar.show(run, loss)
            if options.gauges and run.budget.step % options.gauge_every == 0:
                found = gauge(averaged_net(run, spec, device), options.gauges)
                log.info("step %d, %.1f min, %s", run.budget.step, run.budget.spent / 60, found)

        train(
            run,
            make_loss(run.model, views, options),
            options.folder / "checkpoint.pt",
            save_every=options.save_every,
            on_step=show,
            stop_after=options.stop_after,
        )
    if run.budget.progress >= 1:
        net = averaged_net(run, spec, device)
        save_result(net, options.folder)
        if options.gauges:
            log.info("done: %s", gauge(net, options.gauges))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
