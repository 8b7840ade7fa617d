"""A trunk whose convolutions hold the mean gains of the BAMs that were taken out."""

import torch

from attnviz.models.build import build_model
from training.without_bam import mean_gains, without_bam

TRUNK = {"depth": 18, "width": 4}
BAM = {"fusion": "sum", "hidden": 2, "dilation": 1, "padding_mode": "reflect"}


def test_gates_that_are_the_same_everywhere_are_lost_without_a_trace():
    torch.manual_seed(0)
    net = build_model({"architecture": "BamResNet", "trunk": TRUNK, "bams": [BAM] * 3, "num_classes": 7}).eval()
    x = torch.randn(3, 3, 64, 64)
    for stage in (1, 2, 3):  # a gate of its channels alone, the same for every photo and place
        for name, parameter in net.get_submodule(f"bam{stage}").named_parameters():
            parameter.data.zero_() if "weight" in name else parameter.data.uniform_(-1, 1)
    gains = mean_gains(net, [x, torch.randn(2, 3, 64, 64)])
    assert all(1 < float(gain.min()) < float(gain.max()) < 2 for gain in gains.values())
    trunk = build_model({"architecture": "AttentionResNet", "trunk": TRUNK, "num_classes": 7}).eval()
    trunk.load_state_dict(without_bam(net.state_dict(), gains), strict=True)
    with torch.no_grad():
        assert torch.allclose(trunk(x), net(x), atol=1e-4)
