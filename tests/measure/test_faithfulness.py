"""Faithfulness: the truth scores above random, a reversed map below, and one photo takes few forward passes."""

import numpy as np
import pytest
import torch
from torch import nn

from attnviz.measure.captum_measures import infidelities, sensitivity
from attnviz.measure.faithfulness import Candidate, judge
from attnviz.models.build import build_model


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
    assert "stage of the network" in found.left_out["grad_cam"]


def test_progress_grows_to_the_end(judged):
    steps = judged[0]
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    assert len(steps) >= 4


def test_a_whole_panel_takes_at_most_forty_forward_passes():
    """At the size that the shipped classifiers of 224 pixels see a photo, counted by a hook of its own."""
    torch.manual_seed(0)
    bams = [{"fusion": "sum", "hidden": 2, "dilation": 1}] * 3
    trunk = {"depth": 18, "width": 4}
    net = build_model({"architecture": "BamResNet", "trunk": trunk, "bams": bams, "num_classes": 6}).eval()
    passes = []

    def count(_module, inputs):
        if inputs[0].device.type != "meta":  # else the memory is estimated, on a copy without numbers
            passes.append(1)

    handle = net.register_forward_pre_hook(count)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    maps = [
        Candidate(f"stage{i}", f"Stage {i}", "attention", np.random.default_rng(i).random((14, 14), np.float32))
        for i in (1, 2, 3)
    ]
    _, found = finished(judge(net, x, maps, 2))
    handle.remove()
    assert len(found.maps) == 8
    assert found.passes == len(passes) <= 40
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


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
