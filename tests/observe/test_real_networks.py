"""Attention of networks that people use: all of it is found, equals what they compute, and watching changes nothing."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import attnviz
from attnviz.observe.collect import cross_attentions, position_attentions
from attnviz.observe.discover import find_attention, record_found
from attnviz.observe.watched_pass import WatchedPass
from tests.observe import real_networks as real
from tests.observe.own_networks import seeded
from tests.observe.real_cases import CASES, GATES, ROWS, input_of, net_of
from tests.observe.real_networks import on_trunk


def numbers_in(output: object) -> list[Tensor]:
    """Every tensor of an output of any kind."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if hasattr(output, "values") else output
    return [t for part in parts if not isinstance(part, (str, type(None))) for t in numbers_in(part)]


@pytest.mark.parametrize("name", CASES)
def test_what_is_found_is_the_list_by_hand(name):
    found = find_attention(net_of(name), input_of(name))
    assert [(f.label, f.kind, f.grid, f.heads, f.reason) for f in found] == CASES[name][2]


@pytest.mark.parametrize("name", CASES)
def test_the_output_is_the_same_to_the_bit_and_nothing_is_left(name):
    net, x = net_of(name), input_of(name)
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    first, second = record_found(net, x), record_found(net, x)  # the second follows what the first taught
    with torch.no_grad():
        own = numbers_in(net(x))
    for recording in (first, second):
        assert all(torch.equal(a, b) for a, b in zip(numbers_in(recording.output), own, strict=True))
    assert first.sites.keys() == second.sites.keys()
    assert all(torch.equal(first.sites[label], second.sites[label]) for label in first.sites)
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()] == hooks
    assert torch._C._len_torch_function_stack() == 0


@pytest.mark.parametrize("name", CASES)
def test_a_known_network_is_followed_and_not_watched_whole(name):
    net, x = net_of(name), input_of(name)
    record_found(net, x)
    with torch.no_grad(), WatchedPass(net, x) as watched:
        net(x)
    assert not watched.strayed
    assert len(watched.finds) == len(CASES[name][2])


@pytest.mark.parametrize("name", GATES)
def test_gates_equal_what_a_hook_on_their_sigmoid_sees(name):
    net, kept = net_of(name), dict[str, Tensor]()
    handles = [
        net.get_submodule(path).register_forward_hook(
            lambda module, inputs, output, label=label: kept.update({label: output.detach().clone()})
        )
        for label, path in GATES[name].items()
    ]
    with torch.no_grad():
        net(input_of(name, 2))
    for handle in handles:
        handle.remove()
    recording = record_found(net, input_of(name, 2))
    assert recording.sites.keys() == kept.keys()
    for label, own in kept.items():
        found = recording.sites[label]
        assert found.numel() == own.numel()
        assert float((found.flatten() - own.flatten()).abs().max()) < 1e-5


@contextmanager
def softmaxes_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Tensor]]:
    """Every softmax that is computed within it, attention at once being computed in steps."""
    kept: list[Tensor] = []
    softmax = torch.softmax

    def attend(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **_):
        energy = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
        kept.append(softmax(energy if attn_mask is None else energy + attn_mask, -1))
        return kept[-1] @ v

    def keep(*args, **kwargs):
        kwargs.pop("_stacklevel", None)
        kept.append(softmax(*args, **kwargs))
        return kept[-1]

    with monkeypatch.context() as patched:
        for holder in (Tensor, torch, F):
            patched.setattr(holder, "softmax", keep)
        for holder in (F, torch._C._nn):
            patched.setattr(holder, "scaled_dot_product_attention", attend)
        yield kept


