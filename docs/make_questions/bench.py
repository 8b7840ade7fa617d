"""What the questions are asked of: the default classifier, the first DANet, sample photos, and their tensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attnviz.inputs.decode import decode
from attnviz.inputs.preprocess import preprocess
from attnviz.models.attention.bam import BAM
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, LoadedModel, list_models, load_model

Array = NDArray[np.float64]
ASSETS = Path(__file__).resolve().parents[2] / "assets"
CLASSIFIED = ("coffee", "cat")
SEGMENTED = ("street", "photographer", "coffee")  # the first that is there


@dataclass(frozen=True)
class BamTensors:
    """What went through one BAM on one photo.

    Attributes:
        stage: 1, 2 or 3.
        module: The BAM.
        features: Its input F, float32 (1, C, h, w).
        channel: c, (C,).
        spatial: s, (h, w).
        hidden: What the last dilated convolution gave, after its ReLU: (K, h, w).
    """

    stage: int
    module: BAM
    features: Tensor
    channel: Array
    spatial: Array
    hidden: Array

    @property
    def logits(self) -> Array:
        """What the sigmoid is taken of, (C, N)."""
        fuse = np.add if self.module.options.fusion == "sum" else np.multiply
        return np.asarray(fuse.outer(self.channel, self.spatial.ravel()))

    @property
    def gate(self) -> Array:
        """M, (C, N) in (0, 1)."""
        return sigmoid(self.logits)


@dataclass(frozen=True)
class DanetTensors:
    """What went through DANet's head on one photo; N = h * w.

    Attributes:
        image: The pixels the network saw, RGB uint8.
        features: A, the input of the position attention, (C, N).
        query: (C', N).
        key: (C', N).
        value: (C, N).
        output: E, (C, N).
        channel_input: The input of the channel attention, (C, N).
        classes: Predicted class of each location, (h, w).
        gammas: ``"position"``, ``"channel"``.
    """

    image: NDArray[np.uint8]
    features: Array
    query: Array
    key: Array
    value: Array
    output: Array
    channel_input: Array
    classes: NDArray[np.int64]
    gammas: Mapping[str, float]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of locations."""
        return self.classes.shape[0], self.classes.shape[1]

    @cached_property
    def attention(self) -> Array:
        """S, (N, N): each row, where one location looks, sums to 1."""
        return softmax(self.query.T @ self.key)

    def two_of_one_class(self) -> tuple[int, int]:
        """Two locations of the most frequent class that lie far apart: its first and its last, inside the picture."""
        height, width = self.grid
        inside = np.zeros((height, width), dtype=bool)
        inside[height // 6 : -height // 6 or None, width // 8 : -width // 8 or None] = True
        counts = np.bincount(self.classes[inside])
        where = np.flatnonzero((self.classes == counts.argmax()) & inside)
        columns = where % width
        return int(where[columns.argmin()]), int(where[columns.argmax()])


def sigmoid(x: Array) -> Array:
    """Without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def softmax(energy: Array) -> Array:
    """Over the last axis."""
    weights = np.exp(energy - energy.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def odd_share(energy: Array) -> float:
    """Share of the antisymmetric part in a square matrix, of the norms of both parts: 0, it is symmetric."""
    odd, even = energy - energy.T, energy + energy.T
    return float(np.linalg.norm(odd) / (np.linalg.norm(odd) + np.linalg.norm(even)))


def rank_correlation(one: Array, other: Array) -> float | None:
    """Spearman's, ties by their order; None where one of them is the same everywhere."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    ranks = [values.ravel().argsort(kind="stable").argsort(kind="stable") for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


class Bench:
    """Both networks, loaded once, and what they computed for the sample photos, computed once."""

    @cached_property
    def classifier(self) -> LoadedModel:
        """The default model."""
        return load_model(DEFAULT_MODEL, device="cpu")

    @cached_property
    def segmenter(self) -> LoadedModel:
        """The first DANet that is shipped."""
        return load_model(first_danet().name, device="cpu")

    @cached_property
    def scene(self) -> str:
        """Name of the photo for DANet."""
        return next(name for name in SEGMENTED if (ASSETS / f"{name}.jpg").is_file())

    @cache  # noqa: B019 - one bench lives as long as the program
    def bams(self, photo: str) -> tuple[BamTensors, ...]:
        """The three BAMs of the classifier on one photo, in order."""
        net = self.classifier.net
        names = [f"bam{stage}.{part}" for stage in (1, 2, 3) for part in ("channel_att", "spatial_att")]
        last = [f"bam{stage}.spatial_att.gate_s.gate_s_conv_final" for stage in (1, 2, 3)]
        seen = watch(net, network_input(self.classifier, photo)[0], [*names, *last])
        found = []
        for stage in (1, 2, 3):
            (features,), channel = seen[f"bam{stage}.channel_att"]
            (hidden,), _ = seen[last[stage - 1]]
            spatial = numbers(seen[f"bam{stage}.spatial_att"][1])[0, 0]
            module = net.get_submodule(f"bam{stage}")
            found.append(BamTensors(stage, module, features, numbers(channel).ravel(), spatial, numbers(hidden)[0]))
        return tuple(found)

    @cached_property
    def danet(self) -> DanetTensors:
        """DANet's head on its photo."""
        x, image = network_input(self.segmenter, self.scene)
        net = self.segmenter.net
        parts = ("head.sa", "head.sa.query_conv", "head.sa.key_conv", "head.sa.value_conv", "head.sc", "head.conv8")
        seen = watch(net, x, parts)

        def flat(tensor: Tensor) -> Array:
            return numbers(tensor)[0].reshape(tensor.shape[1], -1)

        return DanetTensors(
            image=image,
            features=flat(seen["head.sa"][0][0]),
            query=flat(seen["head.sa.query_conv"][1]),
            key=flat(seen["head.sa.key_conv"][1]),
            value=flat(seen["head.sa.value_conv"][1]),
            output=flat(seen["head.sa"][1]),
            channel_input=flat(seen["head.sc"][0][0]),
            classes=numbers(seen["head.conv8"][1])[0].argmax(axis=0),
            gammas=net.gammas,
        )


def first_danet() -> ModelCard:
    """The card of the first DANet that is shipped."""
    return next(c for c in list_models().values() if c.status == "shipped" and c.config["architecture"] == "DANet")


def network_input(loaded: LoadedModel, photo: str) -> tuple[Tensor, NDArray[np.uint8]]:
    """A sample photo as a network takes it, float32 (1, 3, h, w), and as pixels."""
    x, image, _ = preprocess(decode(ASSETS / f"{photo}.jpg"), loaded.card.preprocessing, min_size=loaded.card.min_size)
    return x, image


def numbers(tensor: Tensor) -> Array:
    """A tensor as float64, for arithmetic whose rounding is not seen."""
    return tensor.detach().double().numpy()


def watch(
    net: nn.Module, x: Tensor, names: list[str] | tuple[str, ...]
) -> dict[str, tuple[tuple[Tensor, ...], Tensor]]:
    """One forward pass: name of a submodule -> (copies of its inputs, copy of its output)."""
    seen: dict[str, tuple[tuple[Tensor, ...], Tensor]] = {}

    def keeper(name: str):  # noqa: ANN202 - a hook
        def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = (tuple(i.detach().clone() for i in inputs), output.detach().clone())

        return keep

    handles = [net.get_submodule(name).register_forward_hook(keeper(name)) for name in names]
    try:
        with torch.inference_mode():
            net(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@contextmanager
def gammas_times(net: nn.Module, factor: float) -> Iterator[None]:
    """Within it the weight of the position attention is so many times what was learned."""
    gamma = net.head.sa.gamma
    learned = gamma.detach().clone()
    with torch.no_grad():
        gamma.mul_(factor)
    try:
        yield
    finally:
        with torch.no_grad():
            gamma.copy_(learned)
