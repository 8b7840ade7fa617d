"""A known pass is followed where it mattered, and given up where it is another one than it was."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from attnviz.observe.discover import record_found
from attnviz.observe.known_calls import KnownCalls, Window, known_pass
from attnviz.observe.recorder import Recording
from attnviz.observe.watch_calls import Boundary
from attnviz.observe.watched_pass import WatchedPass
from tests.observe.own_networks import Se, Trunk, Vit, VitAttention, seeded


def picture(seed: int = 0) -> Tensor:
    return torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(seed))


def same(one: Recording, other: Recording) -> bool:
    return one.sites.keys() == other.sites.keys() and all(
        torch.equal(tensor, other.sites[label]) for label, tensor in one.sites.items()
    )


def followed(net: nn.Module) -> tuple[WatchedPass, list[str]]:
    """A pass of a network that is known, and the names of all calls that were seen of it."""
    names: list[str] = []
    own, x = KnownCalls.__torch_function__, picture()

    def see(self, func, *rest):
        names.append(func.__name__)
        return own(self, func, *rest)

    with pytest.MonkeyPatch.context() as patched, torch.no_grad():
        patched.setattr(KnownCalls, "__torch_function__", see)
        with WatchedPass(net, x) as watched:
            net(x)
    return watched, names


class Gate(nn.Module):
    """A gate whose shape, and whose use, can be changed from outside; its sigmoid is a module."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid, self.dims, self.uses = nn.Sigmoid(), (2, 3), 1

    def forward(self, x: Tensor) -> Tensor:
        gate = self.sigmoid(x.mean(self.dims, keepdim=True))
        for _ in range(self.uses):
            x = x * gate
        return x


class NormedAttention(VitAttention):
    """Query and key go through modules after they are cut into heads, as in timm."""

    def __init__(self, how: str) -> None:
        super().__init__(24, 3, how)
        self.q_norm, self.k_norm = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        b, n, width = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        y = F.scaled_dot_product_attention(q, k, v) if self.how == "sdpa" else (q @ k.mT).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, n, width))


def normed_vit(how: str) -> nn.Module:
    net = Vit(how)
    net.attn = NormedAttention(how)
    return net


CHANGES = {
    "another axis": (lambda: Trunk(Gate()), lambda net: setattr(net.attend, "dims", (1,))),
    "another number of uses": (lambda: Trunk(Gate()), lambda net: setattr(net.attend, "uses", 2)),
    "no use": (lambda: Trunk(Gate()), lambda net: setattr(net.attend, "uses", 0)),
    "other heads, at once": (lambda: Vit("sdpa"), lambda net: setattr(net.attn, "heads", 2)),
    "other heads, by hand": (lambda: Vit("after"), lambda net: setattr(net.attn, "heads", 2)),
    "other heads before a module, at once": (lambda: normed_vit("sdpa"), lambda net: setattr(net.attn, "heads", 2)),
    "other heads before a module, by hand": (lambda: normed_vit("after"), lambda net: setattr(net.attn, "heads", 2)),
    "another way": (lambda: Vit("sdpa"), lambda net: setattr(net.attn, "how", "before")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_in_the_network_is_found_anew(name):
    make, change = CHANGES[name]
    net, fresh = seeded(make), seeded(make)
    record_found(net, picture())
    for one in (net, fresh):
        change(one)
    assert same(record_found(net, picture()), record_found(fresh, picture()))


class Twice(nn.Module):
    """One module that runs three times; what it gives the second time is the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.squash = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        y = self.squash(x.abs())
        gate = self.squash(x.mean((2, 3), keepdim=True))
        return self.squash(x * gate + y.detach().sum(1, keepdim=True).log())


def test_of_the_runs_of_a_module_the_one_that_matters_is_followed():
    net = seeded(lambda: Trunk(Twice()))
    first = record_found(net, picture())
    watched, names = followed(net)
    assert not watched.strayed
    assert names == ["mul", "detach", "sum", "log", "add"]
    assert list(first.sites) == ["attend.channel_gate"]
    assert same(first, record_found(net, picture()))


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda: Trunk(Se(16)), ["view", "mul"]),
        (lambda: Vit("sdpa"), ["reshape", "permute", "unbind", "scaled_dot_product_attention", "reshape"]),
    ],
    ids=["gate", "attention"],
)
def test_calls_are_seen_from_the_last_module_before_what_matters_to_the_next(make, seen):
    net = seeded(make)
    record_found(net, picture())
    watched, names = followed(net)
    assert not watched.strayed
    assert [name for name in names if name in seen] == seen
    assert "linear" not in names
    assert "conv2d" not in names


class Counting(TorchFunctionMode):
    """A mode of the network's own, that counts what it sees."""

    seen = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen += 1
        return func(*args, **(kwargs or {}))


class WithMode(nn.Module):
    """Turns a mode of its own on after one module and off after another; the gate lies between."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.sigmoid, self.after, self.mode = nn.Identity(), nn.Sigmoid(), nn.Identity(), Counting()

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        with self.mode:
            x = x * self.sigmoid(x.mean((2, 3), keepdim=True))
            x = self.after(x)
        return x + 1


def test_a_mode_of_the_networks_own_is_left_as_it_is():
    net = seeded(lambda: Trunk(WithMode()))
    counts = []
    for _ in range(3):
        net.attend.mode.seen = 0
        recording = record_found(net, picture())
        counts.append(net.attend.mode.seen)
        assert list(recording.sites) == ["attend.channel_gate"]
        assert torch._C._len_torch_function_stack() == 0
    assert counts == [3, 3, 3]  # mean, sigmoid, mul
    watched, _ = followed(net)
    assert not watched.strayed


def test_windows_that_meet_are_one():
    steps = [(torch.add, None, True)] * 6
    boundaries = [Boundary("a", True, 1), Boundary("a", False, 3), Boundary("b", True, 5, free=False)]
    known = known_pass(steps, [{1}, {4}], boundaries, {"": 0, "a": 1, "b": 2})
    assert known.windows == [Window(1, 4, 6)]
    assert {key: list(turns) for key, turns in known.turns.items()} == {
        (1, True): [(0, True)],
        (0, False): [(0, False)],
    }
