"""Stem and stages 1 to 3 that are not trained, with BAM if there is any, run by OpenVINO: four times as fast."""

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
        self._compiled: object = None

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """(B, 3, H, W), always of one shape -> class logits (B, K), and nothing else."""
        if self._compiled is None:
            self._compiled = self._compile(x)
        features = torch.from_numpy(self._compiled(x.float().contiguous().numpy())[0]).clone()  # type: ignore[operator]
        features = features.contiguous(memory_format=torch.channels_last)
        net = self.net
        return net.fc(net.avgpool(net.layer4(features)).flatten(1)), {}, x.new_zeros(())  # type: ignore[operator]

    def _compile(self, x: Tensor) -> object:
        openvino = import_module("openvino")
        front = Front(self.net).eval()
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            model = openvino.convert_model(front, example_input=x.contiguous(), input=[x.shape])
        hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1}
        return openvino.Core().compile_model(model, "CPU", hints)
