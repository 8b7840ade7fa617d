"""Explanations built by hand, without a network: small arrays with known values."""

from dataclasses import replace
from typing import Any

import numpy as np

from attnviz.inputs.geometry import Geometry
from attnviz.inputs.preprocess import Preprocessing
from attnviz.position_attention import PositionAttention
from attnviz.results import (
    AttentionMap,
    ChannelAttention,
    ChannelGate,
    Explanation,
    ModelInfo,
    Prediction,
    Segmentation,
    StageAttention,
)

SHA256 = "0123456789abcdef" * 4
PREPROCESSING = Preprocessing(size=64, multiple=16)


def photo(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """A smooth picture with a bright square in it, RGB uint8."""
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([rows * 200 // height, columns * 200 // width, np.full_like(rows, 60)], axis=-1).astype(np.uint8)
    picture[height // 4 : height // 2, width // 4 : width // 2] = (230, 210, 80)
    noise = np.random.default_rng(seed).integers(0, 20, picture.shape, dtype=np.uint8)
    return picture + noise


def attention(label: str, values: np.ndarray, **changes: Any) -> AttentionMap:
    stage = int(label[5]) if label.startswith("stage") else None
    gain = label.endswith("gain")
    fields: dict[str, Any] = {
        "label": label,
        "title": f"Stage {stage} · {'effective gain' if gain else 'spatial logit'}",
        "kind": "effective_gain" if gain else "spatial_logit",
        "values": np.asarray(values, dtype=np.float32),
        "unit": "×" if gain else "logit",
        "bounds": (1.0, 2.0) if gain else (None, None),
        "stage": stage,
        "stride": 4,
    }
    return AttentionMap(**{**fields, **changes})


def stage(number: int, grid: tuple[int, int], channels: int = 8) -> StageAttention:
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[0 : grid[0], 0 : grid[1]]
    bump = np.exp(-((rows / grid[0] - 0.4) ** 2 + (columns / grid[1] - 0.4) ** 2) * 4 * number)
    spatial = (4 * bump - 2 + rng.normal(0, 1.0 / number, grid)).astype(np.float32)
    channel = rng.normal(0, 1, channels).astype(np.float32)
    gates = 1 / (1 + np.exp(-(spatial[None] + channel[:, None, None])))
    return StageAttention(
        stage=number,
        stride=4 * 2 ** (number - 1),
        fusion="sum",
        spatial_logit=attention(f"stage{number}.spatial_logit", spatial),
        channel_logit=channel,
        gain=attention(f"stage{number}.gain", 1 + gates.mean(axis=0)),
    )


def model_info(**changes: Any) -> ModelInfo:
    fields: dict[str, Any] = {
        "name": "tiny_bam",
        "architecture": "BAM-ResNet18, width 8",
        "task": "classification",
        "sha256": SHA256,
        "trained": True,
        "device": "cpu",
    }
    return ModelInfo(**{**fields, **changes})


def bam(height: int = 96, width: int = 128, **changes: Any) -> Explanation:
    """A BAM-ResNet's explanation: grids of 16 x 20, 8 x 10 and 4 x 5."""
    picture = photo(height, width)
    fields: dict[str, Any] = {
        "photo": picture,
        "network_image": photo(64, 80),
        "geometry": Geometry((height, width), (0, 0, width, height), (64, 80)),
        "model": model_info(),
        "predictions": (Prediction("Egyptian cat", 0.874), Prediction("tabby, tabby cat", 0.06)),
        "stages": tuple(stage(n, (16 // 2 ** (n - 1), 20 // 2 ** (n - 1))) for n in (1, 2, 3)),
        "preprocessing": PREPROCESSING,
    }
    return Explanation(**{**fields, **changes})


CLASSES = ("sky", "building", "road", "tree", "car")


def danet(height: int = 96, width: int = 128, **changes: Any) -> Explanation:
    """A DANet's explanation on a grid of 8 x 10: the top half is sky, below it road, a car at the right."""
    rng = np.random.default_rng(7)
    grid, size = (8, 10), (64, 80)
    cells = np.zeros(grid, dtype=np.uint8)
    cells[4:] = 2
    cells[5:7, 7:9] = 4
    labels = cells.repeat(8, axis=0).repeat(8, axis=1)
    codes = rng.normal(0, 1.5, (5, 6)).astype(np.float32)
    query = codes[cells].transpose(2, 0, 1) + rng.normal(0, 0.4, (6, *grid)).astype(np.float32)
    key = codes[cells].transpose(2, 0, 1) + rng.normal(0, 0.4, (6, *grid)).astype(np.float32)
    energy = rng.normal(0, 1, (12, 12))
    matrix = np.exp(energy) / np.exp(energy).sum(axis=1, keepdims=True)
    output = rng.normal(0, 1, (12, *grid)).astype(np.float32)
    position = PositionAttention(query.astype(np.float32), key.astype(np.float32), 0.4, 8)
    channel = ChannelAttention(matrix.astype(np.float32), output, np.abs(output).mean((1, 2)), 0.3, 8)
    fields: dict[str, Any] = {
        "predictions": (),
        "stages": (),
        "model": model_info(name="tiny_danet", architecture="DANet-ResNet18", task="segmentation"),
        "positions": {"position": position},
        "channel": channel,
        "segmentation": Segmentation(CLASSES, {h: labels for h in ("fused", "position", "channel")}, cells),
        "geometry": Geometry((height, width), (0, 0, width, height), size),
    }
    return bam(height, width, **{**fields, **changes})


SECOND = "stage2.position"


def two_attentions(**changes: Any) -> Explanation:
    """As `danet`, with a second position attention on a grid of 4 x 5, called `SECOND`."""
    explanation = danet(**changes)
    rng = np.random.default_rng(8)
    query, key = (rng.normal(0, 1, (3, 4, 5)).astype(np.float32) for _ in range(2))
    positions = {**explanation.positions, SECOND: PositionAttention(query, key, 0.2, 16)}
    return replace(explanation, positions=positions)


def gated(channels: int = 6) -> Explanation:
    """An SE network's explanation: two gates in stage 1, one in stage 2, and no map."""
    gates = {}
    for label in ("stage1.block1.channel_gate", "stage1.block2.channel_gate", "stage2.block1.channel_gate"):
        values = np.linspace(0.1, 0.9, channels, dtype=np.float32)
        gates[label] = ChannelGate(label, label, values, int(label[5]), 4)
    return bam(stages=(), channel_gates=gates)


def many_classes(height: int = 96, width: int = 128) -> Explanation:
    """As `danet`, with 300 classes: number 299 to the left, 43 (which is 299 modulo 256) to the right."""
    cells = np.full((8, 10), 43, dtype=np.uint16)
    cells[:, :6] = 299
    labels = cells.repeat(8, axis=0).repeat(8, axis=1)
    segmentation = Segmentation(tuple(f"thing {i}" for i in range(300)), {"fused": labels}, cells)
    return danet(height, width, segmentation=segmentation)


def untrained(explanation: Explanation) -> Explanation:
    return replace(explanation, model=replace(explanation.model, trained=False, sha256=None))


def vit(
    *, layers: int = 3, heads: int = 2, grid: tuple[int, int] = (4, 5), others: int = 1, **fields: Any
) -> Explanation:
    """A vision transformer's layers as `find_attention` labels them, with a class token before the locations."""
    rng = np.random.default_rng(0)

    def layer() -> PositionAttention:
        query, key = (rng.normal(size=(heads, 4, *grid)).astype(np.float32) for _ in range(2))
        tokens = [rng.normal(size=(heads, 4, others)).astype(np.float32) if others else None for _ in range(2)]
        return PositionAttention(query, key, 1.0, 16, *tokens, class_token=others > 0)

    positions = {f"blocks.{number}.attn.attention": layer() for number in range(layers)}
    return replace(bam(), stages=(), positions=positions, **fields)
