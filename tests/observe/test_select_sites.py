"""What is recorded can be chosen: by label, by module, by a list of own sites; what is not there is said."""

import numpy as np
import pytest
import torch

import attnviz
from attnviz.errors import OptionError, RecordError
from attnviz.observe.recorder import record
from attnviz.observe.select_sites import record_selected
from tests.observe.own_networks import Vit, resnet_with_cbam, seeded
from tests.observe.test_discover import left, random_input

GATES = ["layer2.1.channel_gate", "layer2.1.spatial_gate"]


@pytest.mark.parametrize(
    ("sites", "labels"),
    [
        (None, GATES),
        ("*", GATES),
        ("layer2*", GATES),
        ("layer2", GATES),
        ("*.spatial_gate", GATES[1:]),
        (["*channel*", "layer2.1.spatial_gate"], GATES),
        ("layer2.norm", ["layer2.norm"]),
        ("layer3", ["layer3.norm"]),
        (["layer[34]", "*.spatial_gate"], [GATES[1], "layer3.norm", "layer4.norm"]),
    ],
)
def test_found_sites_are_chosen_by_pattern(sites, labels):
    net = seeded(resnet_with_cbam)
    selected = record_selected(net, random_input(), sites)
    assert [site.label for site in selected.recording.watched] == labels
    assert list(selected.recording.sites) == labels or set(selected.recording.sites) == set(labels)
    assert left(net) == 0


def test_parts_of_one_attention_stay_together():
    selected = record_selected(seeded(Vit, "sdpa"), random_input(), "attn.attention")
    kinds = [site.kind for site in selected.recording.watched]
    assert kinds == ["query", "key", "other_query", "other_key"]


def test_sites_that_a_network_names_are_chosen_too(photo_path):
    explanation = attnviz.explain(photo_path, "bam_resnet18_w32", device="cpu", size=64, sites="stage[12]")
    assert list(explanation.maps) == [f"stage{i}.{what}" for i in (1, 2) for what in ("spatial_logit", "gain")]


def test_a_feature_norm_is_the_length_of_the_features():
    net = seeded(resnet_with_cbam)
    kept = []
    handle = net.layer3.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.no_grad():
        net(random_input())
    handle.remove()
    recording = record_selected(net, random_input(), "layer3").recording
    expected = kept[0].square().sum(1, keepdim=True).sqrt()
    assert torch.allclose(recording.sites["layer3.norm"], expected, atol=1e-5)
    assert recording.watched[0].stride == 16


def test_the_norms_of_all_stages_and_grad_cam_are_maps(photo_path):
    net = seeded(resnet_with_cbam)
    found = attnviz.explain(photo_path, net, size=64, device="cpu", sites=["layer[1-4].norm", "layer4.grad_cam"])
    assert list(found.maps) == [*(f"layer{i}.norm" for i in range(1, 5)), "layer4.grad_cam"]
    assert [found.maps[f"layer{i}.norm"].stride for i in range(1, 5)] == [4, 8, 16, 32]
    assert all(found.maps[label].bounds == (0.0, None) for label in found.maps)
    assert found.maps["layer4.grad_cam"].values.shape == found.maps["layer4.norm"].values.shape
    assert found.maps["layer3.norm"].unit == "norm"
    assert np.ptp(found.maps["layer3.norm"].values) > 0


def test_grad_cam_by_path_is_that_of_the_stage(photo_path):
    from attnviz.observe.attributions import attribute

    net = seeded(resnet_with_cbam)
    one, other = (attribute(net, random_input(), 3, **where) for where in ({"stage": 4}, {"layer": "layer4"}))
    assert np.array_equal(one.values, other.values)
    assert (one.label, other.label) == ("grad_cam.stage4", "layer4.grad_cam")


def test_a_list_of_own_sites_is_recorded_as_it_is():
    site = attnviz.Site("mine", "layer1", "feature_norm", None, 4, view=lambda x: x.amax(1, keepdim=True))
    net = seeded(resnet_with_cbam)
    recording = record_selected(net, random_input(), [site]).recording
    assert recording.watched == (site,)
    assert torch.equal(recording.sites["mine"], record(net, random_input(), [site]).sites["mine"])


def test_what_matches_nothing_lists_what_is_near():
    with pytest.raises(OptionError, match=r"got 'layer2\.1\.spatial_gat'; near: layer2\.1\.spatial_gate"):
        record_selected(seeded(resnet_with_cbam), random_input(), "layer2.1.spatial_gat")
    with pytest.raises(OptionError, match=r"got 'layr4\.grad_cam'; near: layer4"):
        record_selected(seeded(resnet_with_cbam), random_input(), "layr4.grad_cam")


@pytest.mark.parametrize("sites", [[], [3], ["layer2", attnviz.Site("a", "layer1", "features", None, 4)], 7.5, ""])
def test_sites_of_another_kind_are_refused(sites):
    with pytest.raises(OptionError, match="expected sites "):
        record_selected(seeded(resnet_with_cbam), random_input(), sites)


def test_a_module_without_features_of_places_is_refused():
    with pytest.raises(RecordError, match=r"expected features \(B, C, h, w\) from fc, got \(1, 1000\)"):
        record_selected(seeded(resnet_with_cbam), random_input(), "fc")


def test_grad_cam_needs_a_classifier(photo_path):
    net = seeded(lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)))
    with pytest.raises(OptionError, match="expected a classifier for Grad-CAM"):
        attnviz.explain(photo_path, net, size=64, device="cpu", sites="0.grad_cam")
