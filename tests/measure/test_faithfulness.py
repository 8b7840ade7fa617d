"""Faithfulness: the truth scores above random, a reversed map below, and one photo takes few forward passes."""

import numpy as np
import pytest
import torch
from torch import nn

from attnviz.measure import pass_plan
from attnviz.measure.captum_measures import infidelities, remembering, sensitivity
from attnviz.measure.faithfulness import Candidate, judge
from attnviz.models.build import build_model
from attnviz.observe.cost import Cost


class Patch(nn.Module):
    """A classifier whose answer is in one corner: category 1 where it is brighter than the mean, else 0."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, x):
        corner = x[:, :, :16, 16:32].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(corner), self.scale * corner], dim=1)


TRUTH = np.zeros((4, 6), np.float32)
TRUTH[:2, 2:4] = [[0.9, 0.8], [0.7, 0.95]]


def finished(steps):
    """Runs a generator to its end: what it yielded, and what it returned."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


@pytest.fixture(scope="module")
def judged():
    x = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 0.2 - 0.1
    x[:, :, :16, 16:32] += 1
    maps = [
        Candidate("truth", "Truth", "attention", TRUTH),
        Candidate("reversed", "Reversed", "attention", -TRUTH, again=lambda inputs: inputs.mean((2, 3))),
    ]
    steps, found = finished(judge(Patch(), x, maps, 1))
    return steps, found, {entry.label: entry for entry in found.maps}


def test_the_truth_scores_above_random_and_its_reverse_below(judged):
    maps = judged[2]
    assert maps["truth"].deletion_area < maps["random"].deletion_area < maps["reversed"].deletion_area
    assert maps["truth"].insertion_area > maps["random"].insertion_area > maps["reversed"].insertion_area
    assert maps["truth"].road > maps["random"].road > maps["reversed"].road
    assert maps["truth"].road > 0.1
    assert maps["reversed"].road < -0.1
    assert maps["truth"].infidelity < maps["random"].infidelity
    assert maps["truth"].agreement["reversed"] == pytest.approx(-1.0)
    assert maps["truth"].agreement["occlusion"] > maps["truth"].agreement["random"]


def test_curves_begin_and_end_where_they_must(judged):
    _, found, maps = judged
    assert found.probability > 0.99
    for entry in maps.values():
        assert entry.deletion[0] == entry.insertion[-1] == found.probability
        assert entry.deletion[-1] == pytest.approx(0.5)  # nothing of the picture is left
        assert len(entry.deletion) == len(entry.insertion) == len(found.shares)
        assert len(entry.road_most) == len(entry.road_least) == len(found.road_shares)
        assert all(0 <= p <= 1 for p in (*entry.deletion, *entry.insertion, *entry.road_most))
    assert len({entry.insertion[0] for entry in maps.values()}) == 1


def test_an_attribution_that_the_network_does_not_allow_is_left_out_with_the_reason(judged):
    _, found, maps = judged
    assert set(maps) == {"truth", "reversed", "integrated_gradients", "occlusion", "centre", "random"}
    assert found.left_out["grad_cam"].startswith("expected stage 4 of the network")


def test_progress_grows_to_the_end(judged):
    steps = judged[0]
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    assert len(steps) >= 4


def counted_panel(side):
    """A panel of three maps at an input's size, its passes counted by a hook of its own."""
    torch.manual_seed(0)
    bams = [{"fusion": "sum", "hidden": 2, "dilation": 1}] * 3
    trunk = {"depth": 18, "width": 4}
    net = build_model({"architecture": "BamResNet", "trunk": trunk, "bams": bams, "num_classes": 6}).eval()
    passes = []

    def count(_module, inputs):
        if inputs[0].device.type != "meta":  # else the memory is estimated, on a copy without numbers
            passes.append(len(inputs[0]))

    handle = net.register_forward_pre_hook(count)
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    recorded = remembering(net)  # one pass for all maps, as `evidence` records them
    maps = [
        Candidate(
            f"stage{i}",
            f"Stage {i}",
            "attention",
            np.random.default_rng(i).random((14, 14), np.float32),
            again=recorded,
        )
        for i in (1, 2, 3)
    ]
    _, found = finished(judge(net, x, maps, 2))
    handle.remove()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    return passes, found


