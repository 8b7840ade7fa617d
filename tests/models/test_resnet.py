"""The trunks compute what torchvision's do, plain and dilated, with the same names."""

import attnviz.models.torchvision_ops  # noqa: F401, I001  (before torchvision)
import pytest
import torch
import torchvision.models

from attnviz.errors import OptionError
from attnviz.models.attention.bam import BamOptions
from attnviz.models.bam_resnet import BamResNet
from attnviz.models.danet import DANet
from attnviz.models.resnet import ResNetTrunk, TrunkOptions


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_plain_trunk_is_torchvisions(depth: int) -> None:
    torch.manual_seed(0)
    reference = getattr(torchvision.models, f"resnet{depth}")().eval()
    trunk = ResNetTrunk(TrunkOptions(depth=depth)).eval()
    trunk.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}, strict=True)
    reference.avgpool = reference.fc = torch.nn.Identity()
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(trunk(x).flatten(1), reference(x), rtol=1e-4, atol=1e-4)


def test_dilated_trunk_is_torchvisions() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True]).eval()
    trunk = ResNetTrunk(TrunkOptions(depth=50, output_stride=8)).eval()
    trunk.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}, strict=True)
    reference.avgpool = reference.fc = torch.nn.Identity()
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        found = trunk(x)
        assert found.shape == (1, 2048, 8, 12)
        torch.testing.assert_close(found.flatten(1), reference(x), rtol=1e-4, atol=1e-4)


def test_multi_grid_dilations() -> None:
    trunk = ResNetTrunk(TrunkOptions(depth=50, width=4, output_stride=8, multi_grid=(4, 8, 16)))
    assert [block.conv2.dilation for block in trunk.layer4] == [(4, 4), (8, 8), (16, 16)]
    assert [block.conv2.dilation for block in trunk.layer3] == [(1, 1)] + [(2, 2)] * 5
    assert trunk(torch.zeros(1, 3, 64, 64)).shape == (1, 128, 8, 8)


def test_deep_stem() -> None:
    trunk = ResNetTrunk(TrunkOptions(depth=18, width=8, deep_stem=(4, 4, 8)))
    assert trunk.stem(torch.zeros(1, 3, 64, 64)).shape == (1, 8, 16, 16)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_bam_resnet_of_any_depth_and_width(depth: int) -> None:
    net = BamResNet(TrunkOptions(depth=depth, width=6), [BamOptions(hidden=2)] * 3, 7).eval()
    assert net(torch.zeros(1, 3, 32, 80)).shape == (1, 7)


@pytest.mark.parametrize("depth", [18, 50, 101])
def test_danet_of_any_depth(depth: int) -> None:
    net = DANet(TrunkOptions(depth=depth, width=8, output_stride=8), 5).eval()
    x = torch.zeros(1, 3, 33, 50)
    assert net(x).shape == (1, 5, 33, 50)
    assert [h.shape for h in net.heads(x)] == [(1, 5, 33, 50)] * 3


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: TrunkOptions(depth=20), "18, 34, 50, 101"),
        (lambda: TrunkOptions(width=0), "at least 1 channel"),
        (lambda: TrunkOptions(output_stride=16), "8 or 32"),
        (lambda: TrunkOptions(output_stride=8, multi_grid=(4, 8)), "3 multi-grid"),
        (lambda: TrunkOptions(multi_grid=(4, 8, 16)), "output stride 8"),
        (lambda: BamResNet(TrunkOptions(), [BamOptions()], 10), "3 BAMs, got 1"),
        (lambda: BamResNet(TrunkOptions(output_stride=8), [BamOptions()] * 3, 10), "output stride 32"),
        (lambda: BamResNet(TrunkOptions(), [BamOptions()] * 3, 0), "at least 1 class"),
        (lambda: DANet(TrunkOptions(), 10), "output stride 8"),
        (lambda: DANet(TrunkOptions(output_stride=8), 0), "at least 1 class"),
    ],
)
def test_impossible_networks_are_refused(build: object, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        build()
