"""Networks as people write them, with random seeded weights: attention inline, in modules, by hand or by PyTorch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import attnviz.models.torchvision_ops  # noqa: F401 - before torchvision


def seeded(make, *args, **kwargs) -> nn.Module:
    torch.manual_seed(0)
    return make(*args, **kwargs).eval()


class InlineCbam(nn.Module):
    def __init__(self, channels: int = 128) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(channels, 8), nn.ReLU(), nn.Linear(8, channels))
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))
        x = x * torch.sigmoid(logits).unsqueeze(-1).unsqueeze(-1).expand_as(x)
        return x * torch.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)))


class Se(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, 4), nn.ReLU(), nn.Linear(4, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.shape
        return x * self.fc(F.adaptive_avg_pool2d(x, 1).view(b, c)).view(b, c, 1, 1)


class NonLocal(nn.Module):
    def __init__(self, channels: int, own: bool = True) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv2d(channels, channels // 2, 1) for _ in range(3))
        self.out = nn.Conv2d(channels // 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        theta, phi, g = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        attention = F.softmax(torch.matmul(theta.permute(0, 2, 1), phi), dim=-1)
        y = torch.matmul(attention, g.permute(0, 2, 1)).permute(0, 2, 1).contiguous()
        return x + self.out(y.view(x.shape[0], -1, *x.shape[2:]))


class SelfSimilar(nn.Module):
    """A position and a channel attention with q = k = v and no gamma."""

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        flat = x.view(b, c, h * w)
        positions = torch.bmm(flat.transpose(1, 2), flat).softmax(dim=-1)
        channels = torch.bmm(flat, flat.transpose(1, 2)).softmax(dim=-1)
        return torch.bmm(flat, positions.transpose(1, 2)).view_as(x) + torch.bmm(channels, flat).view_as(x)


class Trunk(nn.Module):
    """Two convolutions, a module, and a head."""

    def __init__(self, module: nn.Module, channels: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, 4, 1), nn.BatchNorm2d(channels), nn.SiLU())
        self.attend = module
        self.head = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attend(self.stem(x)).mean((2, 3)))


class VitAttention(nn.Module):
    def __init__(self, width: int, heads: int, how: str) -> None:
        super().__init__()
        self.heads, self.how = heads, how
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, width = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scale = q.shape[-1] ** -0.5
        if self.how == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v)
        elif self.how == "einsum":
            y = torch.einsum("bhij,bhjc->bhic", (torch.einsum("bhic,bhjc->bhij", q, k) * scale).softmax(-1), v)
        else:
            logits = (q * scale) @ k.transpose(-2, -1) if self.how == "before" else (q @ k.mT) * scale
            if self.how == "bias":
                logits = logits + torch.linspace(0, 3, n)
            if self.how == "clamped":
                logits = logits.clamp(-0.1, 0.1)
            if self.how == "talking heads":
                logits = torch.einsum("bhij,hg->bgij", logits, torch.linspace(0, 1, self.heads**2).view(3, 3))
            y = logits.softmax(dim=-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, n, width))


class Vit(nn.Module):
    def __init__(self, how: str, width: int = 24, heads: int = 3, prefix: int = 1) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.prefix = nn.Parameter(torch.randn(1, prefix, width))
        self.norm, self.attn = nn.LayerNorm(width), VitAttention(width, heads, how)
        self.head = nn.Linear(width, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.prefix.expand(x.shape[0], -1, -1), x), dim=1)
        x = x + self.attn(self.norm(x))
        return self.head(x[:, 0])


class Patches(nn.Module):
    """Cuts a picture into 16 x 16 patches by views, as einops does."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.embed = nn.Linear(3 * 16 * 16, width)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        patches = x.reshape(b, c, h // 16, 16, w // 16, 16).permute(0, 2, 4, 3, 5, 1)
        return self.embed(patches.reshape(b, (h // 16) * (w // 16), 16 * 16 * c)).transpose(1, 2)


def vit_of_cut_patches() -> nn.Module:
    net = Vit("after")
    net.patch = Patches()
    return net


class Encoder(nn.Module):
    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 16, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=batch_first)
        self.batch_first = batch_first

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2)
        tokens = tokens.transpose(1, 2) if self.batch_first else tokens.permute(2, 0, 1)
        return self.layer(tokens).mean(1 if self.batch_first else 0)


def resnet_with_cbam() -> nn.Module:
    from torchvision.models import resnet18

    net = resnet18(weights=None)
    net.layer2 = nn.Sequential(net.layer2, InlineCbam())
    return net
