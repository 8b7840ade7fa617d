"""What cells see, against gradients: which pixels a cell's number changes with."""

import pytest
import torch
from torch import nn

from attnviz.models.build import build_model
from attnviz.models.sites import Site
from attnviz.observe.receptive_fields import receptive_fields
from attnviz.observe.recorder import evaluating

CELLS = [(0, 0), (0, 3), (2, 1), (-1, -1)]
BAM = {"fusion": "sum", "reduction": 2, "dilation": 4}
TRUNK = {"depth": 18, "width": 4}
NETWORKS = {
    "bam": {"architecture": "BamResNet", "trunk": TRUNK, "bams": [BAM] * 3, "num_classes": 3},
    "bam, reflected": {
        "architecture": "BamResNet",
        "trunk": {"depth": 50, "width": 4, "deep_stem": (4, 4, 8)},
        "bams": [{**BAM, "dilation": 2, "convs": 3, "padding_mode": "reflect"}] * 3,
        "num_classes": 3,
    },
    "danet": {"architecture": "DANet", "trunk": {**TRUNK, "output_stride": 8}, "num_classes": 3},
    "danet, multi-grid": {
        "architecture": "DANet",
        "trunk": {"depth": 50, "width": 2, "output_stride": 8, "multi_grid": (4, 8, 16)},
        "num_classes": 3,
    },
    "cbam": {"architecture": "AttentionResNet", "trunk": {**TRUNK, "attention": {"kind": "cbam"}}, "num_classes": 3},
    "sge": {
        "architecture": "AttentionResNet",
        "trunk": {**TRUNK, "attention": {"kind": "sge", "groups": 2}},
        "num_classes": 3,
    },
    "se": {"architecture": "AttentionResNet", "trunk": {**TRUNK, "attention": {"kind": "se"}}, "num_classes": 3},
}


def smooth(net: nn.Module) -> nn.Module:
    """The same windows everywhere, but means of what they hold: no gradient is cut off by a maximum or a ReLU."""
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.ndim >= 2:
                parameter.fill_(0.5 / parameter[0].numel())  # small: a saturated gate has no gradient
            elif name.endswith("weight"):
                parameter.fill_(1.0)
    return net.double()


def without_the_whole(net: nn.Module) -> nn.Module:
    """Every path by which a cell sees the whole picture is given the weight 0."""
    with torch.no_grad():
        for module in net.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if name == "gamma":
                    parameter.fill_(0.0)
        for name, parameter in net.named_parameters():
            if any(part in name for part in ("gate_c_fc_final.weight", "ChannelGate.mlp.3.weight", "se.fc.2.weight")):
                parameter.fill_(0.0)
    return net


