from dataclasses import asdict, replace

import pytest

from attnviz.models.attention.block_attention import BlockAttention
from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.families import FAMILIES, families_here, family_of
from attnviz.models.resnet import TrunkOptions
from attnviz.models.weights.registry import from_network, list_models


def card(kind, name, *, width=16, status="own"):
    net = AttentionResNet(TrunkOptions(depth=18, width=width, attention=kind and BlockAttention(kind, groups=8)), 5)
    return replace(from_network(net, name=name).card, status=status)


def test_the_family_of_a_network_is_known_by_what_it_is_built_from():
    for kind in ("cbam", "sge", "se"):
        assert family_of(card(kind, "x").config) == kind.upper()
    assert family_of(list_models()["bam_resnet18_w32"].config) == "BAM"
    assert family_of(list_models()["danet_resnet18_w32_camvid"].config) is None
    assert family_of(card(None, "x").config) is None


@pytest.mark.parametrize("config", [{}, {"trunk": None}, {"trunk": 3}, {"trunk": {"attention": "sge"}}, {"trunk": []}])
def test_descriptions_of_anything_else_are_of_no_family(config):
    assert family_of(config) is None


def test_of_each_family_one_network_that_is_here_the_shared_trunk_before_others():
    cards = [
        card("se", "small_se"),
        card("se", "se_resnet18", width=64),
        card("se", "another_se", width=64),
        card("sge", "small_sge"),
        card("cbam", "cbam_elsewhere", width=64, status="available"),
    ]
    found = families_here([*list_models().values(), *cards])
    assert found["BAM"].name == "bam_resnet18"
    assert all(entry.status != "available" for entry in found.values())
    assert list(found) == [family for family in FAMILIES if family in found]
    alone = families_here(cards)
    assert {family: entry.name for family, entry in alone.items()} == {"SGE": "small_sge", "SE": "se_resnet18"}
    assert families_here([]) == {}


def test_descriptions_come_back_from_json_alike():
    options = TrunkOptions(depth=18, attention=BlockAttention("sge"))
    assert family_of({"architecture": "AttentionResNet", "trunk": asdict(options)}) == "SGE"
