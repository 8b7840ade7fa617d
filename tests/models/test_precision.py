"""Networks whose trunk computes in bfloat16 say what they say in float32, within what is written down here."""

import numpy as np
import pytest
import torch

from attnviz.inputs.decode import decode
from attnviz.inputs.preprocess import preprocess
from attnviz.models.precision import best_precision, in_precision
from attnviz.models.weights.registry import load_model
from attnviz.observe.recorder import record

# Differences as shares of the span of a tensor's values in float32. Seen on four photos: 0.08 and 0.004 at most.
WORST, MEAN = 0.2, 0.01
KINDS = ("spatial_logit", "channel_logit", "effective_gain", "query", "key", "class_logit")
NAMES = ("bam_resnet18_w32", "danet_resnet18_w32_camvid")


@pytest.fixture(scope="module", params=NAMES)
def both(request, photo_path):
    """The network, its copy with a trunk of bfloat16, and what each makes of one photo of 128 pixels."""
    loaded = load_model(request.param, "cpu")
    x, _, _ = preprocess(decode(photo_path), loaded.card.preprocessing)
    x = torch.nn.functional.interpolate(x, (96, 128), mode="area")
    fast = in_precision(loaded.net, "bfloat16")
    return loaded.net, fast, record(loaded.net, x), record(fast, x)


def test_attention_is_that_of_float32_but_for_rounding(both):
    _, _, exact, rounded = both
    seen = [site for site in exact.watched if site.kind in KINDS]
    assert len(seen) >= 5
    for site in seen:
        ours, theirs = rounded.sites[site.label], exact.sites[site.label]
        assert ours.dtype == torch.float32, site.label  # computed in it, not in eight bits
        apart = (ours - theirs).abs() / (theirs.max() - theirs.min())
        assert 0 < float(apart.max()) < WORST, site.label
        assert float(apart.mean()) < MEAN, site.label


def test_answers_are_those_of_float32_but_for_rounding(both):
    _, _, exact, rounded = both
    assert rounded.output.dtype == torch.float32
    chances = [np.asarray(recording.output.softmax(dim=1)) for recording in (exact, rounded)]
    np.testing.assert_allclose(chances[1], chances[0], atol=0.05)
    assert (chances[1].argmax(axis=1) == chances[0].argmax(axis=1)).mean() > 0.98


def test_the_trunk_is_bfloat16_with_channels_last_and_the_network_itself_is_left_alone(both):
    net, fast, _, _ = both
    weights = [m.weight for m in fast.modules() if isinstance(m, torch.nn.Conv2d) and m.weight.dtype == torch.bfloat16]
    assert len(weights) >= 17  # of a ResNet-18
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
    norms = [module for module in fast.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {norm.running_var.dtype for norm in norms} == {torch.float32}
    assert all(not module._forward_pre_hooks and not module._forward_hooks for module in net.modules())


def test_float32_is_the_network_itself(both):
    assert in_precision(both[0], "float32") is both[0]


def test_the_best_is_what_the_hardware_multiplies(monkeypatch):
    for found in (True, False):
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda found=found: found, raising=False)
        assert best_precision(torch.device("cpu")) == ("bfloat16" if found else "float32")
    assert best_precision(torch.device("mps")) == "float32"
