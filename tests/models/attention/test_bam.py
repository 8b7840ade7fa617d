"""BAM's arithmetic against values derived by hand, and its shapes on every kind of picture."""

import math

import pytest
import torch

from attnviz.errors import OptionError
from attnviz.models.attention.bam import BAM, BamOptions, FusedGate, effective_gain

LOG3 = math.log(3)  # sigmoid(log 3) = 3/4, sigmoid(-log 3) = 1/4


def test_sum_of_logits() -> None:
    channel = torch.tensor([LOG3, 0.0]).view(1, 2, 1, 1)
    spatial = torch.tensor([0.0, LOG3]).view(1, 1, 1, 2)
    gate = FusedGate("sum")(channel, spatial)
    # sigmoid(2 log 3) = 9/10
    torch.testing.assert_close(gate[0, :, 0], torch.tensor([[0.75, 0.9], [0.5, 0.75]]))
    torch.testing.assert_close(effective_gain(gate)[0, 0, 0], torch.tensor([1.625, 1.825]))


def test_product_of_logits_turns_high_spatial_attention_into_suppression() -> None:
    channel = torch.tensor([-1.0]).view(1, 1, 1, 1)
    spatial = torch.tensor([LOG3, -LOG3]).view(1, 1, 1, 2)
    gain = effective_gain(FusedGate("product")(channel, spatial))[0, 0, 0]
    torch.testing.assert_close(gain, torch.tensor([1.25, 1.75]))


def test_residual_on_the_features() -> None:
    torch.manual_seed(0)
    bam = BAM(8, BamOptions(hidden=2)).eval()
    x = torch.randn(1, 8, 5, 7)
    torch.testing.assert_close(bam(x), x + x * bam.gate(bam.channel_att(x), bam.spatial_att(x)))


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (3, 11), (56, 2)])
@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("padding_mode", ["zeros", "replicate"])
@pytest.mark.parametrize("final_norm", [True, False])
def test_keeps_the_size_of_the_features(
    size: tuple[int, int], dilation: int, padding_mode: str, final_norm: bool
) -> None:
    bam = BAM(16, BamOptions(dilation=dilation, padding_mode=padding_mode, final_norm=final_norm)).eval()
    x = torch.randn(2, 16, *size)
    assert bam.spatial_att(x).shape == (2, 1, *size)
    assert bam.channel_att(x).shape == (2, 16, 1, 1)
    assert bam(x).shape == x.shape


def test_channel_branch_pools_the_whole_picture() -> None:
    bam = BAM(4, BamOptions(hidden=2)).eval()
    wide = torch.zeros(1, 4, 2, 6)
    wide[..., -1] = 1.0  # beyond a square of H x H, which is all that the released code pools
    pooled = wide.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(bam.channel_att(wide), bam.channel_att(pooled))


def test_number_of_dilated_convolutions() -> None:
    for convs in (0, 1, 3):
        names = [n for n, _ in BAM(8, BamOptions(convs=convs)).named_modules() if "conv_di" in n]
        assert len(names) == convs


@pytest.mark.parametrize(
    "options",
    [
        {"fusion": "mean"},
        {"reduction": 0},
        {"hidden": -1},
        {"dilation": 0},
        {"convs": -1},
        {"padding_mode": "same"},
    ],
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="expected"):
        BamOptions(**options)
