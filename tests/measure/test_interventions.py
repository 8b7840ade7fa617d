"""Interventions: they hurt what depends on its attention and nothing else, and leave no trace."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from attnviz.errors import RecordError
from attnviz.measure.changed_outputs import outputs_changed, parameters_replaced
from attnviz.measure.effects import effect_of, overall, strength
from attnviz.measure.interventions import Intervention, answer, interventions_on
from attnviz.models.build import build_model
from tests.measure.attentive_networks import Gated, InlineGated, lit_left
from tests.observe.own_networks import Encoder, InlineCbam, NonLocal, Se, SelfSimilar, Trunk, Vit, seeded

BLOCKS = {
    "cbam": {"flat", "even", "one", "spatial_alone", "channel_alone"},
    "sge": {"flat", "one"},
    "se": {"even", "one"},
}


def effects(net, x):
    untouched = answer(net, x)
    return {i.key: effect_of(i, untouched, answer(net, x, i), ("left", "right")) for i in interventions_on(net, x)}


def state_of(net):
    """Everything a network is made of, to the bit, and the identity of its parameters."""
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    return (
        {name: (id(p), p.detach().numpy().tobytes()) for name, p in net.named_parameters()},
        {name: b.numpy().tobytes() for name, b in net.named_buffers()},
        hooks,
        [m.training for m in net.modules()],
        list(net.state_dict()),
    )


@pytest.mark.parametrize("make", [Gated, InlineGated, lambda only: InlineGated(only, shifted=True)])
def test_an_answer_that_comes_through_the_attention_alone_is_lost_without_it(make):
    found = effects(make(only=True), lit_left())
    flat = next(effect for key, effect in found.items() if key.endswith(".flat"))
    # left and right become equal: both probabilities are one half
    assert flat.top[0].after == pytest.approx(0.5)
    assert flat.top[0].before > 0.9
    assert flat.moved == pytest.approx(flat.top[0].before - 0.5)
    assert flat.log_likelihood_change == pytest.approx(math.log(0.5 / flat.top[0].before))
    assert flat.verdict.startswith("a strong effect")
    assert "depends on the attention" in overall(list(found.values()))


@pytest.mark.parametrize("make", [Gated, InlineGated])
def test_an_answer_that_passes_the_attention_by_stays(make):
    found = effects(make(only=False), lit_left())
    assert {effect.moved for effect in found.values()} == {0.0}
    assert {effect.verdict for effect in found.values()} == {
        "no effect on this picture: 0.00 % of the probability moved"
    }
    assert "no effect" in overall(list(found.values()))


def test_without_attention_there_is_nothing_to_say():
    assert interventions_on(nn.Conv2d(3, 4, 1), lit_left()) == ()
    assert overall([]) == "No attention was found to intervene on."


def test_a_bam_is_taken_apart(tiny_net):
    net, x = tiny_net("BamResNet"), torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    found = {i.key: i for i in interventions_on(net, x)}
    each = [
        f"stage{s}.{what}" for s in (1, 2, 3) for what in ("flat", "one", "spatial_alone", "channel_alone", "product")
    ]
    assert list(found) == [*each, "all.flat"]
    features = torch.rand(1, 16, 8, 12)
    bam, name = net.bam2, "stage2"
    channel, spatial = bam.channel_att(features), bam.spatial_att(features)

    def gained(key):
        with torch.no_grad(), outputs_changed(net, found[f"{name}.{key}"].outputs):
            return bam(features) / features - 1

    def near(one, other):
        return torch.allclose(one, other.expand_as(one), atol=1e-5)

    gate = torch.sigmoid(channel + spatial)
    assert near(gained("flat"), gate.mean((2, 3), keepdim=True))
    assert near(gained("one"), torch.ones(()))
    assert near(gained("spatial_alone"), torch.sigmoid(spatial))
    assert near(gained("channel_alone"), torch.sigmoid(channel))
    assert near(gained("product"), torch.sigmoid(channel * spatial))


def test_of_a_product_one_is_neutral(tiny_net):
    net = tiny_net("BamResNet", bams=[{"fusion": "product", "hidden": 4}] * 3)
    found = {i.key: i for i in interventions_on(net, torch.zeros(1, 3, 64, 64))}
    features = torch.rand(1, 8, 8, 8)
    with torch.no_grad(), outputs_changed(net, found["stage1.channel_alone"].outputs):
        gate = net.bam1(features) / features - 1
    assert torch.allclose(gate, torch.sigmoid(net.bam1.channel_att(features)).expand_as(gate), atol=1e-5)
    assert "stage1.sum" in found


@pytest.mark.parametrize("kind", BLOCKS)
def test_the_gates_of_a_stage_go_together(kind):
    trunk = {"depth": 18, "width": 16, "attention": {"kind": kind, "groups": 4}}
    torch.manual_seed(0)
    net = build_model({"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 5}).eval()
    for module in net.modules():  # gates that start even would hide what flattening does
        for p in module.parameters(recurse=False):
            nn.init.normal_(p, 0, 0.3)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = effects(net, x)
    assert {key.partition(".")[2] for key in found} == BLOCKS[kind]
    assert {key.partition(".")[0] for key in found} == {"stage1", "stage2", "stage3", "stage4", "all"}
    at_once = {i.key: {*i.outputs} for i in interventions_on(net, x)}
    for name in ("flat", "even"):
        each = [at_once.get(f"stage{stage}.{name}", set()) for stage in (1, 2, 3, 4)]
        assert at_once.get(f"all.{name}", set()) == set().union(*each)
    assert max(effect.moved for effect in found.values()) > 0


def test_a_gamma_of_zero_takes_an_attention_out(tiny_net):
    net = tiny_net("DANet")
    with torch.no_grad():
        net.head.sa.gamma.fill_(0.9)
        net.head.sc.gamma.fill_(0.0)
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    by_hand = copy.deepcopy(net)
    with torch.no_grad():
        by_hand.head.sa.gamma.fill_(0.0)
    found = {i.key: i for i in interventions_on(net, x)}
    assert list(found) == ["position.gamma0", "channel.gamma0", "all.gamma0", "position.shuffled"]
    assert torch.equal(answer(net, x, found["position.gamma0"]), answer(by_hand, x))
    assert torch.equal(answer(net, x, found["channel.gamma0"]), answer(net, x))
    compared = effects(net, x)
    assert compared["channel.gamma0"].moved == 0.0
    assert compared["channel.gamma0"].mean_iou == 1.0
    assert compared["position.gamma0"].top == ()
    assert compared["position.shuffled"].moved > 0


def test_exchanged_rows_are_the_rows_of_others(tiny_net):
    """With queries that are all the same, exchanging them changes nothing."""
    net = tiny_net("DANet")
    with torch.no_grad():
        net.head.sa.gamma.fill_(0.9)
        nn.init.zeros_(net.head.sa.query_conv.weight)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert effects(net, x)["position.shuffled"].moved == 0.0


class LocatedTrunk(Trunk):
    """An answer that tells places apart: where attention rows are exchanged, a mean over places would not show it."""

    def forward(self, x):
        return self.attend(self.stem(x)).flatten(1)


class LocatedVit(Vit):
    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.prefix.expand(x.shape[0], -1, -1), x), dim=1)
        return self.head(x + self.attn(self.norm(x))).flatten(1)


FOREIGN = {
    "gates": lambda: LocatedTrunk(InlineCbam(16)),
    "se": lambda: LocatedTrunk(Se(16)),
    "non-local": lambda: LocatedTrunk(NonLocal(16)),
    "self-similar": lambda: LocatedTrunk(SelfSimilar()),
    **{f"vit, {how}": partial(LocatedVit, how) for how in ("after", "before", "sdpa", "einsum", "bias")},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_interventions_on_other_peoples_networks_change_the_answer_and_leave_no_trace(name):
    net = seeded(FOREIGN[name])
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before, state = net(x), state_of(net)
    untouched = answer(net, x)
    assert torch.allclose(untouched, before, atol=1e-5)
    found = interventions_on(net, x)
    assert found
    changed = [not torch.equal(answer(net, x, intervention), untouched) for intervention in found]
    assert all(changed), [i.key for i, c in zip(found, changed, strict=True) if not c]
    with torch.no_grad():
        assert torch.equal(net(x), before)
    assert state_of(net) == state


def test_a_class_token_keeps_its_row():
    """A ViT that answers from its class token does not see that the rows of the places were exchanged."""
    net, x = seeded(Vit, "after"), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    shuffled = next(i for i in interventions_on(net, x) if i.key.endswith("shuffled"))
    assert torch.equal(answer(net, x, shuffled), answer(net, x))


def test_a_head_is_switched_off_as_by_hand():
    """The encoder's attention without one head is that with the head's columns of the output projection at 0."""
    net = seeded(Encoder)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    off = next(i for i in interventions_on(net, x) if i.key.endswith("head1_off"))
    by_hand = copy.deepcopy(net)
    with torch.no_grad():
        by_hand.layer.self_attn.out_proj.weight[:, 8:] = 0
    assert torch.allclose(answer(net, x, off), answer(by_hand, x), atol=1e-5)


@pytest.mark.parametrize("architecture", ["BamResNet", "DANet"])
def test_a_network_is_bit_identical_afterwards(tiny_net, architecture):
    net, x = tiny_net(architecture), torch.randn(1, 3, 64, 64)
    net.train()
    state = state_of(net)
    for intervention in interventions_on(net, x):
        answer(net, x, intervention)
    assert state_of(net) == state


@pytest.mark.parametrize("architecture", ["BamResNet", "DANet"])
def test_a_network_is_bit_identical_after_an_exception(tiny_net, architecture):
    net, x = tiny_net(architecture), torch.zeros(1, 3, 64, 64)
    interventions = interventions_on(net, x)
    state = state_of(net)

    def fail(*_):
        raise RuntimeError("half way")

    last = net.head.conv8 if architecture == "DANet" else net.fc
    handle = last.register_forward_pre_hook(fail)
    for intervention in interventions:
        with pytest.raises(RuntimeError, match="half way"):
            answer(net, x, intervention)
    handle.remove()
    assert state_of(net) == state


def test_what_is_not_there_cannot_be_changed(tiny_net):
    net = tiny_net("BamResNet")
    with pytest.raises(RecordError, match="module 'bam9'"):
        answer(net, torch.zeros(1, 3, 64, 64), Intervention("a", "a", {"bam9": lambda _, y: y}))
    with (
        pytest.raises(RecordError, match=r"parameter 'bam1\.gamma'"),
        parameters_replaced(net, {"bam1.gamma": torch.zeros(1)}),
    ):
        pass
    with pytest.raises(RecordError, match="shape"):
        answer(net, torch.zeros(3, 64, 64))


def test_effect_by_hand():
    before, after = torch.log(torch.tensor([[0.7, 0.2, 0.1]])), torch.log(torch.tensor([[0.3, 0.5, 0.2]]))
    effect = effect_of(Intervention("k", "Title"), before, after, ("cat", "dog"), top=2)
    assert effect.moved == pytest.approx(0.4)
    assert [(t.category, round(t.before, 6), round(t.after, 6)) for t in effect.top] == [
        ("cat", 0.7, 0.3),
        ("dog", 0.2, 0.5),
    ]
    assert effect.log_likelihood_change == pytest.approx(math.log(3 / 7))
    assert effect.verdict == "a strong effect: 40.0 % of the probability moved, and the answer becomes dog"


def test_effect_on_a_segmentation_by_hand():
    before, after = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    before[0, 1, 0] = 1  # the upper row is class 1
    after[0, 1, 0, 0] = 1  # of it only the left pixel
    effect = effect_of(Intervention("k", "Title"), before, {"out": after}, ())
    assert effect.moved == 0.25
    assert effect.mean_iou == pytest.approx(np.mean([2 / 3, 1 / 2]))
    assert effect.verdict == "a strong effect: 25.0 % of the pixels change their class"
    with pytest.raises(RecordError, match="segmentation"):
        effect_of(Intervention("k", "t"), torch.zeros(3), torch.zeros(3), ())


def test_strength_in_words():
    words = [strength(moved) for moved in (0.0, 0.0099, 0.01, 0.05, 0.25)]
    assert words == [*["no effect on this picture"] * 2, "a slight effect", "a clear effect", "a strong effect"]
