"""What is to be found in real networks, written by hand, and where the rows of their attention lie on the picture."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.observe import real_networks as real
from tests.observe.own_networks import NonLocal, seeded
from tests.observe.real_networks import on_trunk, pytorchcv, timm

Row = tuple[str, str, tuple[int, int] | None, int, str]  # label, kind, grid, heads, reason


def cbam_of(path: str, grid: tuple[int, int]) -> list[Row]:
    return [
        (f"{path}.channel_gate", "channel_gate", None, 1, ""),
        (f"{path}.spatial_gate", "spatial_gate", grid, 1, ""),
    ]


def cells(h: int, w: int) -> Tensor:
    return torch.arange(h * w).view(1, h, w, 1).float()


def whole(h: int, w: int, prefix: int = 0) -> Tensor:
    """One group of tokens: those that are no places first."""
    return torch.cat([torch.full((prefix,), -1), torch.arange(h * w)]).unsqueeze(0)


def swin_windows(side: int, window: int, shift: int) -> Tensor:
    from timm.models.swin_transformer import window_partition

    rolled = torch.roll(cells(side, side), (-shift, -shift), (1, 2))
    return window_partition(rolled, (window, window)).flatten(1).long()


def maxvit_parts(side: int, part: int, kind: str) -> Tensor:
    from timm.models import maxxvit

    return getattr(maxxvit, f"{kind}_partition")(cells(side, side), (part, part)).flatten(1).long()


def rows_of(kind: str, paths: list[str], grids: list[tuple[int, int]], heads: list[int]) -> list[Row]:
    return [(f"{p}.attention", kind, g, h, "") for p, g, h in zip(paths, grids, heads, strict=True)]


SE = [f"layer{stage}.{block}.se" for stage in (1, 2, 3, 4) for block in (0, 1)]
GRIDS = {"1": (56, 56), "2": (28, 28), "3": (14, 14), "4": (7, 7)}
UNITS = [(stage, unit) for stage in "1234" for unit in "12"]
VIT = ["blocks.0.attn", "blocks.1.attn"]
SWIN = [f"layers.{layer}.blocks.{block}.attn" for layer in (0, 1) for block in (0, 1)]
TV_SWIN = [f"features.{layer}.{block}.attn" for layer in (1, 3) for block in (0, 1)]
MAXVIT = [f"stages.0.blocks.0.{part}.attn" for part in ("attn_block", "attn_grid")]
SE_BLOCK = "stages.{}.blocks.0.{}se.channel_gate"

# name -> how it is made, its input's sides, and everything that is to be found, in order
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int], list[Row]]] = {
    "resnet50 with cbam": (real.resnet50_with_cbam, (64, 96), cbam_of("layer2.1", (8, 12))),
    "se-resnet": (
        lambda: timm("seresnet18"),
        (64, 64),
        [(f"{p}.channel_gate", "channel_gate", None, 1, "") for p in SE],
    ),
    "eca": (
        lambda: timm("resnet18", block_args={"attn_layer": "eca"}),
        (64, 64),
        [(f"{p}.channel_gate", "channel_gate", None, 1, "") for p in SE],
    ),
    "cbam-resnet": (
        lambda: timm("resnet18", block_args={"attn_layer": "cbam"}),
        (64, 64),
        [
            row
            for p in SE
            for row in (
                (f"{p}.channel.channel_gate", "channel_gate", None, 1, ""),
                (f"{p}.spatial.spatial_gate", "spatial_gate", (16 >> (int(p[5]) - 1),) * 2, 1, ""),
            )
        ],
    ),
    "pytorchcv bam": (
        lambda: pytorchcv("bam_resnet18"),
        (224, 224),
        [(f"features.stage{s}.unit1.bam.gate", "gate", GRIDS[str(s - 1)], 1, "") for s in (2, 3, 4)],
    ),
    "pytorchcv cbam": (
        lambda: pytorchcv("cbam_resnet18"),
        (224, 224),
        [
            row
            for stage, unit in UNITS
            for row in (
                (f"features.stage{stage}.unit{unit}.cbam.ch_gate.channel_gate", "channel_gate", None, 1, ""),
                (f"features.stage{stage}.unit{unit}.cbam.sp_gate.spatial_gate", "spatial_gate", GRIDS[stage], 1, ""),
            )
        ],
    ),
    "sge": (lambda: on_trunk(real.Sge()), (64, 96), [("attend.group_gate", "group_gate", (16, 24), 1, "")]),
    "attention u-net": (
        real.AttentionUnet,
        (32, 48),
        [(f"gates.{i}.spatial_gate", "spatial_gate", g, 1, "") for i, g in enumerate([(16, 24), (32, 48)])],
    ),
    "coordinate attention": (
        lambda: on_trunk(real.CoordinateAttention()),
        (64, 96),
        [(f"attend.{way}_gate", f"{way}_gate", (16, 24), 1, "") for way in ("column", "row")],
    ),
    "gc-net": (
        lambda: timm("gcresnet50t"),
        (64, 64),
        [
            (f"stages.{stage}.{block}.attn.spatial_gate", "spatial_gate", (16 >> stage,) * 2, 1, "")
            for stage, blocks in enumerate((3, 4, 6, 3))
            for block in range(blocks)
        ],
    ),
    "non-local": (lambda: on_trunk(NonLocal(16)), (32, 48), rows_of("position", ["attend"], [(8, 12)], [1])),
    "danet by hand": (lambda: on_trunk(real.DaModule()), (32, 48), rows_of("position", ["attend"], [(8, 12)], [1])),
    "criss-cross": (
        lambda: on_trunk(real.CrissCross()),
        (32, 48),
        [("attend.attention", "position", (8, 12), 1, "")],
    ),
    "detr": (
        real.Detr,
        (64, 96),
        [
            ("encoder.attention", "position", (4, 6), 2, ""),
            ("own.attention", "position", None, 1, "no grid of the picture was found in it"),
            ("cross.attention", "cross", (4, 6), 2, ""),
        ],
    ),
    "vit": (
        lambda: timm("vit_tiny_patch16_224", img_size=64, depth=2),
        (64, 64),
        rows_of("position", VIT, [(4, 4)] * 2, [3, 3]),
    ),
    "deit": (
        lambda: timm("deit_tiny_distilled_patch16_224", img_size=64, depth=2),
        (64, 64),
        rows_of("position", VIT, [(4, 4)] * 2, [3, 3]),
    ),
    "dinov2 with registers": (
        lambda: timm("vit_small_patch14_reg4_dinov2", img_size=56, depth=2),
        (56, 56),
        rows_of("position", VIT, [(4, 4)] * 2, [6, 6]),
    ),
    "eva": (
        lambda: timm("eva02_tiny_patch14_224", img_size=56, depth=2),
        (56, 56),
        rows_of("position", VIT, [(4, 4)] * 2, [3, 3]),
    ),
    "beit": (
        lambda: timm("beit_base_patch16_224", img_size=64, depth=2, embed_dim=48, num_heads=3),
        (64, 64),
        rows_of("position", VIT, [(4, 4)] * 2, [3, 3]),
    ),
    "swin": (
        lambda: timm("swin_tiny_patch4_window7_224", img_size=56, depths=(2, 2), embed_dim=24, num_heads=(3, 6)),
        (56, 56),
        rows_of("position", SWIN, [(14, 14)] * 2 + [(7, 7)] * 2, [3, 3, 6, 6]),
    ),
    "convnext": (lambda: timm("convnext_atto"), (64, 64), []),
    "transformers vit": (
        real.transformers_vit,
        (64, 64),
        rows_of("position", [f"vit.layers.{i}.attention" for i in (0, 1)], [(4, 4)] * 2, [3, 3]),
    ),
    # not thought of while the finder was written
    "torchvision vit": (
        real.torchvision_vit,
        (64, 64),
        rows_of("position", [f"encoder.layers.encoder_layer_{i}.self_attention" for i in (0, 1)], [(4, 4)] * 2, [3, 3]),
    ),
    "torchvision swin": (
        real.torchvision_swin,
        (56, 56),
        rows_of("position", TV_SWIN, [(14, 14)] * 2 + [(7, 7)] * 2, [3, 3, 6, 6]),
    ),
    "maxvit": (
        lambda: timm("maxvit_pico_rw_256", img_size=128, depths=(1,), embed_dim=(32,)),
        (128, 128),
        [
            ("stages.0.blocks.0.conv.se.channel_gate", "channel_gate", None, 1, ""),
            *rows_of("position", MAXVIT, [(32, 32)] * 2, [1, 1]),
        ],
    ),
    "coatnet": (
        lambda: timm("coatnet_nano_rw_224", img_size=64, depths=(1, 1, 1, 1), embed_dim=(32, 32, 64, 64)),
        (64, 64),
        [
            (SE_BLOCK.format(0, ""), "channel_gate", None, 1, ""),
            (SE_BLOCK.format(1, ""), "channel_gate", None, 1, ""),
            *rows_of("position", [f"stages.{i}.blocks.0.attn" for i in (2, 3)], [(4, 4), (2, 2)], [1, 2]),
        ],
    ),
    "levit": (
        lambda: timm("levit_128s", img_size=64, depth=(1, 1, 1)),
        (64, 64),
        [
            ("stages.0.blocks.0.attn.attention", "position", (4, 4), 4, ""),
            ("stages.1.downsample.attn_downsample.attention", "cross", (4, 4), 8, ""),
            ("stages.1.blocks.0.attn.attention", "position", (2, 2), 6, ""),
            ("stages.2.downsample.attn_downsample.attention", "cross", (2, 2), 16, ""),
            ("stages.2.blocks.0.attn.attention", "position", (1, 1), 8, ""),
        ],
    ),
    "segformer": (
        real.segformer,
        (64, 96),
        [
            ("stages.0.blocks.0.attention.attention", "cross", (4, 6), 1, ""),
            ("stages.1.blocks.0.attention.attention", "position", (8, 12), 2, ""),
        ],
    ),
    "cait": (
        lambda: timm("cait_xxs24_224", img_size=64, depth=1, depth_token_only=1),
        (64, 64),
        [
            ("blocks.0.attn.attention", "position", (4, 4), 4, "linear stands between product and softmax"),
            ("blocks_token_only.0.attn.attention", "cross", (4, 4), 4, ""),
        ],
    ),
    "xcit": (
        lambda: timm("xcit_nano_12_p16_224", img_size=64, depth=1, cls_attn_layers=1),
        (64, 64),
        [
            ("blocks.0.attn.attention", "position", None, 4, "its rows are channels and not places"),
            ("cls_attn_blocks.0.attn.attention", "cross", (4, 4), 4, ""),
        ],
    ),
}
_made: dict[str, nn.Module] = {}


def net_of(name: str) -> nn.Module:
    """Each network once: making one takes longer than running it."""
    if name not in _made:
        _made[name] = seeded(CASES[name][0])
    return _made[name]


def input_of(name: str, batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, *CASES[name][1], generator=torch.Generator().manual_seed(1))


# label -> path of the module whose output the gate is
GATES = {
    "se-resnet": {f"{p}.channel_gate": f"{p}.gate" for p in SE},
    "cbam-resnet": {
        **{f"{p}.channel.channel_gate": f"{p}.channel.gate" for p in SE},
        **{f"{p}.spatial.spatial_gate": f"{p}.spatial.gate" for p in SE},
    },
    "pytorchcv bam": {f"features.stage{s}.unit1.bam.gate": f"features.stage{s}.unit1.bam.sigmoid" for s in (2, 3, 4)},
    "pytorchcv cbam": {
        f"features.stage{s}.unit{u}.cbam.{kind}_gate.{name}_gate": f"features.stage{s}.unit{u}.cbam.{kind}_gate.sigmoid"
        for s, u in UNITS
        for kind, name in (("ch", "channel"), ("sp", "spatial"))
    },
    "sge": {"attend.group_gate": "attend.sig"},
    "attention u-net": {f"gates.{i}.spatial_gate": f"gates.{i}.psi.1" for i in (0, 1)},
}


# name -> of each position attention, which place each row of each of its windows is
ROWS: dict[str, list[Tensor]] = {
    "non-local": [whole(8, 12)],
    "danet by hand": [whole(8, 12)],
    "vit": [whole(4, 4, 1)] * 2,
    "deit": [whole(4, 4, 2)] * 2,
    "dinov2 with registers": [whole(4, 4, 5)] * 2,
    "eva": [whole(4, 4, 1)] * 2,
    "beit": [whole(4, 4, 1)] * 2,
    "transformers vit": [whole(4, 4, 1)] * 2,
    "torchvision vit": [whole(4, 4, 1)] * 2,
    "swin": [swin_windows(14, 7, 0), swin_windows(14, 7, 3), whole(7, 7), whole(7, 7)],
    "torchvision swin": [swin_windows(14, 7, 0), swin_windows(14, 7, 3), whole(7, 7), whole(7, 7)],
    "maxvit": [maxvit_parts(32, 4, "window"), maxvit_parts(32, 4, "grid")],
    "coatnet": [whole(4, 4), whole(2, 2)],
}
