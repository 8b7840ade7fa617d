"""Our networks compute what pytorchcv's do, from the same weights: logits and every attention tensor."""

import re

import pytest
import torch
from pytorchcv.models.bamresnet import bam_resnet50
from pytorchcv.models.danet import DANetHead as ReferenceHead
from torch import Tensor, nn

from attnviz.models.attention.bam import BamOptions
from attnviz.models.attention.dual_attention import DanetHead
from attnviz.models.bam_resnet import BamResNet
from attnviz.models.resnet import TrunkOptions
from attnviz.observe.recorder import record

RELATIVE = 1e-4


def shake(net: nn.Module, seed: int) -> nn.Module:
    """Random biases, norms and running statistics, so that no part can be skipped unseen."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.is_floating_point() and tensor.ndim <= 1:
            tensor.add_(0.2 * torch.randn(tensor.shape, generator=generator))
    return net.eval()


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    worst = float((ours - theirs).abs().max() / theirs.abs().max())
    assert worst < RELATIVE, f"relative difference {worst:.2e}"


def bam_name(key: str) -> str:
    """A name of pytorchcv's BAM-ResNet as the authors' code has it."""
    key = key.replace("features.init_block.conv.conv", "conv1").replace("features.init_block.conv.bn", "bn1")
    key = key.replace("output.", "fc.")
    unit = re.compile(r"features\.stage(\d)\.unit(\d+)\.(bam|res_unit)\.(.*)")
    if (found := unit.fullmatch(key)) is None:
        return key
    stage, index, part, rest = int(found[1]), int(found[2]), found[3], found[4]
    if part == "bam":  # at the input of stage s, which is after stage s - 1
        rest = rest.replace("ch_att.init_fc.fc", "channel_att.gate_c.gate_c_fc_0")
        rest = rest.replace("ch_att.init_fc.bn", "channel_att.gate_c.gate_c_bn_1")
        rest = rest.replace("ch_att.final_fc", "channel_att.gate_c.gate_c_fc_final")
        rest = rest.replace("sp_att.init_conv.conv", "spatial_att.gate_s.gate_s_conv_reduce0")
        rest = rest.replace("sp_att.init_conv.bn", "spatial_att.gate_s.gate_s_bn_reduce0")
        for i in (1, 2):
            rest = rest.replace(f"sp_att.dil_convs.conv{i}.", f"spatial_att.gate_s.gate_s_@_di_{i - 1}.")
            rest = re.sub(r"gate_s_@_di_(\d)\.(conv|bn)", r"gate_s_\2_di_\1", rest)
        rest = rest.replace("sp_att.final_conv", "spatial_att.gate_s.gate_s_conv_final")
        return f"bam{stage - 1}.{rest}"
    rest = re.sub(r"body\.conv(\d)\.conv", r"conv\1", rest)
    rest = re.sub(r"body\.conv(\d)\.bn", r"bn\1", rest)
    rest = rest.replace("identity_conv.conv", "downsample.0").replace("identity_conv.bn", "downsample.1")
    return f"layer{stage}.{index - 1}.{rest}"


@pytest.mark.parametrize("size", [(64, 64), (64, 160), (97, 51)])
def test_bam_resnet50(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    reference = shake(bam_resnet50(), seed=1)
    reference.features.final_pool = nn.AdaptiveAvgPool2d(1)  # theirs takes 224 x 224 alone
    net = BamResNet(TrunkOptions(depth=50), [BamOptions(fusion="product", final_norm=False)] * 3, 1000)
    net.load_state_dict({bam_name(k): v for k, v in reference.state_dict().items()}, strict=True)
    x = torch.randn(2, 3, *size)

    seen: dict[str, Tensor] = {}
    for stage in (1, 2, 3):
        bam = getattr(reference.features, f"stage{stage + 1}").unit1.bam
        bam.ch_att.register_forward_hook(lambda m, i, o, s=stage: seen.update({f"stage{s}.channel_logit": o}))
        bam.sp_att.register_forward_hook(lambda m, i, o, s=stage: seen.update({f"stage{s}.spatial_logit": o}))
        bam.sigmoid.register_forward_hook(lambda m, i, o, s=stage: seen.update({f"stage{s}.gate": o}))
    with torch.no_grad():
        expected = reference(x)
    recording = record(net, x)

    assert_close(recording.output, expected)
    for stage in (1, 2, 3):
        label = f"stage{stage}"
        assert_close(recording.sites[f"{label}.channel_logit"], seen[f"{label}.channel_logit"][:, :, :1, :1])
        assert_close(recording.sites[f"{label}.spatial_logit"], seen[f"{label}.spatial_logit"][:, :1])
        assert_close(recording.sites[f"{label}.gate"], seen[f"{label}.gate"])
        assert_close(recording.sites[f"{label}.gain"], 1 + seen[f"{label}.gate"].mean(dim=1, keepdim=True))


def head_name(key: str) -> str:
    """A name of pytorchcv's DANet head as the authors' code has it."""
    for theirs, ours in (
        ("branch_pa.conv1.conv.", "conv5a.0."),
        ("branch_pa.conv1.bn.", "conv5a.1."),
        ("branch_ca.conv1.conv.", "conv5c.0."),
        ("branch_ca.conv1.bn.", "conv5c.1."),
        ("branch_pa.att.scale.alpha", "sa.gamma"),
        ("branch_ca.att.scale.alpha", "sc.gamma"),
        ("branch_pa.att.", "sa."),
        ("branch_pa.conv2.conv.", "conv51.0."),
        ("branch_pa.conv2.bn.", "conv51.1."),
        ("branch_ca.conv2.conv.", "conv52.0."),
        ("branch_ca.conv2.bn.", "conv52.1."),
        ("branch_pa.conv3.", "conv6.1."),
        ("branch_ca.conv3.", "conv7.1."),
        ("conv.", "conv8.1."),
    ):
        if key.startswith(theirs):
            return key.replace(theirs, ours, 1)
    return key


@pytest.mark.parametrize("size", [(12, 12), (40, 31)])  # 1240 locations: more than one chunk of queries
def test_danet_head(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    reference = ReferenceHead(in_channels=256, out_channels=19)
    for branch, gamma in ((reference.branch_pa, 0.7), (reference.branch_ca, -0.4)):
        branch.att.scale.alpha.data = torch.tensor([gamma])  # theirs is left uninitialised
    shake(reference, seed=2)
    head = DanetHead(inputs=256, channels=64, query_channels=8, num_classes=19)
    head.load_state_dict({head_name(k): v for k, v in reference.state_dict().items()}, strict=True)
    head.eval()
    x = torch.randn(1, 256, *size)

    seen: dict[str, Tensor] = {}
    reference.branch_pa.att.softmax.register_forward_hook(lambda m, i, o: seen.update(position=o))
    reference.branch_ca.att.softmax.register_forward_hook(lambda m, i, o: seen.update(channel=o))
    ours: dict[str, Tensor] = {}
    head.sc.softmax.register_forward_hook(lambda m, i, o: ours.update(channel=o))
    head.sa.query_conv.register_forward_hook(lambda m, i, o: ours.update(query=o))
    head.sa.key_conv.register_forward_hook(lambda m, i, o: ours.update(key=o))
    with torch.no_grad():
        expected = reference(x)
        found = head(x)

    for mine, theirs in zip(found, expected, strict=True):
        assert_close(mine, theirs)
    assert_close(ours["channel"], seen["channel"])
    from attnviz.results import PositionAttention

    position = PositionAttention(ours["query"][0].numpy(), ours["key"][0].numpy(), gamma=0.7, stride=8)
    whole = seen["position"][0]
    for y, x_ in ((0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, 3)):
        n = y * size[1] + x_
        assert_close(torch.from_numpy(position.row(y, x_)), whole[n].reshape(size))
        assert_close(torch.from_numpy(position.column(y, x_)), whole[:, n].reshape(size))
    assert_close(torch.from_numpy(position.received), whole.mean(dim=0).reshape(size))


def test_gradient_and_chunked_position_attention_agree() -> None:
    torch.manual_seed(3)
    head = shake(DanetHead(inputs=16, channels=16, query_channels=4, num_classes=3), seed=4)
    x = torch.randn(1, 16, 40, 40)
    whole = head.sa(x).detach()
    with torch.no_grad():
        assert_close(head.sa(x), whole)
