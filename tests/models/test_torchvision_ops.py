"""torchvision must import beside any torch, whole or with operators missing; each case in a fresh process."""

import subprocess
import sys
import textwrap

import pytest


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300
    )


def test_transforms_models_and_reloading_work() -> None:
    done = _run(
        """
        import importlib
        from attnviz.models import torchvision_ops
        from attnviz.models.torchvision_ops import torchvision
        first = torchvision_ops.DECLARED
        importlib.reload(torchvision_ops)
        assert torchvision_ops.DECLARED is first
        import gc, torch
        gc.collect()
        assert torch.ops.torchvision.nms.default._schema.name == "torchvision::nms"
        assert torch.ops.torchvision.qnms.default._schema.name == "torchvision::qnms"
        from torchvision.transforms import functional
        picture = torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4)
        assert functional.resize(picture, [2, 2], antialias=True).shape == (3, 2, 2)
        net = torchvision.models.resnet18(weights=None).eval()
        with torch.inference_mode():
            assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
        print("fine")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_it_recovers_from_a_failed_import_of_torchvision() -> None:
    done = _run(
        """
        try:
            import torchvision
        except RuntimeError:
            pass
        from attnviz.models.torchvision_ops import torchvision
        assert torchvision.transforms.functional.to_tensor
        print("fine")
        """
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.parametrize("present", [("nms", "qnms"), ("nms",), ("qnms",)])
def test_operators_that_are_there_are_left_alone(present: tuple[str, ...]) -> None:
    done = _run(
        f"""
        import torch
        whole = torch.library.Library("torchvision", "FRAGMENT")
        for name in {present}:
            if not hasattr(torch.ops.torchvision, name):
                whole.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                whole.impl(name, lambda dets, scores, iou_threshold: scores.argsort(descending=True), "CPU")
        from attnviz.models.torchvision_ops import DECLARED, torchvision
        boxes, scores = torch.tensor([[0.0, 0, 1, 1], [5, 5, 6, 6]]), torch.tensor([0.1, 0.9])
        if "nms" in {present}:
            assert torch.ops.torchvision.nms(boxes, scores, 0.5).tolist() == [1, 0]
        if len({present}) == 2:
            assert DECLARED is None
        print("fine")
        """
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr
