"""One forward pass of any network watched for attention: the first one whole, later ones by what is known of it."""

from __future__ import annotations

import re
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.module_steps import Step
from attnviz.observe.attention_products import Attention, AttentionWatch, Layouts
from attnviz.observe.gate_places import GateOrder
from attnviz.observe.gates import FoundGate, GatedFeatures, GateWatch
from attnviz.observe.held import MOST_SPARE, DirectAttention, DirectGate, HeldAttention, HeldGate, Spare
from attnviz.observe.known_calls import KnownCalls, KnownPass, known_pass
from attnviz.observe.layouts import form_of
from attnviz.observe.places import Places
from attnviz.observe.step_watch import GateFeatures
from attnviz.observe.watch_calls import (
    Call,
    Calls,
    CallWatcher,
    ModulePaths,
    line_of_user,
    switched,
)

_CLASS_TOKEN = re.compile(r"(^|[._])(cls|class)_(token|embedding|emb)$", re.IGNORECASE)
_WITH_FAST_PATH = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
_MOST_SHAPES = 4  # of inputs, that are remembered of one network


@dataclass(frozen=True)
class FoundAttention:
    """One attention of a network.

    Attributes:
        label: Of its map or position attention in an explanation; ``.head0``, ``.head1`` after it name one head.
        path: Of the module in whose forward pass it is used; ``""`` is the network.
        kind: ``"spatial_gate"``, ``"group_gate"``, ``"channel_gate"``, ``"row_gate"``, ``"column_gate"``, ``"gate"``,
            ``"position"``, or ``"cross"``: a position attention whose queries are not the places of its keys.
        grid: (h, w) of its locations, of those that are looked at; None for a channel gate and where it is not shown.
        stride: Input pixels per location; None as for the grid.
        heads: How many; 1 for gates.
        where: File and line of the code that uses it.
        reason: Why an explanation does not show it; empty where it does.
        range_used: Largest minus smallest value, as a share of the range that the quantity can take, in [0, 1]; None
            where it was not measured.
    """

    label: str
    path: str
    kind: str
    grid: tuple[int, int] | None
    stride: int | None
    heads: int
    where: str
    reason: str = ""
    range_used: float | None = None


Value = FoundGate | HeldGate | Attention | HeldAttention
Find = tuple[FoundAttention, Value]


@dataclass(frozen=True)
class _Plan:
    """What the first pass taught of a network and a shape of input; no tensor of the network's is kept."""

    modules: tuple[int, ...]
    closed: tuple[str, ...]
    class_token: bool
    has_fast_path: bool
    direct: dict[int, DirectGate | DirectAttention]  # calls that show a find alone
    spare: Spare | None  # memory for what is copied of those attentions; None where that is too much to be kept
    known: KnownPass
    entries: tuple[FoundAttention, ...]
    layouts: Layouts
    orders: dict[int, GateOrder | None]


_Key = tuple[torch.Size, torch.dtype, torch.device, bool, bool]
_plans: weakref.WeakKeyDictionary[nn.Module, dict[_Key, _Plan]] = weakref.WeakKeyDictionary()
_plans_guard = threading.Lock()


