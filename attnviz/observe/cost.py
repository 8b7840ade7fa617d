"""What a run will take, said before it starts: memory from the network's own shapes, time from earlier runs.

The network is walked once on PyTorch's ``meta`` device, where tensors have shapes and no numbers, so that nothing is
computed and nothing allocated. Both numbers are estimates. Memory errs upwards: on the CPU up to three times what small
runs took, one and a half times what large ones did.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.errors import DeviceError
from attnviz.models.attention.dual_attention import PositionAttention
from attnviz.models.build import build_model

_FLOAT = 4  # bytes
_QUERIES_PER_CHUNK = 1024  # rows of the N x N matrix made at once, as in models.dual_attention
_MATRICES_PER_CHUNK = 3  # energy, its softmax, and the exponentials of the reductions
_BYTES_PER_PHOTO_PIXEL = 3 * 3  # the decoded photo, a copy while it is turned, and the encoder's
_SAFETY = 1.25
_SHARE_OF_FREE = 0.9  # what a run may take of the memory that is free now
_FIRST_RATES = {"cpu": 6e9, "mps": 2e11, "cuda": 2e12}  # macs per second, until a run was measured
_LEAST_TO_LEARN_FROM = 1_000_000_000  # macs: a smaller run measures its overhead, the first one warming up
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Cost:
    """Estimate of one run.

    Attributes:
        nbytes: Peak memory beyond what the process holds already, bytes.
        macs: Of the forward pass.
        seconds: Wall-clock seconds of the forward pass on this machine.
    """

    nbytes: int
    macs: int
    seconds: float


class Throughput:
    """Multiplications per second seen on each device, the newest run counting half; safe to use from many threads."""

    def __init__(self) -> None:
        self._measured: dict[str, float] = {}
        self._lock = threading.Lock()

    def rate(self, device: str) -> float:
        """Multiplications per second of a device such as ``"cpu"`` or ``"cuda:1"``."""
        with self._lock:
            first = _FIRST_RATES.get(device.partition(":")[0], _FIRST_RATES["cpu"])
            return self._measured.get(device, first)

    def learn(self, device: str, macs: int, seconds: float) -> None:
        """Remember that a forward pass took so long; small ones say little about large ones and are left out."""
        if seconds <= 0 or macs < _LEAST_TO_LEARN_FROM:
            return
        new = macs / seconds
        with self._lock:
            self._measured[device] = (self._measured.get(device, new) + new) / 2


def estimate(
    config: Mapping[str, Any],
    network_size: tuple[int, int],
    photo_size: tuple[int, int],
    *,
    device: str = "cpu",
    rates: Throughput | None = None,
) -> Cost:
    """What one explanation will take.

    Args:
        config: What `attnviz.models.build.build_model` builds.
        network_size: (height, width) of the input, pixels.
        photo_size: (height, width) of the photo, pixels.
        device: Where the network runs.
        rates: What was measured before; None: nothing.
    """
    walked = _walk(json.dumps(config, sort_keys=True), *network_size)
    photo = photo_size[0] * photo_size[1] * _BYTES_PER_PHOTO_PIXEL
    nbytes = int(_SAFETY * (walked.weights + 2 * walked.kept + walked.peak) + photo)
    rate = (rates or Throughput()).rate(device)
    return Cost(nbytes=nbytes, macs=walked.macs, seconds=walked.macs / rate)


def free_memory(device: str = "cpu") -> int | None:
    """Bytes that a run may take now on a device; None where the system does not say."""
    if device.startswith("cuda") and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    found = [number for number in (_meminfo(), _cgroup()) if number is not None]
    return min(found) if found else None


def check_fits(cost: Cost, free: int | None) -> None:
    """Refuse a run that the machine cannot hold.

    Args:
        cost: From `estimate`.
        free: From `free_memory`; None lets everything through.

    Raises:
        DeviceError: The run would take more than nine tenths of what is free.
    """
    if free is not None and cost.nbytes > _SHARE_OF_FREE * free:
        raise DeviceError(
            f"expected a run within the {in_words(free)} of memory that is free, got one of about "
            f"{in_words(cost.nbytes)}: choose a smaller input size or a smaller model"
        )


def in_words(nbytes: float) -> str:
    """Bytes for people: ``"34 kB"``, ``"210 MB"``, ``"3.4 GB"``."""
    if nbytes >= 999.5e6:
        return f"{nbytes / 1e9:.1f} GB"
    if nbytes >= 999.5e3:
        return f"{round(nbytes / 1e6)} MB"
    return f"{max(1, round(nbytes / 1e3))} kB"


@dataclass(frozen=True)
class _Walked:
    weights: int  # bytes of parameters and buffers
    kept: int  # bytes of what the sites keep
    peak: int  # bytes of the largest activations alive at once
    macs: int


@lru_cache(maxsize=64)
def _walk(config: str, height: int, width: int) -> _Walked:
    """Shapes of one forward pass, on the meta device."""
    with torch.device("meta"):
        net = build_model(json.loads(config)).eval()
        x = torch.empty(1, 3, height, width)
    tally = _Tally()
    handles = [module.register_forward_hook(tally.count) for module in net.modules()]
    watched: Any = net  # every network that build_model makes has sites
    sites = {site.module for site in watched.sites()}
    handles += [net.get_submodule(name).register_forward_hook(tally.keep) for name in sites]
    try:
        with torch.no_grad():
            net(x)
    finally:
        for handle in handles:
            handle.remove()
    weights = sum(t.numel() for t in (*net.parameters(), *net.buffers())) * _FLOAT
    return _Walked(weights, tally.kept, tally.peak, tally.macs)


class _Tally:
    """Adds up what the modules of one forward pass read and write."""

    def __init__(self) -> None:
        self.kept = self.peak = self.macs = 0

    def count(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module
        read = sum(t.numel() for t in inputs if isinstance(t, Tensor))
        written = sum(t.numel() for t in _tensors(output))
        # what a block reads stays alive for its shortcut while its convolutions read and write
        self.peak = max(self.peak, 2 * (read + written) * _FLOAT + self._matrix(module, inputs))
        if isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1]
            self.macs += written * kernel * module.in_channels // module.groups
        elif isinstance(module, nn.Linear):
            self.macs += written * module.in_features

    def keep(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module
        self.kept += sum(t.numel() for t in _tensors(output)) * _FLOAT

    def _matrix(self, module: nn.Module, inputs: tuple[Any, ...]) -> int:
        """Bytes of the attention over positions; adds its macs."""
        if not isinstance(module, PositionAttention) or not inputs:
            return 0
        channels, height, width = (int(n) for n in inputs[0].shape[1:])
        locations = height * width
        self.macs += locations * locations * (channels + module.query_conv.out_channels)
        return min(locations, _QUERIES_PER_CHUNK) * locations * _FLOAT * _MATRICES_PER_CHUNK


def _tensors(output: Any) -> list[Tensor]:  # noqa: ANN401 - any module
    if isinstance(output, Tensor):
        return [output]
    return [t for t in output if isinstance(t, Tensor)] if isinstance(output, (list, tuple)) else []


def _meminfo() -> int | None:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _cgroup() -> int | None:
    """What a container may still take (cgroup v2); None outside one or where it has no limit."""
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (_CGROUP / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return max(0, int(limit) - int(used)) if limit.isdecimal() else None