def test_a_whole_panel_takes_at_most_forty_forward_passes():
    """At the size that the shipped classifiers of 224 pixels see a photo."""
    passes, found = counted_panel(224)
    assert len(found.maps) == 8
    assert found.passes == len(passes) <= 40


@pytest.fixture
def memory(monkeypatch):
    """Lets a pass of the usual size hold so many pictures, and the free memory so many."""

    def set_(usual, room, side):
        monkeypatch.setattr(pass_plan, "MOST_PIXELS", usual * side * side)
        monkeypatch.setattr(pass_plan, "free_memory", lambda device: 2 * room * 1000)
        monkeypatch.setattr(pass_plan, "estimate", lambda *_: Cost(1000, 0, 0.0))

    return set_


@pytest.mark.parametrize("usual", [8, 2, 1])
def test_for_large_inputs_more_pictures_go_through_together(memory, usual):
    """An input of 64 pixels of which usually no more go through together than of one of 540, 1080 or 1500."""
    memory(usual, 1000, 64)
    passes, found = counted_panel(64)
    assert found.passes == len(passes) <= 40
    assert len(found.shares) == 11
    assert found.left_out == {}
    assert max(passes) < 64  # and no more than it takes


@pytest.mark.parametrize(
    ("room", "points", "shaken", "left_out"),
    [(12, 11, False, []), (8, 6, False, []), (7, 3, False, []), (2, 3, False, ["integrated_gradients", "occlusion"])],
)
def test_where_memory_holds_few_pictures_less_is_measured_in_as_few_passes(memory, room, points, shaken, left_out):
    memory(1, room, 64)
    passes, found = counted_panel(64)
    assert found.passes == len(passes) <= 40
    assert max(passes) <= room
    assert len(found.shares) == points
    assert sorted(found.left_out) == left_out
    assert all("forty" in why or "40" in why for why in found.left_out.values())
    measured = {entry.label: entry.sensitivity is not None for entry in found.maps}
    assert measured["grad_cam"] is shaken
    assert measured["stage3"]


@pytest.mark.parametrize("room", [2, 3, 5, 8, 16, 40, 300])
@pytest.mark.parametrize("attention", [0, 1, 4])
@pytest.mark.parametrize("size", [(32, 32), (224, 448), (1024, 1536)])
def test_every_plan_stays_within_forty_passes_and_the_memory(memory, room, attention, size):
    memory(1, room, 64)
    plan = pass_plan.plan_passes(Patch(), torch.zeros(1, 3, *size), attention)
    assert pass_plan.passes_of(plan, size, attention) <= pass_plan.MOST_PASSES
    assert 1 <= plan.with_gradients <= plan.at_once <= room


def test_a_panel_that_is_given_up_leaves_no_hook():
    net = Patch()
    steps = judge(net, torch.zeros(1, 3, 32, 48), [], 0)
    next(steps)
    steps.close()
    assert not net._forward_pre_hooks


def test_infidelity_by_hand():
    """Of a logit that is the sum of the pixels, the pixels themselves tell every fall exactly, in any unit."""
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) + 0.5

    def logit(inputs):
        return inputs.sum((1, 2, 3))

    exact = x[0].sum(0)
    found = infidelities(logit, x, {"exact": exact, "doubled": 2 * exact, "nothing": torch.zeros(16, 16)})
    assert found["exact"] == pytest.approx(0.0, abs=1e-3)
    assert found["doubled"] == pytest.approx(0.0, abs=1e-3)
    assert found["nothing"] > 100  # the mean square of the falls: squares of 4 x 4 x 3 pixels of about 1


def test_sensitivity_by_hand():
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert sensitivity(lambda inputs: torch.ones(inputs.shape[0], 1, 4, 4), x) == 0.0
    assert 0 < sensitivity(lambda inputs: inputs, x) <= 0.02 * (3 * 64) ** 0.5 / float(x.norm())
    state = torch.random.get_rng_state()
    sensitivity(lambda inputs: inputs, x)
    assert torch.equal(state, torch.random.get_rng_state())