class WatchedPass:
    """A context manager around one forward pass; nothing of it is left in the network, whatever happens.

    Args:
        net: Any network.
        x: Its input, (B, C, H, W), as it is given to it.
        whole: Watch everything although the network is known.
        inside: Keep the features around gates as well.

    Attributes:
        finds: What was found, after the pass.
        strayed: Whether the pass went another way than the one before it, so that nothing was found.
        last_of_size: (h, w) -> path of the last module that gave features of that size; of a whole pass alone.
        class_token: Whether the first token beside the picture's places is a class token, by the names of parameters.
        has_fast_path: Whether parts of the network compute otherwise, within rounding, while they are watched.
    """

    def __init__(self, net: nn.Module, x: Tensor, *, whole: bool = False, inside: bool = False) -> None:
        self.finds: list[Find] = []
        self.strayed = False
        self.last_of_size: dict[tuple[int, int], str] = {}
        self._net, self._x = net, x
        self._features = GateFeatures(int(x.shape[0])) if inside else None
        self._key = x.shape, x.dtype, x.device, net.training, torch.is_grad_enabled()
        self._every = modules_of(net)
        self._modules = tuple(map(id, self._every))
        self._stack = ExitStack()
        with _plans_guard:
            plan = None if whole else _plans.get(net, {}).get(self._key)
        self._plan = plan if plan is not None and plan.modules == self._modules else None
        self._closed = closed(net) if self._plan is None else self._plan.closed
        self.class_token = has_class_token(net) if self._plan is None else self._plan.class_token
        self.has_fast_path = (
            any(isinstance(module, _WITH_FAST_PATH) for module in self._every)
            if self._plan is None
            else self._plan.has_fast_path
        )
        self._watch: _Known | _Whole

    def __enter__(self) -> WatchedPass:
        with ExitStack() as stack:
            if self._plan is None:
                self._watch = _Whole(self._x, self._features)
                watchable, numbers = self._watchable(), {id(module): n for n, module in enumerate(self._every)}
                self._numbers = {"": 0, **{path: numbers[id(module)] for path, module in watchable.items()}}
                whole = Calls(self._watch)
                stack.enter_context(self._watch.paths.followed(watchable, lambda: len(whole.made)))
                self._mode: Calls | KnownCalls = whole
                if "" not in self._closed:
                    stack.enter_context(whole)
            else:
                self._watch = _Known(int(self._x.shape[0]), self._plan, self._features)
                self._mode = KnownCalls(self._watch, self._plan.known)
                stack.enter_context(self._mode.followed(self._every))
            for path in filter(None, self._closed):
                module = self._net.get_submodule(path)
                if not isinstance(module, torch.jit.ScriptModule):  # which takes no hooks, and shows no mode its calls
                    stack.enter_context(_without(self._mode, module))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        watch, mode = self._watch, self._mode
        del self._watch, self._mode, self._x, self._every
        if kind is not None:
            return
        if isinstance(watch, _Whole) and isinstance(mode, Calls):
            self.finds, self.last_of_size = watch.finds, watch.paths.last_of_size
            self._learn(watch, mode)
        elif isinstance(watch, _Known) and isinstance(mode, KnownCalls):
            self.strayed = mode.strayed or watch.strayed or len(watch.values) != len(watch.entries)
            self.finds = (
                [] if self.strayed else [_again(*find) for find in zip(watch.entries, watch.values, strict=True)]
            )
            if self.strayed:
                with _plans_guard:
                    _plans.get(self._net, {}).pop(self._key, None)

    def around(self, find: int) -> tuple[Step, ...]:
        """The features that a gate multiplies, and what comes out; nothing where nobody asked or it is not known.

        Args:
            find: Its number among `finds`.
        """
        return () if self._features is None else self._features.steps(find)

    def _watchable(self) -> dict[str, nn.Module]:
        """Modules whose runs are told apart, by path; the network itself is what runs outside of them."""
        every = self._net.named_modules()
        return {path: module for path, module in every if path and not _within(path, self._closed)}

    def _learn(self, watch: _Whole, mode: Calls) -> None:
        mattered = frozenset().union(*watch.calls)
        steps = [(call, mode.read.get(number), number in mattered) for number, call in enumerate(mode.made)]
        plan = _Plan(
            modules=self._modules,
            closed=self._closed,
            class_token=self.class_token,
            has_fast_path=self.has_fast_path,
            direct=watch.direct,
            spare={} if watch.numel <= MOST_SPARE else None,
            known=known_pass(steps, watch.calls, watch.paths.boundaries, self._numbers),
            entries=tuple(entry for entry, _ in watch.finds),
            layouts=watch.layouts,
            orders=watch.orders,
        )
        with _plans_guard:
            known = _plans.setdefault(self._net, {})
            if len(known) >= _MOST_SHAPES:
                known.clear()
            known[self._key] = plan


