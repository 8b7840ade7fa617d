"""Explanations made by hand from seeded numbers, for tests that need no network."""

import dataclasses

import numpy as np

from attnviz.inputs.geometry import Geometry
from attnviz.inputs.preprocess import Preprocessing
from attnviz.results import (
    AttentionMap,
    ChannelAttention,
    ChannelGate,
    Explanation,
    ModelInfo,
    PositionAttention,
    Prediction,
    Segmentation,
    StageAttention,
)

HOSTILE = '</script><img src=x onerror="window.pwned=1">${window.pwned=1}'


def floats(rng, *shape, scale=1.0):
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def photo(height, width, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 90 * np.sin(x / (9 + 7 * i) + i) * np.cos(y / (13 - 2 * i)) for i in range(3)]
    return np.clip(np.stack(waves, axis=-1) + 2 * rng.standard_normal((height, width, 3)), 0, 255).astype(np.uint8)


def model_info(**changes):
    told = {"name": "made", "architecture": "made by hand", "task": "classification", "sha256": "0" * 64}
    return ModelInfo(**{**told, "trained": True, "device": "cpu", **changes})


def a_map(label, values, *, kind="effective_gain", unit="x", bounds=(1.0, 2.0), stage=1, stride=4):
    return AttentionMap(label, label.replace(".", " "), kind, values, unit, bounds, stage, stride)


def stage(rng, number, grid, channels, fusion="sum"):
    stride = 2 ** (number + 1)
    spatial = floats(rng, *grid)
    logit = floats(rng, channels)
    fused = spatial[None] + logit[:, None, None] if fusion == "sum" else spatial[None] * logit[:, None, None]
    gain = (1 + 1 / (1 + np.exp(-fused))).mean(axis=0).astype(np.float32)
    told = {"stage": number, "stride": stride}
    return StageAttention(
        stage=number,
        stride=stride,
        fusion=fusion,
        spatial_logit=a_map(
            f"stage{number}.spatial_logit", spatial, kind="spatial_logit", unit="logit", bounds=(None, None), **told
        ),
        channel_logit=logit,
        gain=a_map(f"stage{number}.gain", gain, **told),
    )


def bam(height=96, width=128, seed=0, fusion="sum", **info):
    """A classification network with three BAMs."""
    rng = np.random.default_rng(seed)
    grids = [(height // s, width // s) for s in (4, 8, 16)]
    return Explanation(
        photo=photo(height, width, seed),
        network_image=photo(height, width, seed),
        preprocessing=Preprocessing(size=64, multiple=8),
        geometry=Geometry((height, width), (0, 0, width, height), (height, width)),
        model=model_info(**info),
        predictions=(Prediction("tabby cat", 0.61), Prediction("lynx", 0.2), Prediction("a very long name " * 4, 0.01)),
        stages=tuple(stage(rng, i + 1, grids[i], 16 * 2**i, fusion) for i in range(3)),
    )


def sge(height=96, width=128, seed=0, blocks=(2, 2, 2, 2), **info):
    """A classification network with a gate in every block and no BAM."""
    rng = np.random.default_rng(seed)
    maps = []
    for i, count in enumerate(blocks):
        stride = 4 * 2**i
        for block in range(count):
            gate = rng.random((height // stride, width // stride), dtype=np.float32)
            title = f"layer{i + 1}.{block}.sge (mean of groups)"
            told = {"kind": "group_gate", "unit": "gate", "bounds": (0.0, 1.0), "stage": i + 1, "stride": stride}
            maps.append(dataclasses.replace(a_map(f"layer{i + 1}.{block}.sge", gate, **told), title=title))
    return dataclasses.replace(bam(height, width, seed, **info), stages=(), other_maps=tuple(maps))


def se(height=96, width=128, seed=0, blocks=(1, 2), **info):
    """A classification network with gates per channel in every block, and no map of places."""
    rng = np.random.default_rng(seed)
    gates = {}
    for i, count in enumerate(blocks):
        for block in range(count):
            label = f"stage{i + 1}.block{block + 1}.channel_gate"
            values = (1 / (1 + np.exp(-2 * floats(rng, 16 * 2**i)))).astype(np.float32)
            gates[label] = ChannelGate(label, f"Stage {i + 1}, block {block + 1}", values, i + 1, 4 * 2**i)
    return dataclasses.replace(bam(height, width, seed, **info), stages=(), channel_gates=gates)


def danet(height=96, width=128, seed=0, *, grid=None, channels=16, features=24, names=("road", "sky", "tree"), **info):
    """A segmentation network with both attentions of DANet; queries and keys follow place, so rows differ."""
    rng = np.random.default_rng(seed)
    grid = grid or (height // 8, width // 8)
    mixed = floats(rng, channels, 6, scale=1.2)
    y, x = np.mgrid[0 : grid[0], 0 : grid[1]].astype(np.float32)
    y, x = y / grid[0] * 2 - 1, x / grid[1] * 2 - 1
    places = np.stack([x, y, x * y, np.sin(4 * x), np.cos(4 * y), np.ones_like(x)])
    key = np.einsum("cp,phw->chw", mixed, places).astype(np.float32)
    query = (0.4 * key + floats(rng, channels, *grid, scale=0.1)).astype(np.float32)
    matrix = np.exp(2 * floats(rng, features, features))
    cells = (np.digitize(y + 0.3 * np.sin(3 * x), (-0.3, 0.4)) % len(names)).astype(np.uint8)
    labels = np.repeat(np.repeat(cells, -(-height // grid[0]), 0), -(-width // grid[1]), 1)[:height, :width]
    output = floats(rng, features, *grid)
    return Explanation(
        photo=photo(2 * height, 2 * width, seed),
        network_image=photo(height, width, seed),
        preprocessing=Preprocessing(size=64, multiple=8),
        geometry=Geometry((2 * height, 2 * width), (0, 0, 2 * width, 2 * height), (height, width)),
        model=model_info(task="segmentation", **info),
        positions={"position": PositionAttention(query=query, key=key, gamma=-0.07, stride=8)},
        channel=ChannelAttention(
            matrix=(matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32),
            output=output,
            effect=np.abs(output).mean(axis=(1, 2)).astype(np.float32),
            gamma=0.31,
            stride=8,
        ),
        segmentation=Segmentation(
            categories=names, labels=dict.fromkeys(("fused", "position", "channel"), labels), cells=cells
        ),
    )


def detr(height=96, width=128, seed=0, *, queries=7, heads=2, channels=5, layers=2, others=0):
    """A detector: object queries that look at the photo, in some layers; and a layer whose queries are finer places."""
    rng = np.random.default_rng(seed)
    grid = (height // 32, width // 32)

    def attention(*of_queries, stride=32):
        return PositionAttention(
            query=floats(rng, heads, channels, *of_queries),
            key=floats(rng, heads, channels, *grid, scale=1.5),
            gamma=1.0,
            stride=stride,
            other_key=floats(rng, heads, channels, others) if others else None,
        )

    objects = {f"decoder.{i}.attention": attention(queries, 1) for i in range(layers)}
    places = {"reduced.attention": attention(2 * grid[0], 2 * grid[1])}
    made = bam(height, width, seed)
    return dataclasses.replace(made, stages=(), predictions=(), cross_attentions={**places, **objects})
