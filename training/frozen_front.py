"""Stem and stages 1 to 3 that are not trained, with BAM if there is any, run by OpenVINO: four times as fast."""

from collections.abc import Callable, Sequence
from importlib import import_module

import torch
from torch import Tensor, nn

from attnviz.models.bam_resnet import BamResNet
from attnviz.models.resnet import ResNetTrunk


class Front(nn.Module):
    """Stem and stages 1 to 3, with their BAMs."""

    def __init__(self, net: ResNetTrunk) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 256, H / 16, W / 16)."""
        net = self.net
        x = net.stem(x)
        for stage in (1, 2, 3):
            x = getattr(net, f"layer{stage}")(x)
            if isinstance(net, BamResNet):
                x = getattr(net, f"bam{stage}")(x)
        return x


class FrozenFront(nn.Module):
    """A network of which stage 4 and the classifier alone are trained; in the place of a `NoHeads`.

    Args:
        net: Without attention, or with BAM. Its first stages are compiled as they are at the first forward.
        threads: For OpenVINO.
    """

    def __init__(self, net: ResNetTrunk, threads: int) -> None:
        super().__init__()
        self.net, self.threads = net, threads
        self._front: Callable[[Tensor], Tensor] | None = None

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Class logits (B, K), and nothing else.

        Args:
            x: Views (B, 3, H, W), always of one shape, or what the front made of them, (B, 256, H / 16, W / 16).
        """
        if x.shape[1] == 3:
            self._front = self._front or compile_front(self.net, x.shape, self.threads)
            x = self._front(x)
        features = x.contiguous(memory_format=torch.channels_last)
        net = self.net
        return net.fc(net.avgpool(net.layer4(features)).flatten(1)), {}, x.new_zeros(())  # type: ignore[operator]


def compile_front(net: ResNetTrunk, shape: Sequence[int], threads: int) -> Callable[[Tensor], Tensor]:
    """The first stages as they are now, in bf16, as a function of views float32 of one shape (B, 3, H, W)."""
    openvino = import_module("openvino")
    front, example = Front(net).eval(), torch.zeros(*shape)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        model = openvino.convert_model(front, example_input=example, input=[example.shape])
    hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    return lambda x: torch.from_numpy(compiled(x.float().contiguous().numpy())[0]).clone()
