"""Explanations made by hand, and the viewer in a real browser: opened from a file, or on a bare page."""

import dataclasses

import pytest
import torch

from attnviz.models.attention.block_attention import BlockAttention
from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.resnet import TrunkOptions
from attnviz.render.viewer.bundle import viewer_script
from attnviz.render.viewer.page import standalone_html
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import WIDE


@pytest.fixture(scope="module")
def danet():
    return made.danet(96, 128, seed=1)


@pytest.fixture(scope="module")
def bam():
    return made.bam(96, 128, seed=1)


@pytest.fixture
def opened(new_page, new_context, tmp_path):
    """Opens the self-contained page of one or two explanations, ready."""

    def open_(explanation, other=None, viewport=WIDE, has_touch=False, evidence=None, **media):
        file = tmp_path / f"viewer{len(list(tmp_path.iterdir()))}.html"
        file.write_text(standalone_html(explanation, other, evidence=evidence), encoding="utf-8")
        page = new_context(viewport=viewport, has_touch=True).new_page() if has_touch else new_page(viewport, **media)
        page.goto(file.as_uri())
        page.wait_for_selector('#viewer[data-ready="1"]')
        return page

    return open_


@pytest.fixture(scope="module")
def everything(danet):
    """A DANet with what other networks have besides: a second position attention, and gates per channel."""
    positions = {"position": danet.position, "second": made.danet(grid=(6, 8), seed=5).position}
    return dataclasses.replace(danet, positions=positions, channel_gates=made.se().channel_gates)


@pytest.fixture
def host(page):
    """A bare page with the viewer's script, as the program's own page has it."""
    page.set_content('<!doctype html><html lang="en"><title>host</title><div id="host"></div></html>')
    page.add_script_tag(content=viewer_script())
    return page


@pytest.fixture(scope="session")
def sge_net():
    """A ResNet with SGE of 64 groups and random weights, its gates of different groups being different."""
    torch.manual_seed(0)
    net = AttentionResNet(TrunkOptions(depth=18, width=64, attention=BlockAttention("sge", groups=64)), 5).eval()
    for name, parameter in net.named_parameters():
        if name.endswith("sge.weight"):  # 0 at the start of a training: every gate would be the same
            parameter.data.normal_()
    return net
