"""Python files with networks, as people write them."""

from pathlib import Path

import torch
from torch import nn

NET = '''"""Somebody's network."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 4, 1)
        self.gate = nn.Conv2d(8, 1, 1)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = self.stem(x).relu()
        x = x * torch.sigmoid(self.gate(x))
        return self.head(x.mean((2, 3)))


def build():
    torch.manual_seed(0)
    return Net()


net = build()
number = 7


def needs_arguments(classes):
    return Net(classes)


def gives_text():
    return "a network"


def fails():
    raise ValueError("no GPU\\nhere")


def leaves():
    raise SystemExit(3)


def loads():
    made = Net()
    made.load_state_dict(build().state_dict())
    return made
'''


def net_file(folder: Path, name: str = "my_net.py", text: str = NET) -> Path:
    """The file, written."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """Tensors for `NET`, which are not those that it starts with."""
    scope: dict[str, object] = {}
    exec(compile(NET, str(path), "exec"), scope)
    net = scope["net"]
    assert isinstance(net, nn.Module)
    return {name: tensor + 1 for name, tensor in net.state_dict().items()}