@pytest.mark.parametrize("name", ROWS)
def test_rows_equal_the_networks_own_softmax(name, monkeypatch):
    net = net_of(name)
    with softmaxes_kept(monkeypatch) as kept, torch.no_grad():
        net(input_of(name))
    own = [t for t in kept if t.ndim >= 3]
    attentions = list(position_attentions(record_found(net, input_of(name))).values())
    assert len(attentions) == len(ROWS[name]) == len(own)
    for attention, rows, weights in zip(attentions, ROWS[name], own, strict=True):
        count = attention.grid[0] * attention.grid[1]
        weights = weights.reshape(len(rows), attention.heads, *weights.shape[-2:])
        assert attention.others == int((rows[0] < 0).sum())
        for window in {0, len(rows) // 2, len(rows) - 1}:
            for head in {0, attention.heads - 1}:
                alone, placed = attention.head(head), rows[window] >= 0
                for number in {0, rows.shape[1] // 2, rows.shape[1] - 1}:
                    expected = torch.zeros(count)
                    expected[rows[window][placed]] = weights[window, head, number][placed]
                    place = int(rows[window, number])
                    got = alone.token_row(number) if place < 0 else alone.row(*divmod(place, attention.grid[1]))
                    assert abs(got.flatten() - expected.numpy()).max() < 1e-5


@pytest.mark.parametrize("name", ["detr", "segformer", "levit", "cait", "xcit"])
def test_rows_of_a_cross_attention_equal_the_networks_own_softmax(name, monkeypatch):
    net = net_of(name)
    with softmaxes_kept(monkeypatch) as kept, torch.no_grad():
        net(input_of(name))
    label, attention = next(iter(cross_attentions(record_found(net, input_of(name))).items()))
    shown = [row for row in CASES[name][2] if row[1] in {"position", "cross"}]
    weights = [t for t in kept if t.ndim >= 3][[row[0] for row in shown].index(label)]
    weights = weights.reshape(attention.heads, *weights.shape[-2:])
    assert weights.shape[-1] == attention.others + attention.key_grid[0] * attention.key_grid[1]
    for head in range(attention.heads):
        for query in (0, weights.shape[1] - 1):
            got = attention.head(head).row(*divmod(query, attention.grid[1])).flatten()
            assert abs(got - weights[head, query, attention.others :].numpy()).max() < 1e-5
    assert attention.received.shape == attention.key_grid


def test_a_softmax_over_all_places_equals_the_networks_own(monkeypatch):
    net = net_of("gc-net")
    with softmaxes_kept(monkeypatch) as kept, torch.no_grad():
        net(input_of("gc-net", 2))
    recording = record_found(net, input_of("gc-net", 2))
    for gate, own in zip(recording.sites.values(), kept, strict=True):
        assert float((gate.flatten() - own.flatten()).abs().max()) < 1e-5
        assert float(gate.sum((1, 2, 3)).sub(1).abs().max()) < 1e-5


def test_gates_of_rows_and_of_columns_are_spread_over_the_places():
    net = net_of("coordinate attention")
    sites = record_found(net, input_of("coordinate attention")).sites
    rows, columns = sites["attend.row_gate"], sites["attend.column_gate"]
    assert rows.shape == columns.shape == (1, 16, 16, 24)
    assert torch.equal(rows, rows[..., :1].expand_as(rows))
    assert torch.equal(columns, columns[..., :1, :].expand_as(columns))
    features = net.stem(input_of("coordinate attention"))
    assert torch.allclose(net.attend(features), features * columns * rows, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet50 with cbam", "swin", "vit"])
def test_two_pictures_are_those_of_each_alone(name):
    net, both = net_of(name), input_of(name, 2)
    together = record_found(net, both)
    for number in (0, 1):
        alone = record_found(net, both[number : number + 1])
        for label, tensor in alone.sites.items():
            assert torch.allclose(together.sites[label][number], tensor[0], atol=1e-5)


@pytest.mark.parametrize(("name", "predicted"), [("swin", 5), ("detr", 0), ("attention u-net", 0), ("segformer", 0)])
def test_real_networks_are_explained(name, predicted, photo_path):
    size, square = min(CASES[name][1]), CASES[name][1][0] == CASES[name][1][1]
    net = copy.deepcopy(net_of(name))
    if name == "detr":
        net.place.data = net.place.data[:16]
        square = True
    mode = "stretch" if square else "keep"
    found = attnviz.explain(photo_path, net, size=size, resize_mode=mode, device="cpu")
    shown = [row for row in CASES[name][2] if not row[4]]
    assert list(found.positions) == [row[0] for row in shown if row[1] == "position"]
    assert list(found.cross_attentions) == [row[0] for row in shown if row[1] == "cross"]
    assert len(found.maps) == len(shown)
    assert len(found.predictions) == predicted


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("how", ["script", "compile"])
@pytest.mark.parametrize("whole_net", [False, True])
def test_what_is_compiled_is_said_in_one_sentence(how, whole_net):
    def compiled(module: nn.Module) -> nn.Module:
        return torch.jit.script(module) if how == "script" else torch.compile(module, backend="eager")

    net = seeded(lambda: on_trunk(nn.Sequential(real.AttentionGateOnItself(), nn.Identity())))
    if whole_net:
        net = compiled(net)
    else:
        net.attend[0] = compiled(net.attend[0])
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = find_attention(net, x)
    assert found.notes == (
        ("The network is compiled: its calls cannot be watched.",)
        if whole_net
        else ("attend.0 is compiled: its calls cannot be watched.",)
    )
    assert found.notes[0] in str(found)
    recording = record_found(net, x)
    with torch.no_grad():
        assert torch.equal(recording.output, net(x))
    assert torch._C._len_torch_function_stack() == 0
