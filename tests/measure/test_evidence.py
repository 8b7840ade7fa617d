"""Evidence on one photo: the parts together, given up half way, and in words."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import attnviz
from attnviz.errors import CancelledError, InputError, ModelError
from attnviz.measure.effects import Effect, effect_of
from attnviz.measure.evidence import evidence_steps
from attnviz.measure.faithfulness import Faithfulness, MapFaithfulness
from attnviz.measure.focus_table import FocusTable, MapFocus
from attnviz.measure.interventions import Intervention
from attnviz.measure.shuffled_weights import with_shuffled_weights
from attnviz.measure.verdict import sentences
from attnviz.models.weights.registry import from_network
from tests.measure.attentive_networks import Gated, InlineGated
from tests.measure.test_interventions import state_of
from tests.observe.own_networks import Vit, seeded


@pytest.fixture
def lit():
    """A photo that is brighter on the left, RGB uint8 (64, 96, 3)."""
    pixels = np.full((64, 96, 3), 60, np.uint8)
    pixels[:, :48] = 200
    return pixels


@pytest.mark.parametrize("architecture", ["BamResNet", "DANet"])
def test_evidence_on_one_photo(tiny_net, photo, architecture):
    net = tiny_net(architecture)
    state = state_of(net)
    seen = []
    found = attnviz.evidence(photo, net, device="cpu", size=64, box=(90, 60, 300, 280), progress=seen.append)
    assert state_of(net) == state
    shares = [step.share for step in seen]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
    assert found.effects
    assert all("roc_auc" in entry.values for entry in found.focus)
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["model"] == "network"
    if architecture == "BamResNet":
        assert found.faithfulness.passes <= 40
        assert {entry.role for entry in found.faithfulness.maps} == {"attention", "attribution", "baseline"}
        assert set(found.focus[0].baselines) == {"uniform", "centre", "shuffled"}
        sensitivities = {entry.label: entry.sensitivity for entry in found.faithfulness.maps}
        assert sensitivities["stage3.gain"] > 0
        assert sensitivities["random"] is None
    else:
        assert found.faithfulness is None
        assert found.category is None
        assert found.positions[0].compactness_before is not None
        assert found.positions[0].gamma == 0.5
    assert len(found.verdict) == (4 if architecture == "BamResNet" else len(found.verdict))
    assert any("the object" in sentence and "centre prior" in sentence for sentence in found.verdict)


def test_other_peoples_networks_too(photo):
    found = attnviz.evidence(photo, seeded(Vit, "sdpa"), device="cpu", size=64)
    assert {effect.key.rpartition(".")[2] for effect in found.effects} == {
        "shuffled", "head0_off", "head1_off", "head2_off",
    }  # fmt: skip
    assert found.positions
    assert all("layer4" in reason or "stage" in reason for reason in found.faithfulness.left_out.values())


@pytest.mark.parametrize("make", [Gated, InlineGated])
def test_the_truth_is_told_of_attention_that_matters_and_of_attention_that_does_not(lit, make):
    matters = attnviz.evidence(lit, make(only=True), device="cpu", size=64)
    assert any("depends on the attention" in sentence for sentence in matters.verdict)
    idle = attnviz.evidence(lit, make(only=False), device="cpu", size=64)
    assert any("the attention has no effect" in sentence for sentence in idle.verdict)


def test_a_run_that_is_cancelled_stops_and_leaves_no_trace(tiny_net, photo):
    net = tiny_net("BamResNet")
    state, asked = state_of(net), []

    def cancel():
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(CancelledError, match="cancelled"):
        attnviz.evidence(photo, net, device="cpu", size=64, cancel=cancel)
    assert len(asked) == 6
    assert state_of(net) == state


def test_closing_the_steps_anywhere_leaves_no_trace(tiny_net, photo):
    net = tiny_net("BamResNet")
    state = state_of(net)
    count = sum(1 for _ in evidence_steps(photo, net, device="cpu", size=64))
    for stop in (1, count // 2, count - 2):
        steps = evidence_steps(photo, net, device="cpu", size=64)
        for _ in range(stop):
            next(steps)
        steps.close()
        assert state_of(net) == state


@pytest.mark.parametrize(
    ("lies", "words"),
    [("left", "finds the object, but so it does with weights that know nothing: ROC-AUC 1.000"), ("right", "No map")],
)
def test_a_map_that_is_the_object_finds_it_and_one_that_is_elsewhere_does_not(lit, lies, words):
    mask = np.zeros(lit.shape[:2], bool)
    mask[:, slice(0, 48) if lies == "left" else slice(48, 96)] = True
    found = attnviz.evidence(lit, Gated(only=True), mask=mask, device="cpu", size=64)  # which has nothing to shuffle
    assert words in found.verdict[1]
    assert found.box is None
    assert found.mask.share == 0.5
    assert found.mask.sha256 == hashlib.sha256(bytes(map(int, mask.ravel()))).hexdigest()
    assert json.loads(json.dumps(found.to_json()))["mask"]["share"] == 0.5


def test_an_object_that_is_not_on_the_photo_is_refused_before_anything_runs(tiny_net, photo):
    for nowhere in ({"box": (900, 900, 950, 950)}, {"mask": np.zeros(photo.shape[:2], bool)}, {"mask": photo > 5}):
        steps = evidence_steps(photo, tiny_net("BamResNet"), device="cpu", size=64, **nowhere)
        next(steps)
        with pytest.raises(InputError, match=r"expected an object on what|a mask of the photo's size"):
            next(steps)


def test_box_and_mask_together_are_refused(tiny_net, photo):
    with pytest.raises(InputError, match="both"):
        attnviz.evidence(photo, tiny_net("BamResNet"), size=64, box=(0, 0, 9, 9), mask=np.ones(photo.shape[:2], bool))


def test_shuffled_weights_are_the_same_numbers_elsewhere(tiny_net):
    loaded = from_network(tiny_net("BamResNet"), device="cpu", trained=True)
    before = state_of(loaded.net)
    shuffled = with_shuffled_weights(loaded)
    assert state_of(loaded.net) == before
    own, other = loaded.net.layer1[0].conv1.weight, shuffled.net.layer1[0].conv1.weight
    assert not torch.equal(own, other)
    assert torch.equal(own.flatten().sort().values, other.flatten().sort().values)
    assert torch.equal(loaded.net.bn1.weight, shuffled.net.bn1.weight)
    assert not shuffled.trained
    again = with_shuffled_weights(loaded).net.layer1[0].conv1.weight
    assert torch.equal(other, again)


class Spoiled(Gated):
    """Gives infinities, or what is no answer of a classifier or a segmentation."""

    def __init__(self, answer):
        super().__init__(only=True)
        self.answer = answer

    def forward(self, x):
        logits = super().forward(x)
        return {"logits": logits / 0} if self.answer == "infinity" else logits[:, :, None]


def test_a_network_whose_answer_is_no_number_is_refused_in_a_sentence(lit):
    with pytest.raises(
        ModelError, match=r"^expected finite numbers [^\n]*, got NaN or infinity; are its weights whole\?$"
    ):
        attnviz.evidence(lit, Spoiled("infinity"), device="cpu", size=64)


def test_of_a_network_without_classes_the_rest_is_measured(lit):
    found = attnviz.evidence(lit, Spoiled("features"), device="cpu", size=64)
    assert found.effects == ()
    assert found.faithfulness is None
    assert found.focus[0].label == "stage1.spatial_gate"
    assert found.verdict[-1].startswith("Whether the attention matters was not measured")


def test_an_intervention_that_leaves_no_numbers_says_so():
    logits = torch.tensor([[2.0, 0.0]])
    found = effect_of(Intervention("a", "A"), logits, logits / 0, ("left", "right"))
    assert found.moved == 1.0
    assert [(each.category, each.after) for each in found.top] == [("left", 0.0), ("right", 0.0)]
    assert found.log_likelihood_change is None
    assert found.verdict == "a strong effect: the network computes no numbers any more"
    with pytest.raises(ModelError, match="NaN or infinity"):
        effect_of(Intervention("a", "A"), logits / 0, logits, ())


# --- in words -------------------------------------------------------------------------------------------------------


def focus_entry(area, shuffled):
    values = {"half_mass_area": area}
    return MapFocus(
        "m", "Map", 3, values, {"uniform": {"half_mass_area": 0.5}, "shuffled": {"half_mass_area": shuffled}}
    )


def found_entry(auc, centre, shuffled):
    values = {"half_mass_area": 0.1, "roc_auc": auc}
    baselines = {"uniform": {"half_mass_area": 0.5, "roc_auc": 0.5}, "centre": {"roc_auc": centre}}
    return MapFocus("m", "Map", 3, values, {**baselines, "shuffled": {"half_mass_area": 0.5, "roc_auc": shuffled}})


def judged(road):
    def entry(label, role, score):
        return MapFaithfulness(label, label, role, (), (), (), (), 0.0, 0.0, score, 0.0, None, {})

    maps = (entry("Stage 3", "attention", road), entry("centre", "baseline", 0.05), entry("random", "baseline", 0.0))
    return Faithfulness(0, 0.9, (), (), maps, 7, {})


@pytest.mark.parametrize(
    ("area", "shuffled", "words"),
    [(0.1, 0.5, "Map is focused: half"), (0.1, 0.09, "but so it is"), (0.45, 0.5, "No map is focused")],
)
def test_focus_in_words(area, shuffled, words):
    assert words in sentences(FocusTable((focus_entry(area, shuffled),)), [], None, [])[0]


@pytest.mark.parametrize(
    ("auc", "centre", "shuffled", "words"),
    [
        (0.9, 0.8, 0.5, "Map finds the object: ROC-AUC 0.900 (by chance 0.500; centre prior 0.800; with shuffled"),
        (0.9, 0.8, 0.89, "Map finds the object, but so it does with weights that know nothing: ROC-AUC"),
        (0.81, 0.8, 0.5, "No map finds the object better than chance and the centre do: of the best, Map, ROC-AUC"),
        (0.51, 0.2, 0.2, "No map finds the object better than chance"),
        (float("nan"), 0.2, 0.2, "cannot be told"),
    ],
)
def test_the_object_in_words(auc, centre, shuffled, words):
    table = FocusTable((found_entry(auc, centre, shuffled),), inside=True)
    assert words in sentences(table, [], None, [])[1]
    assert not any("object" in said for said in sentences(replace(table, inside=False), [], None, []))


@pytest.mark.parametrize(("road", "words"), [(0.2, "marks places that"), (0.06, "no map of the attention")])
def test_faithfulness_in_words(road, words):
    assert words in sentences(FocusTable(()), [], judged(road), [])[-1]


def test_effects_in_words_tell_of_the_strongest_and_of_the_idle_ones():
    effect = Effect("a", "Stage 1: x", 0.4, (), None, 0.0, None, "a strong effect: much")
    idle = replace(effect, key="b", moved=0.0)
    found = sentences(FocusTable(()), [idle, effect], None, [])
    assert found == [
        "The answer depends on the attention most with: stage 1: x (a strong effect: much). "
        "1 of 2 interventions had no effect."
    ]


def test_a_network_that_cannot_be_copied_is_refused_in_a_sentence(tiny_net):
    net = tiny_net("BamResNet")
    net.kept = torch.ones(1, requires_grad=True) * 2  # PyTorch refuses to copy what has a history
    with pytest.raises(ModelError, match="can be copied"):
        with_shuffled_weights(from_network(net, device="cpu", trained=True))
