"""A network comes out of the file that was named, what fails is one sentence, and nothing of the loading stays."""

import sys

import pytest
import torch
from torch import nn

from attnviz.errors import ModelError, UnknownModelError
from attnviz.models.own.from_python_file import from_python_file, names_python_file
from tests.models.own.files import NET, net_file


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("net.py:build", True),
        ("/a/b c/net.py:Net", True),
        ("C:\\nets\\net.py:build", True),
        ("net.py", False),
        ("timm:resnet18", False),
        ("weights.pth", False),
        ("net.pyc:build", False),
    ],
)
def test_names_of_files(name, yes):
    assert names_python_file(name) is yes


@pytest.mark.parametrize("attribute", ["build", "net", "Net"])
def test_a_function_a_network_or_its_class(tmp_path, attribute):
    found = from_python_file(f"{net_file(tmp_path)}:{attribute}")
    assert isinstance(found.net, nn.Module)
    assert (found.name, found.trained, found.categories) == (f"my_net.py:{attribute}", False, ())
    assert str(tmp_path) not in found.source


def test_weights_that_the_file_loads_itself_are_not_random(tmp_path):
    original = nn.Module.load_state_dict
    assert from_python_file(f"{net_file(tmp_path)}:loads").trained
    assert nn.Module.load_state_dict is original


def test_the_file_may_import_what_lies_beside_it(tmp_path):
    (tmp_path / "beside_my_net.py").write_text("CLASSES = 4\n", encoding="utf-8")
    text = f"{NET}\nfrom beside_my_net import CLASSES\n\n\ndef four():\n    return Net(CLASSES)\n"
    before = list(sys.path)
    try:
        assert from_python_file(f"{net_file(tmp_path, text=text)}:four").net.head.out_features == 4
    finally:
        sys.modules.pop("beside_my_net", None)
    assert sys.path == before


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("nothing", r"expected nothing in my_net\.py, got none there"),
        ("", r"expected a name in my_net\.py"),
        ("number", r"network or a function that makes one, got a int"),
        ("needs_arguments", r"when called with nothing, got TypeError: .*classes"),
        ("gives_text", r"expected a torch\.nn\.Module from my_net\.py:gives_text, got a str"),
        ("fails", r"got ValueError: no GPU$"),
        ("leaves", r"got SystemExit: 3"),
    ],
)
def test_what_gives_no_network_is_refused_in_one_sentence(tmp_path, attribute, words):
    original, before = nn.Module.load_state_dict, list(sys.path)
    with pytest.raises(ModelError, match=words) as caught:
        from_python_file(f"{net_file(tmp_path)}:{attribute}")
    assert "\n" not in str(caught.value)
    assert nn.Module.load_state_dict is original
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def build(:\n", "SyntaxError"),
        ("import no_such_package_here\n", "ModuleNotFoundError: .*no_such_package_here"),
        ("raise SystemExit('bye')\n", "SystemExit: bye"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_file_that_does_not_run_is_refused_and_forgotten(tmp_path, text, words):
    with pytest.raises(ModelError, match=rf"expected broken\.py to run, got {words}"):
        from_python_file(f"{net_file(tmp_path, 'broken.py', text)}:build")
    assert "attnviz_own_broken" not in sys.modules


@pytest.mark.parametrize("file", ["missing.py", "folder.py", "nul\0.py"])
def test_there_must_be_a_file(tmp_path, file):
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UnknownModelError, match="which is not there"):
        from_python_file(f"{tmp_path / file}:build")


def test_the_random_numbers_of_the_file_are_its_own(tmp_path):
    path = net_file(tmp_path)
    one, other = (from_python_file(f"{path}:build").net for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
