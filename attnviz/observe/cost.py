"""What a run will take, said before it starts: memory from the network's own shapes, time from earlier runs.

The network is walked once on PyTorch's ``meta`` device, where tensors have shapes and no numbers, so that nothing is
computed and nothing allocated. Both numbers are estimates. Memory errs upwards: on the CPU up to three times what small
runs took, one and a half times what large ones did.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from attnviz.errors import DeviceError
from attnviz.models.attention.dual_attention import PositionAttention
from attnviz.models.sites import names_sites, sites_of
from attnviz.observe.attention_products import AttentionWatch
from attnviz.observe.gates import GateWatch
from attnviz.observe.watch_calls import Call, Calls, CallWatcher
from attnviz.position_attention import QUERIES_PER_CHUNK

_FLOAT = 4  # bytes
_MATRICES_PER_CHUNK = 3  # energy, its softmax, and the exponentials of the reductions
_BYTES_PER_PHOTO_PIXEL = 3 * 3  # the decoded photo, a copy while it is turned, and the encoder's
_SAFETY = 1.25
_SHARE_OF_FREE = 0.9  # what a run may take of the memory that is free now
_FIRST_RATES = {"cpu": 6e9, "mps": 2e11, "cuda": 2e12}  # macs per second, until a run was measured
_LEAST_TO_LEARN_FROM = 1_000_000_000  # macs: a smaller run measures its overhead, the first one warming up
_MOST_SIZES = 64  # input sizes whose walk is remembered for each network
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
    net: nn.Module,
    network_size: tuple[int, int],
    photo_size: tuple[int, int],
    *,
    device: str = "cpu",
    throughput: Throughput | None = None,
) -> Cost:
    """What one explanation will take; the network itself is there already and is not counted.

    Args:
        net: The network; a copy of it without numbers is walked. Of one that names no sites and cannot be walked, only
            the photo is counted.
        network_size: (height, width) of the input, pixels.
        photo_size: (height, width) of the photo, pixels.
        device: Where the network runs.
        throughput: What was measured before; None: nothing.
    """
    walked = _walked(net, network_size)
    photo = photo_size[0] * photo_size[1] * _BYTES_PER_PHOTO_PIXEL
    nbytes = int(_SAFETY * (2 * walked.kept + walked.peak) + photo)
    rate = (throughput or Throughput()).rate(device)
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
class _Walk:
    kept: int  # bytes of what the sites keep
    peak: int  # bytes of the largest activations alive at once
    macs: int


_walks: weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, int], _Walk]] = weakref.WeakKeyDictionary()
_walks_guard = threading.Lock()


def _walked(net: nn.Module, size: tuple[int, int]) -> _Walk:
    """The walk of a network at an input size, remembered as long as the network lives."""
    with _walks_guard:
        known = _walks.setdefault(net, {})
        if size not in known:
            if len(known) >= _MOST_SIZES:
                known.clear()
            known[size] = _walk(net, size) if names_sites(net) else _walk_of_unknown(net, size)
        return known[size]


def _walk_of_unknown(net: nn.Module, size: tuple[int, int]) -> _Walk:
    """The walk of somebody's own network; nothing where it cannot be copied or run without numbers."""
    try:
        return _walk(net, size)
    except (Exception, SystemExit):  # it is anybody's network
        return _Walk(0, 0, 0)


def _walk(net: nn.Module, size: tuple[int, int]) -> _Walk:
    """Shapes of one forward pass, on the meta device."""
    shapes = without_numbers(net)
    shapes.eval()
    tally = _Tally()
    handles = [module.register_forward_hook(tally.count) for module in shapes.modules()]
    watched = {site.path for site in (sites_of(net) if names_sites(net) else ()) if site.kind != "gamma"}
    handles += [shapes.get_submodule(path).register_forward_hook(tally.keep) for path in watched]
    first = next(shapes.parameters(), torch.empty(0))
    counter = FlopCounterMode(display=False)
    found = _Found()
    try:
        with torch.no_grad(), counter, nullcontext() if names_sites(net) else Calls(found):
            shapes(torch.empty(1, 3, *size, device="meta", dtype=first.dtype))
    finally:
        for handle in handles:
            handle.remove()
    # A multiply-add is two operations to the counter, which sees convolutions and matrix products of every kind.
    return _Walk(tally.kept + found.kept, tally.peak, counter.get_total_flops() // 2)


def without_numbers(net: nn.Module) -> nn.Module:
    """A copy of a network on the ``meta`` device: shapes and no numbers, so that nothing is allocated or copied."""
    numbers = (*net.parameters(), *net.buffers())
    empty = {id(tensor): torch.empty_like(tensor, device="meta") for tensor in numbers}
    for parameter in net.parameters():
        empty[id(parameter)] = nn.Parameter(empty[id(parameter)], requires_grad=False)
    return copy.deepcopy(net, empty)  # deepcopy takes what is in its memo for a copy made already


class _Found(CallWatcher):
    """Adds up the bytes that are kept of the attention of a network that names no sites."""

    def __init__(self) -> None:
        self.kept = 0
        self._gates, self._products = GateWatch(1, None, {}), AttentionWatch(1, None, {})

    def before(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        attention = self._products.finished(number, name, args, kwargs)
        gate = self._gates.multiplied(number, name, args) if attention is None else None
        self.kept += (0 if gate is None else gate.value.numel()) * _FLOAT
        self.kept += (0 if attention is None or attention.again else attention.numel) * _FLOAT

    def after(
        self, number: int, func: Call, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]
    ) -> None:
        self._gates.note(number, name, args, kwargs, outs)
        self._products.note(number, name, args, kwargs, outs)


class _Tally:
    """Adds up what the modules of one forward pass read and write."""

    def __init__(self) -> None:
        self.kept = self.peak = 0

    def count(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module
        read = sum(t.numel() for t in inputs if isinstance(t, Tensor))
        written = sum(t.numel() for t in _tensors(output))
        # what a block reads stays alive for its shortcut while its convolutions read and write
        self.peak = max(self.peak, 2 * (read + written) * _FLOAT + self._matrix(module, inputs))

    def keep(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - any module
        self.kept += sum(t.numel() for t in _tensors(output)) * _FLOAT

    def _matrix(self, module: nn.Module, inputs: tuple[Any, ...]) -> int:
        """Bytes of the attention over positions, which is made in chunks."""
        if not isinstance(module, PositionAttention) or not inputs:
            return 0
        locations = int(inputs[0].shape[2] * inputs[0].shape[3])
        return min(locations, QUERIES_PER_CHUNK) * locations * _FLOAT * _MATRICES_PER_CHUNK


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
