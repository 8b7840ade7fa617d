import re
import zipfile
from functools import cache

import pytest
import torch
from pytorchcv.models.bamresnet import bam_resnet18, bam_resnet50
from pytorchcv.models.cbamresnet import cbam_resnet18
from pytorchcv.models.danet import danet_resnetd50b_cityscapes, danet_resnetd101b_cityscapes
from torch import nn

from attnviz.models.build import build_model
from attnviz.models.weights.checkpoint import load_checkpoint
from attnviz.models.weights.strict_load import recognise
from tests.models import foreign

BUILDERS = {
    "bam18": bam_resnet18,
    "bam50": bam_resnet50,
    "cbam18": cbam_resnet18,
    "danet50": danet_resnetd50b_cityscapes,
}


@cache
def reference(kind):
    """pytorchcv's own network with random weights, norms and gammas."""
    torch.manual_seed(7)
    net = BUILDERS[kind](**({"fixed_size": False} if kind.startswith("danet") else {}))
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
        elif name.endswith("alpha"):
            tensor.fill_(0.7 if "pa" in name else -0.4)
        elif tensor.is_floating_point() and tensor.ndim == 1:
            tensor.add_(0.2 * torch.randn(tensor.shape))
    return net.eval()


@pytest.mark.parametrize("kind", BUILDERS)
def test_it_computes_what_pytorchcv_computes(tmp_path, kind):
    theirs = reference(kind)
    torch.save(theirs.state_dict(), tmp_path / "x.pth")
    ours = load_checkpoint(tmp_path / "x.pth")
    if not kind.startswith("danet"):
        theirs.features.final_pool = nn.AdaptiveAvgPool2d(1)  # theirs takes 224 x 224 alone
    for size in ((64, 64), (32, 72)):
        x = torch.randn(1, 3, *size)
        with torch.no_grad():
            if kind.startswith("danet"):
                for mine, his in zip(ours.heads(x), theirs(x), strict=True):
                    assert foreign.relative(mine, his) < 1e-4
            else:
                assert foreign.relative(ours(x), theirs(x)) < 1e-4


def names_and_shapes(state):
    return {name: tuple(value.shape) for name, value in state.items()}


def ours_under_their_names(tensors):
    """The names and shapes that a file must have to be read as the network that it looks like."""
    scheme = recognise(tensors)
    with torch.device("meta"):
        ours = build_model(scheme.infer(names_and_shapes(tensors)))
    return {scheme.theirs(name): tuple(value.shape) for name, value in ours.state_dict().items()}


@pytest.mark.parametrize("depth", [50, 101])
def test_a_trunk_with_names_instead_of_numbers(depth):
    """Older PyTorch kept the names of a sequence that lost its last part; the published files are of that time."""
    with torch.device("meta"):
        theirs = {50: danet_resnetd50b_cityscapes, 101: danet_resnetd101b_cityscapes}[depth]()
    numbered = theirs.state_dict()
    assert any(name.startswith("backbone.0.") for name in numbered), "PyTorch keeps names again"
    named = {
        re.sub(r"backbone\.(\d)\.", r"backbone.stage\1.", name.replace("backbone.0.", "backbone.init_block.")): value
        for name, value in numbered.items()
    }
    for tensors in (numbered, named):
        assert ours_under_their_names(tensors) == names_and_shapes(tensors)


def test_a_zip_of_one_file_as_published(tmp_path):
    state = foreign.filled(foreign.authors_bam(18, width=16))
    torch.save(state, tmp_path / "plain.pth")
    packed = tmp_path / "bam_resnet18-0000-00000000.pth.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "plain.pth", "bam_resnet18-0000-00000000.pth")
    assert torch.equal(load_checkpoint(packed).fc.weight, state["fc.weight"])
