import itertools
import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnviz.errors import CheckpointError
from attnviz.models.build import build_model
from attnviz.models.weights.checkpoint import load_checkpoint
from attnviz.models.weights.dialects import SCHEMES
from attnviz.models.weights.strict_load import difference, load_strictly, recognise
from tests.models import foreign

FILES = {
    "BAM-ResNet (authors' code)": foreign.authors_bam(18, width=16, classes=10),
    "CBAM-ResNet (authors' code)": foreign.authors_cbam(18, width=16, classes=10),
    "SGE-ResNet (PytorchInsight)": foreign.insight_sge(18, width=16, classes=10, groups=8),
    "SE-ResNet (PytorchInsight)": foreign.insight_se(18, width=16, classes=10),
    "DANet (authors' code)": foreign.authors_danet(18, width=16),
    "DANet (mmsegmentation)": foreign.mmseg_danet(18, width=16, channels=32, queries=8),
}
EXAMPLES = [
    {"architecture": "BamResNet", "trunk": {"depth": 50}, "bams": [{"final_norm": False}] * 3, "num_classes": 10},
    *(
        {"architecture": "AttentionResNet", "trunk": {"depth": 18, "attention": {"kind": kind}}, "num_classes": 10}
        for kind in ("cbam", "sge", "se")
    ),
    *(
        {"architecture": "DANet", "trunk": {"depth": 50, "output_stride": 8, "deep_stem": stem}, "num_classes": 5}
        for stem in (None, (32, 32, 64))
    ),
]


def refused(tmp_path, state, **options):
    torch.save(state, tmp_path / "x.pth", **options)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=FILES)
def scheme_and_state(request):
    return request.param, foreign.filled(FILES[request.param])


def test_every_scheme_is_recognised_by_its_own_files(scheme_and_state):
    name, state = scheme_and_state
    assert recognise(state).name == name


def test_a_missing_name_is_told(tmp_path, scheme_and_state):
    name, state = scheme_and_state
    required = [key for key in state if not key.startswith("auxiliary_head.")]
    for key in (required[0], required[len(required) // 2], required[-1]):
        without = {other: value for other, value in state.items() if other != key}
        said = refused(tmp_path, without)
        assert name in said
        assert f"lacks {key}" in said


def test_one_counter_too_few_is_told(tmp_path, scheme_and_state):
    _, state = scheme_and_state
    key = next(key for key in state if key.endswith("num_batches_tracked"))
    assert f"lacks {key}" in refused(tmp_path, {other: value for other, value in state.items() if other != key})


def test_one_name_too_many_is_told(tmp_path, scheme_and_state):
    name, state = scheme_and_state
    said = refused(tmp_path, {**state, "extra.weight": torch.zeros(2)})
    assert name in said
    assert "has unexpected extra.weight" in said


def test_a_wrong_shape_is_told_with_both_shapes(tmp_path, scheme_and_state):
    name, state = scheme_and_state
    key = next(key for key in state if key.endswith("layer3.1.bn1.running_mean"))
    said = refused(tmp_path, {**state, key: torch.zeros(3, 2)})
    assert name in said
    assert f"{key} (3, 2) instead of (64,)" in said


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_refused(tmp_path, scheme_and_state, bad):
    _, state = scheme_and_state
    key = next(key for key in state if key.endswith("layer2.0.bn2.running_var"))
    state[key] = state[key].clone()
    state[key][5] = bad
    assert f"expected finite numbers at {key}" in refused(tmp_path, state)


def test_some_names_with_a_prefix_are_unexpected(tmp_path):
    state = foreign.filled(FILES["BAM-ResNet (authors' code)"])
    state["module.fc.bias"] = state.pop("fc.bias")
    said = refused(tmp_path, state)
    assert "lacks fc.bias" in said
    assert "unexpected module.fc.bias" in said


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(10, dtype=torch.int64),
        torch.zeros(10, dtype=torch.bool),
        torch.zeros(10, dtype=torch.complex64),
        torch.zeros(10).to_sparse(),
        torch.zeros(10, device="meta"),
        torch.zeros(1).expand(10),
        torch.zeros(10, dtype=torch.uint8),
    ],
    ids=["int", "bool", "complex", "sparse", "meta", "expanded", "byte"],
)
def test_what_is_no_plain_array_of_numbers_is_refused(tmp_path, value):
    state = foreign.filled(FILES["BAM-ResNet (authors' code)"])
    refused(tmp_path, {**state, "fc.bias": value})


def test_networks_of_other_kinds_name_the_nearest_scheme(tmp_path):
    said = refused(tmp_path, foreign.filled(foreign.plain_resnet(18, width=16)))
    assert re.search(r"\w+-ResNet .*, the nearest known scheme", said)
    assert "lacks" in said
    said = refused(tmp_path, {"encoder.weight": torch.zeros(2, 2), "decoder.bias": torch.zeros(2)})
    assert "nearest known scheme" in said
    assert "has unexpected encoder.weight, decoder.bias" in said


def test_a_file_of_two_schemes_is_neither(tmp_path):
    both = {
        **foreign.filled(FILES["BAM-ResNet (authors' code)"]),
        **foreign.filled(FILES["CBAM-ResNet (authors' code)"]),
    }
    assert "has unexpected" in refused(tmp_path, both)


def test_a_smaller_input_variant_is_a_wrong_shape(tmp_path):
    state = foreign.filled(FILES["BAM-ResNet (authors' code)"])
    state["conv1.weight"] = torch.zeros(16, 3, 3, 3)  # the repository's network for CIFAR
    assert "conv1.weight (16, 3, 3, 3) instead of (16, 3, 7, 7)" in refused(tmp_path, state)


def test_names_do_not_collide_in_any_scheme():
    for scheme, config in itertools.product(SCHEMES, EXAMPLES):
        with torch.device("meta"):
            names = list(build_model(config).state_dict())
        assert len({scheme.theirs(name) for name in names}) == len(names), (scheme.name, config)


shapes = st.lists(st.integers(0, 2**40), max_size=5).map(tuple)
names = st.sampled_from(sorted({key for listing in FILES.values() for key in listing})) | st.text(max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, shapes, min_size=1, max_size=12))
def test_no_names_or_shapes_upset_the_guess(found):
    for scheme in SCHEMES:
        assert scheme.infer(found)["architecture"] in ("BamResNet", "AttentionResNet", "DANet")


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(names, shapes, min_size=1, max_size=6))
def test_a_wild_file_is_refused_without_building_it(found):
    tensors = {
        name: torch.empty(shape, device="meta")
        for name, shape in found.items()
        if math.prod(max(1, side) for side in shape) < 2**50
    }
    recognise(tensors or {"x": torch.zeros(1)})


def test_a_difference_lists_three_of_each_and_counts_the_rest():
    wanted = {f"a{i}": (1,) for i in range(6)}
    assert difference(wanted, wanted) == ""
    assert difference(wanted, {"b": (2,), "a0": (2,)}) == (
        "lacks a1, a2, a3 and 2 more; has unexpected b; has wrong shapes: a0 (2,) instead of (1,)"
    )


def test_a_description_refused_without_a_word_is_one_sentence(monkeypatch):
    def refusing(config):
        raise OverflowError

    monkeypatch.setattr("attnviz.models.weights.strict_load.build_model", refusing)
    with pytest.raises(CheckpointError, match=r"^expected x\.pth to describe a network, but OverflowError$"):
        load_strictly({}, {}, "x.pth")
