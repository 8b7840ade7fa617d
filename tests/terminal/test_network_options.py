"""A network of one's own on the command line: explained, listed, served; and what is wrong is one line."""

import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

from attnviz.errors import OptionError
from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.terminal.app import app
from attnviz.terminal.network_options import NetworkRequest, own_networks, requested_network
from tests.models.own.files import net_file, weights_of

SMALL = ["--size", "64", "--device", "cpu"]
QUICK = [*SMALL, "--width", "60", "--dpi", "50"]


def invoke(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def cat(tmp_path, photo_path):
    return shutil.copy(photo_path, tmp_path / "cat.jpg")


@pytest.fixture
def net_py(tmp_path):
    return f"{net_file(tmp_path)}:build"


def test_a_photo_through_a_network_in_a_file_with_weights(tmp_path, cat, net_py):
    torch.save({"state_dict": weights_of(tmp_path)}, tmp_path / "my.pt")
    own = ["--model", net_py, "--weights", tmp_path / "my.pt", "--mean", "0.5", "--std", "0.2,0.2,0.3"]
    result = invoke("explain", cat, "-o", tmp_path / "out", "-f", "png,npz,html", "--json", *own, *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert (document["model"]["name"], document["model"]["trained"]) == ("my_net.py:build", True)
    assert document["photos"][0]["maps"]["spatial_gate"]["shape"] == [16, 24]
    recipe = json.loads((tmp_path / "out" / "cat" / "manifest.json").read_text())
    assert recipe["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert recipe["preprocessing"]["std"] == [0.2, 0.2, 0.3]
    assert str(tmp_path) not in json.dumps(recipe["model"])


def test_random_weights_are_said_on_every_output(tmp_path, cat):
    own = ["--model", "torchvision:resnet18", "--random-weights"]
    result = invoke("explain", cat, "-o", tmp_path / "out", "-f", "svg,html", "--json", "--caption", *own, *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["model"]["trained"] is False
    folder = tmp_path / "out" / "cat"
    assert "random weights" in (folder / "figure.svg").read_text()
    assert '"trained":false' in (folder / "viewer.html").read_text().replace(" ", "")
    recipe = json.loads((folder / "manifest.json").read_text())
    assert recipe["model"]["trained"] is False
    assert "it was not trained" in recipe["caption"]
    line = invoke("explain", cat, "-o", tmp_path / "again", "-f", "npz", *own, *QUICK).stdout
    assert "random weights" in line


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--weights", "my.pt"], 2, "expected --model FILE.py:NAME (runs the file), timm:NAME"),
        (["--random-weights"], 2, f"for --random-weights, got {DEFAULT_MODEL}"),
        (["--model", "NET", "--mean", "0.5,0.5"], 2, "Invalid value for --mean"),
        (["--model", "NET", "--std", "1,2,x"], 2, "Invalid value for --std"),
        (["--model", "NET", "--std", "0"], 2, "std of three positive numbers"),
        (["--model", "NET", "--random-weights"], 2, "which makes its own"),
        (["--model", "NET", "--weights", "none.pt"], 1, "none.pt, which is not there"),
        (["--model", "missing.py:build"], 2, "missing.py, which is not there"),
        (["--model", "timm:resnet1x8"], 2, "there is"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("command", ["explain", "sites"])
def test_what_cannot_be_had_is_said_before_the_first_photo(tmp_path, cat, net_py, command, args, code, words):
    more = ["-o", tmp_path / "out"] if command == "explain" else []
    result = invoke(command, cat, *more, *[net_py if arg == "NET" else arg for arg in args])
    assert result.exit_code == code
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


# --- sites ----------------------------------------------------------------------------------------------------------


def test_sites_are_a_table(net_py, cat):
    result = invoke("sites", "--model", net_py, *SMALL, cat)
    assert (result.exit_code, result.stderr) == (0, "")
    head, row = result.stdout.splitlines()
    assert head.split()[:2] == ["label", "kind"]
    assert row.split()[:5] == ["spatial_gate", "spatial_gate", "16", "x", "24"]
    assert "my_net.py:" in row


def test_sites_are_json_without_a_photo(net_py):
    result = invoke("sites", "--model", net_py, *SMALL, "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], document["input"]) == ("attnviz sites 1", [64, 64])
    assert document["model"] == {"name": "my_net.py:build", "trained": False, "device": "cpu"}
    assert [(site["label"], site["kind"], site["grid"]) for site in document["sites"]] == [
        ("spatial_gate", "spatial_gate", [16, 16])
    ]


def test_sites_of_a_network_without_any_lists_modules():
    result = invoke("sites", "--model", "torchvision:resnet18", "--random-weights", *SMALL)
    assert result.exit_code == 0
    assert result.stdout.startswith("No attention was found. Modules that could be watched instead: ")
    assert "layer4" in result.stdout


def test_sites_of_weights_known_by_name():
    assert "gate" in invoke("sites", *SMALL).stdout


# --- serve ----------------------------------------------------------------------------------------------------------


def test_the_page_is_given_the_network(monkeypatch, net_py):
    given = []
    monkeypatch.setattr("attnviz.serve.app.serve", lambda demo, **options: None)
    monkeypatch.setattr("attnviz.serve.app.build_ui", given.extend)
    result = invoke("serve", "--model", net_py, "--title", "Mine", "--size", "64", "--mean", "0.5")
    assert (result.exit_code, result.stderr) == (0, "")
    (loaded,) = given
    assert (loaded.card.name, loaded.card.title) == ("my_net.py:build", "Mine")
    assert (loaded.card.preprocessing.size, loaded.card.preprocessing.mean) == (64, (0.5, 0.5, 0.5))


def test_without_a_network_the_page_is_given_none():
    assert own_networks(NetworkRequest()) == []


@pytest.mark.parametrize("choice", [{"title": "Mine"}, {"size": 64}, {"random_weights": True}], ids=str)
def test_a_choice_without_a_network_is_refused(choice):
    with pytest.raises(OptionError, match="got none"):
        own_networks(NetworkRequest(**choice))


def test_weights_known_by_name_are_loaded_as_ever():
    assert requested_network(NetworkRequest(device="cpu")).card.name == DEFAULT_MODEL


def test_what_a_network_prints_is_no_result(tmp_path, cat):
    file = net_file(tmp_path)
    text = file.read_text(encoding="utf-8").replace(
        "        x = self.stem(x)", "        print('noise')\n        x = self.stem(x)", 1
    )
    file.write_text("print('noise')\n" + text.replace('"""Somebody\'s network."""', ""), encoding="utf-8")
    for command in (["explain", cat, "-o", tmp_path / "out", "-f", "npz"], ["sites"]):
        result = invoke(*command, "--json", "--model", f"{file}:build", *SMALL)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)
        assert "noise" in result.stderr
