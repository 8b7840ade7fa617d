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
from attnviz.models.checkpoint import load_checkpoint
from attnviz.models.fitting import recognise
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
    for size in ((64, 64), (64, 104)):
        x = torch.randn(1, 3, *size)
        with torch.no_grad():
            if kind.startswith("danet"):
                for mine, his in zip(ours.heads(x), theirs(x), strict=True):
                    assert foreign.relative(mine, his) < 1e-4
            else:
                assert foreign.relative(ours(x), theirs(x)) < 1e-4


def test_a_trunk_with_names_instead_of_numbers(tmp_path):
    """Older PyTorch kept the names of a sequence that lost its last part; the published files are of that time."""
    state = reference("danet50").state_dict()
    assert any(re.match(r"backbone\.0\.", name) for name in state), "PyTorch no longer numbers a shortened sequence"
    named = {
        re.sub(r"backbone\.(\d)\.", r"backbone.stage\1.", name.replace("backbone.0.", "backbone.init_block.")): value
        for name, value in state.items()
    }
    torch.save(state, tmp_path / "numbered.pth")
    torch.save(named, tmp_path / "named.pth")
    one, other = (load_checkpoint(tmp_path / f"{kind}.pth").state_dict() for kind in ("numbered", "named"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_depth_of_the_larger_danet_is_seen():
    """Without its tensors: the names alone, as the scheme reads them."""
    with torch.device("meta"):
        theirs = danet_resnetd101b_cityscapes()
    tensors = dict(theirs.state_dict())
    scheme = recognise(tensors)
    spec = scheme.infer({name: tuple(value.shape) for name, value in tensors.items()})
    with torch.device("meta"):
        ours = build_model(spec)
    assert {scheme.theirs(name): value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in tensors.items()
    }
    assert sum(p.numel() for p in ours.parameters()) == 66_578_555  # as in pytorchcv's own test


def test_a_zip_of_one_file_as_published(tmp_path):
    state = reference("bam18").state_dict()
    torch.save(state, tmp_path / "bam_resnet18.pth")
    packed = tmp_path / "bam_resnet18-0000-00000000.pth.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "bam_resnet18.pth", "bam_resnet18-0000-00000000.pth")
    ours = load_checkpoint(packed)
    assert torch.equal(ours.fc.weight, state["output.weight"])
