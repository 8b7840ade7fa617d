"""What the viewer asks for of one explanation: a layer of position attention, or all groups of a module."""

from types import SimpleNamespace

import pytest
import torch

from attnviz.models.attention.block_attention import BlockAttention
from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.resnet import TrunkOptions
from attnviz.pipeline import explain
from attnviz.serve.sessions import SessionStore
from attnviz.serve.tabs.layers import _handler

VISITOR = SimpleNamespace(session_hash="visitor", headers={}, query_params={}, cookies={})


@pytest.fixture(scope="module")
def explained(photo):
    torch.manual_seed(0)
    net = AttentionResNet(TrunkOptions(depth=18, width=16, attention=BlockAttention("sge", groups=8)), 5).eval()
    return explain(photo, net, size=64)


@pytest.fixture
def asks(explained):
    """The handler of a page that shows it."""
    sessions = SessionStore()
    sessions.keep("visitor", explained, sent_as="shown")
    return _handler(sessions)


def test_a_module_of_groups_comes_whole(asks, explained):
    label = "stage1.block1.group_gate"
    answer = asks({"turn": 3, "id": "shown", "label": label}, VISITOR)
    assert (answer["turn"], answer["part"]["label"], answer["part"]["count"]) == (3, label, 8)
    assert answer["part"]["grid"] == list(explained.group_gates[label].values.shape[1:])
    assert answer["part"]["values"]


@pytest.mark.parametrize("label", ["stage9.block1.group_gate", "stage1.block1", ""])
def test_what_there_is_not_is_said(asks, label):
    assert asks({"turn": 1, "id": "shown", "label": label}, VISITOR)["error"]


def test_what_another_page_shows_is_not_given(asks):
    label = "stage1.block1.group_gate"
    assert "forgotten" in asks({"turn": 1, "id": "other", "label": label}, VISITOR)["error"]
    stranger = SimpleNamespace(**{**vars(VISITOR), "session_hash": "stranger"})
    assert "forgotten" in asks({"turn": 1, "id": "shown", "label": label}, stranger)["error"]
