"""``attnviz inside``: the tensors of a module as a table or as JSON."""

import json

import pytest
from typer.testing import CliRunner

from attnviz.terminal.app import app

BAM = ["--model", "bam_resnet18_w32", "--device", "cpu", "--size", "64"]


def invoke(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_a_table_of_every_tensor(photo_path):
    result = invoke("inside", photo_path, "--site", "stage2", *BAM)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "stage2 (BAM)"
    assert lines[1].split()[0] == "tensor"
    assert [line.split()[0] for line in lines[2:]] == ["F", "p", "h", "c", "R", "D₁", "D₂", "s", "z", "M", "F'"]
    assert "M = σ(z)" in result.stdout


def test_json_follows_the_pixel(photo_path):
    result = invoke("inside", photo_path, "--at", "1,1", "--json", *BAM)
    document = json.loads(result.stdout)
    assert (document["schema"], document["label"], document["module"]) == ("attnviz inside 1", "stage3", "BAM")
    assert document["at"] == [0, 0]
    gate = next(step for step in document["steps"] if step["symbol"] == "M")
    low, high = gate["range"]
    assert 0 <= low < gate["value"] < high <= 1
    assert gate["value_of"] == "mean"
    assert next(step for step in document["steps"] if step["symbol"] == "p")["value"] is None


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--site", "stage7"], "expected an attention module of stage1, stage2, stage3, got 'stage7'"),
        (["--at", "100000,3"], "expected a pixel that the network saw"),
        (["--at", "here"], "expected X,Y in photo pixels, got 'here'"),
    ],
)
def test_what_is_not_there_is_refused(photo_path, args, sentence):
    result = invoke("inside", photo_path, *args, *BAM)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_network_without_attention_is_refused(photo_path, tmp_path):
    (tmp_path / "plain.py").write_text("from torch import nn\n\ndef net():\n    return nn.Conv2d(3, 4, 8, stride=8)\n")
    result = invoke("inside", photo_path, "--model", f"{tmp_path / 'plain.py'}:net", "--size", "64")
    assert result.exit_code == 2
    assert "expected a network with attention" in result.stderr