def pixels_of(net: nn.Module, site: Site, size: tuple[int, int], cell: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the pixels that the site's number at a cell changes with."""
    picture = (torch.rand(1, 3, *size, dtype=torch.float64) + 0.5).requires_grad_()
    kept: list[torch.Tensor] = []
    handle = net.get_submodule(site.path).register_forward_hook(
        lambda module, inputs, out: kept.append(out if site.view is None else site.view(out))
    )
    with evaluating(net):
        net(picture)
    handle.remove()
    kept[0][0, :, cell[0], cell[1]].sum().backward()
    rows, columns = picture.grad[0].abs().sum(dim=0).nonzero(as_tuple=True)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def clipped(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[float, ...]:
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, size[1]), min(bottom, size[0])


@pytest.mark.parametrize("name", ["bam", "bam, reflected", "danet", "danet, multi-grid", "cbam"])
def test_fields_are_the_pixels_that_gradients_reach(name):
    torch.manual_seed(0)
    net = without_the_whole(smooth(build_model(NETWORKS[name])))
    size = (160, 224)
    fields = receptive_fields(net)
    sites = [site for site in net.sites() if site.label in fields and site.kind not in ("gate", "channel_matrix")]
    for site in (sites[0], sites[len(sites) // 3], sites[len(sites) // 2]):
        field = fields[site.label]
        rows, columns = (-(-side // stride) for side, stride in zip(size, field.stride, strict=True))
        for row, column in CELLS:
            cell = (row % rows, column % columns)
            assert pixels_of(net, site, size, cell) == clipped(field.box_of(*cell), size), (site.label, cell)


def test_a_field_within_the_picture_is_seen_whole():
    torch.manual_seed(0)
    net = without_the_whole(smooth(build_model(NETWORKS["bam"])))
    site = next(site for site in net.sites() if site.label == "stage3.spatial_logit")
    field = receptive_fields(net)[site.label]
    # 211 of the trunk; 64, 128 and 256 of two convolutions dilated by 4 in each BAM, at strides 4, 8 and 16
    assert field.size == (659, 659)
    assert field.center == (0.5, 0.5)  # of the first cell, whose tile has its middle at 8
    box = field.box_of(21, 22)
    assert box == (23, 7, 682, 666)
    assert pixels_of(net, site, (672, 688), (21, 22)) == box


@pytest.mark.parametrize("name", ["bam", "danet", "cbam", "sge", "se"])
def test_sites_that_see_everything_say_so(name):
    """With every path in place the gradient of a cell reaches the whole picture exactly where the field says it."""
    torch.manual_seed(1)
    net = smooth(build_model(NETWORKS[name]))
    size = (64, 96)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter.mul_(1 + 0.1 * torch.rand_like(parameter))  # equal weights would cancel in a normalisation
            parameter.add_(0.1 if key.endswith("gamma") or ".sge." in key else 0.0)  # both start at 0
    fields = receptive_fields(net)
    for site in net.sites()[:12]:
        if site.label in fields and site.kind not in ("gate", "channel_matrix"):
            field = fields[site.label]
            local = clipped(field.box_of(0, 0), size)
            whole = pixels_of(net, site, size, (0, 0)) == (0, 0, size[1], size[0])
            assert whole == (field.everywhere or local == (0, 0, size[1], size[0])), site.label


def test_what_has_no_cells_has_no_field():
    net = build_model(NETWORKS["danet"])
    fields = receptive_fields(net)
    assert "channel.matrix" not in fields
    assert "position.gamma" not in fields
    assert receptive_fields(build_model(NETWORKS["se"])) == {}


class Own(nn.Module):
    """Windows that no ResNet has, in a network of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.even = nn.Conv2d(3, 4, (2, 5), stride=(2, 3), padding=(0, 1))
        self.pool = nn.AvgPool2d(3, 2)
        self.last = nn.Conv2d(4, 2, 3, padding=2, dilation=2)
        self.grown = nn.Upsample(scale_factor=2)
        self.after = nn.Conv2d(2, 1, 3)

    def forward(self, x):
        x = self.pool(self.even(nn.functional.pad(x, (1, 0, 2, 0))))
        x = x.permute(0, 2, 3, 1).reshape(1, -1, 4).transpose(1, 2).reshape(x.shape)  # there and back
        x = self.last(x[:, :, 1:])
        return self.after(self.grown(x))


def site(path: str) -> Site:
    return Site(path, path, "features", None, 1)


def test_any_network_is_followed_until_cells_are_lost():
    net = smooth(Own())
    sites = [site(path) for path in ("even", "pool", "last", "grown", "after")]
    fields = receptive_fields(net, sites, size=(64, 96))
    assert list(fields) == ["even", "pool", "last"]  # behind an enlargement cells are not followed
    assert fields["even"].size == (2, 5)
    assert fields["even"].stride == (2, 3)
    assert fields["even"].center == (-1.0, 0.5)
    for chosen in sites[:3]:
        box = fields[chosen.label].box_of(3, 4)
        assert pixels_of(net, chosen, (64, 96), (3, 4)) == clipped(box, (64, 96))
    assert not fields["last"].exact


def test_the_network_is_left_alone_and_the_walk_remembered():
    net = build_model(NETWORKS["bam"]).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    fields = receptive_fields(net)
    assert receptive_fields(net) is fields
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(module.training and not module._forward_hooks for module in net.modules())


class AsksForNumbers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3)

    def forward(self, x):
        x = self.conv(x)
        return x if float(x.mean()) > 0 else -x


def test_a_network_that_cannot_be_walked_has_no_fields():
    assert receptive_fields(AsksForNumbers(), [site("conv")]) == {}


def test_fields_of_a_network_without_sites_need_some():
    from attnviz.errors import RecordError

    with pytest.raises(RecordError, match="expected a network with sites"):
        receptive_fields(Own())


def test_a_cell_before_the_first_is_refused():
    from attnviz.errors import OptionError

    field = next(iter(receptive_fields(build_model(NETWORKS["bam"])).values()))
    with pytest.raises(OptionError, match=r"expected a row and a column from 0, got \(-1, 2\)"):
        field.box_of(-1, 2)
