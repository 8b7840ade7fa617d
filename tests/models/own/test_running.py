"""Networks that do what no network should: each is explained, or refused in one sentence that says what it did."""

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz.errors import AttnvizError, ModelError
from attnviz.models.own.load import load_network
from tests.observe.own_networks import seeded

FILE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.gate, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 1, 1), nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x * torch.sigmoid(self.gate(x))).mean((2, 3)))


class Odd(Net):
    def forward(self, x{more}):
        {line}
        return super().forward(x)


def build():
    return {made}
"""


def file_with(folder, line="pass", *, more="", made="Odd()") -> str:
    (folder / "net.py").write_text(FILE.format(line=line, more=more, made=made), encoding="utf-8")
    return f"{folder / 'net.py'}:build"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 1, 1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head((x * torch.sigmoid(self.gate(x))).mean((2, 3)))


FAILING = {
    "asks": ("input('which? ')", "", "EOFError|OSError"),
    "takes two": ("pass", ", y", "TypeError: .*missing 1 required positional argument: 'y'"),
    "ends the program": ("raise SystemExit('bye')", "", "SystemExit: bye"),
    "reads a file": ("open('nowhere.txt')", "", "FileNotFoundError: .*nowhere"),
    "has no end": ("return self.forward(x)", "", "RecursionError"),
    "takes grey": ("assert x.shape[1] == 1, 'grey only'", "", "grey only; choose the size that it takes"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_file_whose_network_fails_is_refused_with_what_it_said(name, tmp_path):
    line, more, words = FAILING[name]
    with pytest.raises(ModelError, match=rf"takes an RGB picture of 64 x 64 pixels, got from Odd: .*({words})") as told:
        load_network(file_with(tmp_path, line, more=more), size=64, device="cpu")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "error", [TypeError("one too many"), SystemExit("bye"), EOFError(), ValueError("first\nsecond")]
)
def test_a_network_that_a_program_gives_and_that_fails_is_said_plainly(error, photo):
    class Failing(Net):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    with pytest.raises(
        ModelError, match=rf"RGB picture of .* pixels and nothing else, got {type(error).__name__}"
    ) as told:
        attnviz.explain(photo, Failing().eval(), size=64, device="cpu")
    assert told.value.__cause__ is error
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_is_no_fault_of_the_network_passes_as_it_is(error, photo):
    trying = True

    class Stopped(Net):
        def forward(self, x: Tensor) -> Tensor:
            if not trying:
                raise error
            return super().forward(x)

    net = Stopped().eval()
    attnviz.explain(photo, net, size=64, device="cpu")
    trying = False
    with pytest.raises(error):
        attnviz.explain(photo, net, size=64, device="cpu")


def test_an_answer_that_is_no_number_is_refused(tmp_path, photo):
    loaded = load_network(file_with(tmp_path, "return super().forward(x) * float('nan')"), size=64, device="cpu")
    with pytest.raises(ModelError, match=r"expected finite numbers at output of net\.py:build, got NaN or infinity"):
        attnviz.explain(photo, loaded)


def test_a_network_without_a_gpu_for_its_own_code_says_so(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("it would find the GPU")
    with pytest.raises(ModelError, match=r"CUDA|NVIDIA"):
        load_network(file_with(tmp_path, "x = x.cuda()"), size=64, device="cpu")


def test_weights_without_numbers_are_refused(photo):
    with torch.device("meta"):
        net = Net()
    with pytest.raises(ModelError, match="numbers in its weights, got weights without any"):
        attnviz.explain(photo, net.eval(), size=64, device="cpu")


KINDS = {
    "float64": lambda net: net.double(),
    "float16": lambda net: net.half(),
    "bfloat16": lambda net: net.bfloat16(),
    "channels last": lambda net: net.to(memory_format=torch.channels_last),
    "data parallel": nn.DataParallel,
    "compiled": lambda net: torch.compile(net, backend="eager"),
    "frozen": lambda net: net.requires_grad_(False),
    "training": lambda net: net.train(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_network_in_another_kind_is_explained_alike(kind, photo):
    plain = attnviz.explain(photo, seeded(Net), size=64, device="cpu")
    found = attnviz.explain(photo, KINDS[kind](seeded(Net)), size=64, device="cpu")
    assert [label.removeprefix("module.") for label in found.maps] == ["spatial_gate"]
    (values,) = (entry.values for entry in found.maps.values())
    assert values.dtype == "float32"
    within = 1e-2 if "float16" in kind else 1e-6
    assert abs(values - plain.maps["spatial_gate"].values).max() < within
    assert len(found.predictions) == 4


@pytest.mark.filterwarnings("ignore:.torch.jit.(script|trace).* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript_is_refused_for_the_network_it_was_made_from(how, photo):
    net = seeded(Net)
    compiled = torch.jit.script(net) if how == "script" else torch.jit.trace(net, torch.zeros(1, 3, 64, 64))
    with pytest.raises(ModelError, match=r"compiled by TorchScript.*give the network that it was made from"):
        attnviz.explain(photo, compiled, size=64, device="cpu")


def test_every_refusal_is_an_error_of_attnviz_that_leaves_the_network_as_it_was(photo):
    class Failing(Net):
        def forward(self, x: Tensor) -> Tensor:
            self.stem(x)
            raise ValueError("after the stem")

    net = Failing().train()
    with pytest.raises(AttnvizError):
        attnviz.explain(photo, net, size=64, device="cpu")
    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert torch._C._len_torch_function_stack() == 0
