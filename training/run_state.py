"""What a training run keeps so that it can be interrupted at any moment: weights, average, schedule, generators."""

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, distributed, nn

LONGEST_STEP = 60.0  # seconds: what a step took beyond it, the process was stopped


@dataclass
class Budget:
    """How far a run is: by steps where a number of steps is given, else by seconds trained.

    Attributes:
        steps: Total steps; 0 where the run is limited by time.
        seconds: Total seconds of training, over all resumes; 0 where it is limited by steps.
        step: Steps done.
        spent: Seconds trained.
    """

    steps: int = 0
    seconds: float = 0.0
    step: int = 0
    spent: float = 0.0

    def __post_init__(self) -> None:
        """Check that exactly one limit is given.

        Raises:
            ValueError: Both limits or none.
        """
        if (self.steps > 0) == (self.seconds > 0):
            raise ValueError(f"expected either steps or seconds, got {self.steps} and {self.seconds}")

    @property
    def progress(self) -> float:
        """Share of the run that is done, in [0, 1]."""
        return min(1.0, self.step / self.steps if self.steps else self.spent / self.seconds)

    def advance(self, seconds: float) -> None:
        """Count one step that took so long."""
        self.step += 1
        self.spent += seconds


def one_cycle(progress: float, warmup: float = 0.04) -> float:
    """Factor of the learning rate: linear from 0.1 to 1 during `warmup`, then a cosine to 0."""
    if progress < warmup:
        return 0.1 + 0.9 * progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def phase_at(progress: float, phases: list[tuple[float, int]]) -> int:
    """Value of the last phase begun: ``[(0.0, 64), (0.5, 128)]`` gives 64 below one half, then 128."""
    return [value for start, value in phases if start <= progress][-1]


class WeightAverage:
    """Exponential moving average of weights and buffers, the network that is shipped.

    The decay warms up as (1 + n) / (10 + n), so that an early average is not the start's weights.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        """Start from the network's present weights."""
        self.decay, self.updates = decay, 0
        self.values = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move towards the network's present weights; counters are copied."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in net.state_dict().items():
            mine = self.values[name]
            if value.is_floating_point():
                mine.lerp_(value.detach(), 1 - decay)
            else:
                mine.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"updates": self.updates, "values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore in place."""
        self.updates = int(state["updates"])
        for name, value in state["values"].items():
            self.values[name].copy_(value)


@dataclass
class Run:
    """Everything that changes while a run goes on.

    Attributes:
        model: The module that is trained, heads used only in training included.
        optimizer: Its optimizer.
        average: Moving average of `model`.
        budget: How far the run is.
        options: What the run was started with; a resume with other options is refused.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage
    budget: Budget
    options: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write a checkpoint beside `path` and put it in place in one move."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
            "budget": vars(self.budget),
            "options": self.options,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        part = path.with_suffix(".part")
        with part.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)

    def resume(self, path: Path) -> None:
        """Restore a checkpoint of a run with the same options.

        Raises:
            ValueError: The checkpoint is of a run with other options.
        """
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["options"] != self.options:
            raise ValueError(f"expected a run with {self.options}, got one with {state['options']} in {path}")
        self.model.load_state_dict(state["model"], strict=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load_state_dict(state["average"])
        self.budget.step, self.budget.spent = int(state["budget"]["step"]), float(state["budget"]["spent"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])

    def set_rate(self, factor: float) -> None:
        """Scale every group's own rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor


def together(model: nn.Module, seconds: float) -> float:
    """Average gradients, and the time of the step, over all processes of the run; alone it does nothing.

    One thread per process and one exchange a step is several times faster than two threads per process on cores
    that others use too, where every operation waits for the slower thread.

    Args:
        model: Its gradients are replaced by their mean.
        seconds: Time of this step.

    Returns:
        The mean time, equal in all processes, so that all agree on the schedule.
    """
    if not distributed.is_initialized():
        return seconds
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([*(g.flatten() for g in gradients), gradients[0].new_tensor([seconds])])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    parts = flat[:-1].split([g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return float(flat[-1])


def train(
    run: Run,
    compute_loss: Callable[[int, float], Tensor],
    checkpoint: Path | None,
    *,
    save_every: float,
    on_step: Callable[[Run, Tensor], None],
    stop_after: int | None = None,
) -> None:
    """Step until the budget is spent, saving now and then and at the end.

    Args:
        run: Changed in place.
        compute_loss: (step, progress) -> scalar loss with gradients.
        checkpoint: File to write; None in all processes but the first.
        save_every: Seconds between checkpoints.
        on_step: Called after each step with the run and the detached loss, for progress bars.
        stop_after: Return after so many steps of this call, as an interruption would.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    saved = last = time.monotonic()
    done = 0
    while run.budget.progress < 1 and (stop_after is None or done < stop_after):
        run.set_rate(one_cycle(run.budget.progress))
        loss = compute_loss(run.budget.step, run.budget.progress)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"expected a finite loss at step {run.budget.step}, got {loss.item()}")
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        now = time.monotonic()
        taken, last = min(now - last, LONGEST_STEP), now  # the exchange counts for the next step
        seconds = together(run.model, taken)
        run.optimizer.step()
        run.average.update(run.model)
        run.budget.advance(seconds)
        done += 1
        on_step(run, loss.detach())
        if checkpoint and time.monotonic() - saved > save_every:
            run.save(checkpoint)
            saved = time.monotonic()
    if checkpoint:
        run.save(checkpoint)


def save_result(net: nn.Module, folder: Path) -> None:
    """Write what a finished run hands on: ``average.safetensors``, float32, and ``spec.json``."""
    save_file({k: v.contiguous().cpu() for k, v in net.state_dict().items()}, folder / "average.safetensors")
    (folder / "spec.json").write_text(json.dumps(net.config, indent=1))