class _Known(CallWatcher):
    """Takes what was found before, from the calls that matter alone."""

    def __init__(self, batch: int, plan: _Plan, features: GateFeatures | None) -> None:
        self.entries = plan.entries
        self.values: list[Value] = []
        self._batch, self._direct, self._spare = batch, plan.direct, plan.spare
        self._features = features
        self._gates = GateWatch(batch, None, plan.orders)
        self._products = AttentionWatch(batch, None, plan.layouts)

    @property
    def strayed(self) -> bool:
        """Whether something was found that was not known."""
        return self._products.strayed

    def take(self, number: int, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        direct = self._direct.get(number)
        if direct is None:
            return False
        if isinstance(direct, DirectGate):
            if self._features is not None:  # what comes out is to be seen as well
                return False
            held: HeldGate | HeldAttention | None = direct.held(args, self._batch)
        elif not direct.is_made_by(args):
            return True  # and a find is missing
        else:
            held = direct.held(number, args, kwargs, self._spare)
        if held is not None:
            self.values.append(held)
        return held is not None

    @torch.no_grad()
    def before(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        direct = self._direct.get(number)
        if isinstance(direct, DirectGate):
            held = direct.held(args, self._batch)
            if held is not None:
                self.values.append(held)
                self._keep_features(GatedFeatures(args[1 - direct.at], None, plain=True))
            return
        attention = self._products.finished(number, name, args, kwargs)
        gate = self._gates.multiplied(number, name, args) if attention is None else None
        self.values += [found for found in (gate, attention) if found is not None]
        if gate is not None:
            self._keep_features(self._gates.features)

    def _keep_features(self, features: GatedFeatures | None) -> None:
        if self._features is not None:
            self._features.before(len(self.values) - 1, features)

    @torch.no_grad()
    def after(
        self, number: int, func: Call, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]
    ) -> None:
        if self._features is not None:
            self._features.after(outs)
        if number not in self._direct:
            self._gates.note(number, name, args, kwargs, outs)
            self._products.note(number, name, args, kwargs, outs)


class _Whole(CallWatcher):
    """Gathers what is found in a pass that nothing is known of."""

    def __init__(self, x: Tensor, features: GateFeatures | None) -> None:
        self.paths = ModulePaths()
        self._features = features
        self.finds: list[Find] = []
        self.calls: list[frozenset[int]] = []  # that made each find
        self.direct: dict[int, DirectGate | DirectAttention] = {}
        self.numel = 0  # of query and key of those of them that are attentions
        self.layouts: Layouts = {}
        self.orders: dict[int, GateOrder | None] = {}
        self._height, batch = int(x.shape[2]), int(x.shape[0])
        self._places = Places(x)
        self._gates = GateWatch(batch, self._places, self.orders)
        self._products = AttentionWatch(batch, self._places, self.layouts)
        self._labels: Counter[str] = Counter()

    @torch.no_grad()
    def before(self, number: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        attention = self._products.finished(number, name, args, kwargs)
        gate = self._gates.multiplied(number, name, args) if attention is None else None
        if gate is not None:
            entry = self._entry(gate.kind, gate.grid, 1, "")
            self._found(number, replace(entry, grid=None) if gate.kind == "channel_gate" else entry, gate, args)
            if self._features is not None:
                self._features.before(len(self.finds) - 1, self._gates.features)
        if attention is not None and not attention.again:
            layout = attention.layout
            kind = "cross" if layout.cross else "position"
            self._found(number, self._entry(kind, layout.key_grid, layout.heads, attention.reason), attention, args)

    @torch.no_grad()
    def after(
        self, number: int, func: Call, name: str, args: Sequence[Any], kwargs: dict[str, Any], outs: Sequence[Tensor]
    ) -> None:
        if self._features is not None:
            self._features.after(outs)
        self._places.note(func, name, args, kwargs, outs)
        self._gates.note(number, name, args, kwargs, outs)
        self._products.note(number, name, args, kwargs, outs)

    def _found(self, number: int, entry: FoundAttention, value: FoundGate | Attention, args: Sequence[Any]) -> None:
        self.finds.append((entry, value))
        if isinstance(value, FoundGate) and value.at is not None:
            self.direct[number] = DirectGate.of(args, value.at)
        elif isinstance(value, Attention) and value.calls == {number} and value.kept is not None and len(args) > 1:
            self.direct[number] = DirectAttention(value.layout, form_of(args[0], args[1]))
            self.numel += value.kept.query.numel() + value.kept.key.numel()
        self.calls.append(frozenset({number}) if number in self.direct else value.calls | {number})

    def _entry(self, kind: str, grid: tuple[int, int] | None, heads: int, reason: str) -> FoundAttention:
        path = self.paths.running[-1] if self.paths.running else ""
        label = ".".join(part for part in (path, "attention" if kind in {"position", "cross"} else kind) if part)
        self._labels[label] += 1
        if self._labels[label] > 1:
            label = f"{label}{self._labels[label]}"
        stride = None if grid is None else max(1, round(self._height / grid[0]))
        return FoundAttention(label, path, kind, grid, stride, heads, line_of_user(), reason)


def has_class_token(net: nn.Module) -> bool:
    """Whether a network has a class token, by the names of its parameters."""
    return any(_CLASS_TOKEN.search(name) for name, _ in net.named_parameters())


def modules_of(net: nn.Module) -> tuple[nn.Module, ...]:
    """A network and all its modules, as `nn.Module.modules` gives them, in less time and another order."""
    every, seen = [net], {id(net)}
    for module in every:  # which grows meanwhile
        for _, part in module._modules.items():
            if part is not None and id(part) not in seen:
                seen.add(id(part))
                every.append(part)
    return tuple(every)


def closed(net: nn.Module) -> tuple[str, ...]:
    """Paths of modules whose calls cannot be watched: compiled by TorchScript or `torch.compile`; of the outermost."""
    found: list[str] = []
    for path, module in net.named_modules():
        if (isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod")) and not _within(path, found):
            found.append(path)
    return tuple(found)


def _within(path: str, outer: Sequence[str]) -> bool:
    return any(part in {"", path} or path.startswith(f"{part}.") for part in outer)


@contextmanager
def _without(mode: Calls | KnownCalls, module: nn.Module) -> Iterator[None]:
    """Within it a mode is off while a module runs."""
    was_on: list[bool] = []

    def off() -> None:
        was_on.append(mode in torch.overrides._get_current_function_mode_stack())
        if was_on[-1]:
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def on() -> None:
        if was_on.pop():
            mode.__enter__()  # type: ignore[no-untyped-call]

    with switched(module, off, on):
        try:
            yield
        finally:
            while was_on:  # what is no Exception ends a module without its hooks
                on()


def _again(entry: FoundAttention, value: Value) -> Find:
    """What was known of a find, with today's reason."""
    reason = "" if isinstance(value, FoundGate | HeldGate) else value.reason
    return entry if entry.reason == reason else replace(entry, reason=reason), value
