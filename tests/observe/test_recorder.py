"""Nothing is left behind by a recording, whatever happens; and what is kept is what was computed."""

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attnviz.errors import RecordError
from attnviz.models.build import build_model
from attnviz.models.sites import Site
from attnviz.observe.collect import channel_attention, channel_gates, position_attentions
from attnviz.observe.recorder import record

BAM_CONFIG = {
    "architecture": "BamResNet",
    "trunk": {"depth": 18, "width": 4},
    "bams": [{"hidden": 2}] * 3,
    "num_classes": 5,
}
DANET_CONFIG = {"architecture": "DANet", "trunk": {"depth": 18, "width": 4, "output_stride": 8}, "num_classes": 3}


def hooks(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in net.modules())


def bam_net() -> nn.Module:
    torch.manual_seed(0)
    return build_model(BAM_CONFIG)


def failing_forward(net: nn.Module) -> None:
    def explode(module: nn.Module, inputs: object) -> None:
        raise RuntimeError("forward broke")

    net.layer4.register_forward_pre_hook(explode)


@pytest.mark.parametrize(
    ("break_it", "sites", "error"),
    [
        (lambda net: None, None, None),
        (lambda net: None, [Site("a", "bam1.gate", "gate", 1, 4), Site("b", "no.such", "gate", 1, 4)], RecordError),
        (failing_forward, None, RuntimeError),
    ],
    ids=["success", "bad target", "forward raises"],
)
def test_no_hook_and_no_flag_is_left(
    break_it: Callable[[nn.Module], None], sites: list[Site] | None, error: type[Exception] | None
) -> None:
    net = bam_net().train()
    net.bam2.eval()
    break_it(net)
    before = hooks(net)
    flags = [m.training for m in net.modules()]
    statistics = {k: v.clone() for k, v in net.state_dict().items()}
    if error is None:
        record(net, torch.randn(1, 3, 64, 64), sites)
    else:
        with pytest.raises(error):
            record(net, torch.randn(1, 3, 64, 64), sites)
    assert hooks(net) == before
    assert [m.training for m in net.modules()] == flags
    assert all(torch.equal(v, statistics[k]) for k, v in net.state_dict().items())
    assert not any(p.grad is not None for p in net.parameters())


def test_shapes_on_a_picture_that_is_not_square() -> None:
    recording = record(bam_net(), torch.randn(2, 3, 64, 96))
    assert recording.output.shape == (2, 5)
    for stage, (grid, channels) in enumerate((((16, 24), 4), ((8, 12), 8), ((4, 6), 16)), start=1):
        sites = recording.sites
        assert sites[f"stage{stage}.spatial_logit"].shape == (2, 1, *grid)
        assert sites[f"stage{stage}.channel_logit"].shape == (2, channels, 1, 1)
        assert sites[f"stage{stage}.gate"].shape == (2, channels, *grid)
        gain = sites[f"stage{stage}.gain"]
        assert gain.shape == (2, 1, *grid)
        fused = torch.sigmoid(sites[f"stage{stage}.spatial_logit"] + sites[f"stage{stage}.channel_logit"])
        torch.testing.assert_close(gain, 1 + fused.mean(dim=1, keepdim=True))


def test_an_in_place_operation_after_the_module_does_not_rewrite_what_is_kept() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True))
    x = torch.randn(1, 3, 8, 8)
    recording = record(net, x, [Site("conv", "0", "features", None, 1)])
    torch.testing.assert_close(recording.sites["conv"], net[0](x).detach())
    assert (recording.sites["conv"] < 0).any()


def test_two_threads_record_their_own_pictures() -> None:
    net = bam_net().eval()  # else the plain forward pass below would move the running statistics
    pictures = [torch.randn(1, 3, 64, 64) for _ in range(2)]
    alone = [record(net, x) for x in pictures]
    wrong: list[str] = []

    def work(index: int) -> None:
        for _ in range(15):
            found = record(net, pictures[index])
            for label, tensor in alone[index].sites.items():
                if not torch.equal(found.sites[label], tensor):
                    wrong.append(label)

    def plain(stop: threading.Event) -> None:
        while not stop.is_set():
            with torch.no_grad():
                net.layer1(torch.zeros(1, 4, 16, 16))

    stop = threading.Event()
    bystander = threading.Thread(target=plain, args=(stop,))
    workers = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    bystander.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stop.set()
    bystander.join()
    assert wrong == []
    assert hooks(net) == 0


def test_danet_sites() -> None:
    torch.manual_seed(1)
    net = build_model(DANET_CONFIG)
    net.head.sa.gamma.data.fill_(0.5)
    recording = record(net, torch.randn(1, 3, 64, 96))
    assert recording.output.shape == (1, 3, 64, 96)
    position = position_attentions(recording)["position"]
    assert position.grid == (8, 12)
    assert position.gamma == pytest.approx(0.5)
    row = position.row(3, 7)
    assert row.shape == (8, 12)
    assert row.sum() == pytest.approx(1.0, abs=1e-5)
    query, key = recording.sites["position.query"][0].flatten(1), recording.sites["position.key"][0].flatten(1)
    whole = (query.T @ key).softmax(dim=1)
    torch.testing.assert_close(torch.from_numpy(row).flatten(), whole[3 * 12 + 7], rtol=1e-4, atol=1e-7)
    channels = channel_attention(recording).matrix
    assert channels.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    for head in ("fused", "position", "channel"):
        assert recording.sites[f"segmentation.{head}"].shape == (1, 3, 8, 12)
    with pytest.raises(IndexError, match="8 x 12"):
        position.row(8, 0)


class Unreached(nn.Module):
    """Has a module that its forward never calls, and one that returns no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        return self.pair(self.used(x))[0]


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize(
    ("sites", "said"),
    [
        (None, "with sites"),
        ([Site("u", "unused", "features", None, 1)], "to reach unused"),
        ([Site("p", "pair", "features", None, 1)], "got tuple"),
    ],
)
def test_what_cannot_be_watched_is_said(sites: list[Site] | None, said: str) -> None:
    net = Unreached()
    with pytest.raises(RecordError, match=said):
        record(net, torch.zeros(1, 3, 4, 4), sites)
    assert hooks(net) == 0


def test_an_input_without_a_batch_is_refused() -> None:
    with pytest.raises(RecordError, match=r"\(B, 3, H, W\), got \(3, 64, 64\)"):
        record(bam_net(), torch.zeros(3, 64, 64))


def test_a_network_without_an_attention_has_none_of_it() -> None:
    recording = record(bam_net(), torch.zeros(1, 3, 32, 32))
    assert position_attentions(recording) == {}
    assert channel_attention(recording) is None
    assert channel_gates(recording) == {}


def test_a_gamma_that_is_not_there_is_said() -> None:
    net, site = build_model(DANET_CONFIG), Site("position.gamma", "head.sa.delta", "gamma", None, 8)
    with pytest.raises(RecordError, match=r"expected a parameter 'head\.sa\.delta' for position\.gamma"):
        record(net, torch.zeros(1, 3, 32, 32), [site])
