"""Networks with attention as their publications describe it, in the sizes of tests and with random seeded weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import attnviz.models.torchvision_ops  # noqa: F401 - before torchvision
from tests.observe.own_networks import InlineCbam, Trunk


class Sge(nn.Module):
    """Spatial group-wise enhance (arXiv 1905.09646), as its authors write it."""

    def __init__(self, groups: int = 4) -> None:
        super().__init__()
        self.groups = groups
        self.weight, self.bias = (nn.Parameter(torch.full((1, groups, 1, 1), value)) for value in (0.0, 1.0))
        self.sig = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.size()
        x = x.view(b * self.groups, -1, h, w)
        xn = (x * F.adaptive_avg_pool2d(x, 1)).sum(dim=1, keepdim=True)
        t = xn.view(b * self.groups, -1)
        t = (t - t.mean(dim=1, keepdim=True)) / (t.std(dim=1, keepdim=True) + 1e-5)
        t = t.view(b, self.groups, h, w) * self.weight + self.bias
        return (x * self.sig(t.view(b * self.groups, 1, h, w))).view(b, c, h, w)


class AttentionGate(nn.Module):
    """Of an attention U-Net (arXiv 1804.03999): what the coarse features say weighs the fine ones."""

    def __init__(self, gating: int, skipped: int, inner: int) -> None:
        super().__init__()
        self.of_gating, self.of_skipped = nn.Conv2d(gating, inner, 1), nn.Conv2d(skipped, inner, 1)
        self.psi = nn.Sequential(nn.Conv2d(inner, 1, 1), nn.Sigmoid())

    def forward(self, gating: Tensor, skipped: Tensor) -> Tensor:
        return skipped * self.psi(F.relu(self.of_gating(gating) + self.of_skipped(skipped)))


class AttentionUnet(nn.Module):
    """Three levels, a gate at each way across, classes for every pixel as a dict."""

    def __init__(self) -> None:
        super().__init__()
        widths = (8, 16, 24)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in zip((3, *widths), widths, strict=False))
        self.up = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in ((24, 16), (16, 8)))
        self.gates = nn.ModuleList(AttentionGate(width, width, 4) for width in (16, 8))
        self.merge = nn.ModuleList(nn.Conv2d(2 * width, width, 3, 1, 1) for width in (16, 8))
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        skipped = []
        for number, conv in enumerate(self.down):
            x = F.relu(conv(x if number == 0 else F.max_pool2d(x, 2)))
            skipped.append(x)
        for up, gate, merge, other in zip(self.up, self.gates, self.merge, skipped[-2::-1], strict=True):
            x = F.interpolate(up(x), scale_factor=2)
            x = F.relu(merge(torch.cat([gate(x, other), x], dim=1)))
        return {"out": self.head(x)}


class CoordinateAttention(nn.Module):
    """Gates of rows and of columns (arXiv 2103.02907)."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 1)
        self.conv_h, self.conv_w = nn.Conv2d(8, channels, 1), nn.Conv2d(8, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        both = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).permute(0, 1, 3, 2)], dim=2)
        of_rows, of_columns = torch.split(F.hardswish(self.conv1(both)), [h, w], dim=2)
        return x * self.conv_w(of_columns.permute(0, 1, 3, 2)).sigmoid() * self.conv_h(of_rows).sigmoid()


class CrissCross(nn.Module):
    """One softmax over a location's row and column together (arXiv 1811.11721)."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, c, 1) for c in (4, 4, channels))

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        columns, rows = ((lambda t: t.permute(0, 3, 1, 2).reshape(b * w, -1, h)), (lambda t: t.permute(0, 2, 1, 3)))
        q, k, v = self.query(x), self.key(x), self.value(x)
        of_columns = torch.bmm(columns(q).permute(0, 2, 1), columns(k)).view(b, w, h, h).permute(0, 2, 1, 3)
        flat = [rows(t).reshape(b * h, -1, w) for t in (q, k, v)]
        of_rows = torch.bmm(flat[0].permute(0, 2, 1), flat[1]).view(b, h, w, w)
        attention = F.softmax(torch.cat([of_columns, of_rows], 3), dim=3)
        up = attention[:, :, :, :h].permute(0, 2, 1, 3).contiguous().view(b * w, h, h)
        across = attention[:, :, :, h:].contiguous().view(b * h, w, w)
        down = torch.bmm(columns(v), up.permute(0, 2, 1)).view(b, w, -1, h).permute(0, 2, 3, 1)
        return x + down + torch.bmm(flat[2], across.permute(0, 2, 1)).view(b, h, -1, w).permute(0, 2, 1, 3)


class DaModule(nn.Module):
    """DANet's position attention by hand, without convolutions or gamma: q = k = v."""

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        flat = x.view(b, c, -1)
        attention = torch.softmax(torch.bmm(flat.permute(0, 2, 1), flat), dim=-1)
        return x + torch.bmm(flat, attention.permute(0, 2, 1)).view(b, c, h, w)


class Detr(nn.Module):
    """A detector of DETR's kind: encoder and decoder of `nn.MultiheadAttention`, object queries, a list of dicts."""

    def __init__(self, width: int = 16, heads: int = 2, queries: int = 5) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, width, 3, 4, 1))
        self.encoder, self.own, self.cross = (nn.MultiheadAttention(width, heads) for _ in range(3))
        self.queries, self.place = nn.Parameter(torch.randn(queries, 1, width)), nn.Parameter(torch.randn(24, 1, width))
        self.boxes, self.classes = nn.Linear(width, 4), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        memory = self.backbone(x).flatten(2).permute(2, 0, 1)
        q = k = memory + self.place
        memory = memory + self.encoder(q, k, memory)[0]
        target = self.queries.expand(-1, x.shape[0], -1)
        target = target + self.own(target, target, target)[0]
        target = target + self.cross(target, memory + self.place, memory)[0]
        boxes, scores = self.boxes(target).sigmoid(), self.classes(target).softmax(-1)
        return [{"boxes": boxes[:, i], "scores": scores[:, i]} for i in range(x.shape[0])]


def resnet50_with_cbam() -> nn.Module:
    from torchvision.models import resnet50

    net = resnet50(weights=None, num_classes=5)
    net.layer2 = nn.Sequential(net.layer2, InlineCbam(512))
    return net


def timm(name: str, **options: object) -> nn.Module:
    from timm import create_model

    return create_model(name, pretrained=False, **options)


def pytorchcv(name: str) -> nn.Module:
    from pytorchcv.model_provider import get_model

    return get_model(name, pretrained=False)


def transformers_vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=32, image_size=64, patch_size=16
    )
    config._attn_implementation = "sdpa"
    return ViTForImageClassification(config)


def segformer() -> nn.Module:
    from transformers import SegformerConfig, SegformerModel

    return SegformerModel(
        SegformerConfig(
            num_encoder_blocks=2,
            depths=[1, 1],
            hidden_sizes=[8, 16],
            num_attention_heads=[1, 2],
            sr_ratios=[4, 1],
            patch_sizes=[7, 3],
            strides=[4, 2],
            mlp_ratios=[2, 2],
        )
    )


def on_trunk(module: nn.Module) -> nn.Module:
    return Trunk(module)


class AttentionGateOnItself(nn.Module):
    """One that TorchScript can compile."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv(x))


def torchvision_vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    return VisionTransformer(64, 16, num_layers=2, num_heads=3, hidden_dim=48, mlp_dim=64, num_classes=5)


def torchvision_swin() -> nn.Module:
    from torchvision.models import SwinTransformer

    return SwinTransformer([4, 4], 24, [2, 2], [3, 6], [7, 7], num_classes=5)
