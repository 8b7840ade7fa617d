import json
import re
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from attnviz.models.attention.block_attention import BlockAttention
from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.resnet import TrunkOptions
from attnviz.models.weights.card import card_fields
from attnviz.models.weights.checkpoint import save_checkpoint
from attnviz.models.weights.file_hash import file_hash
from attnviz.models.weights.registry import from_network
from attnviz.terminal.app import app


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder of weights with small networks of CBAM, SGE and SE."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for kind in ("cbam", "sge", "se"):
        torch.manual_seed(0)
        net = AttentionResNet(TrunkOptions(depth=18, width=16, attention=BlockAttention(kind, groups=8)), 5).eval()
        path = folder / f"{kind}_resnet18.safetensors"
        save_checkpoint(net, path)
        card = from_network(net, name=path.stem, device="cpu", trained=True).card
        size = replace(card.preprocessing, size=64)
        card = replace(card, path=path, sha256=file_hash(path), bytes=path.stat().st_size, preprocessing=size)
        (folder / f"{path.stem}.json").write_text(json.dumps(card_fields(card)))
    monkeypatch.setenv("ATTNVIZ_WEIGHTS", str(folder))
    return folder


def test_every_family_here_is_in_one_file_and_the_rest_is_named(weights, photo_path, tmp_path):
    out = tmp_path / "new" / "side by side.html"
    result = CliRunner().invoke(app, ["families", str(photo_path), "-o", str(out), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "CBAM (cbam_resnet18), SGE (sge_resnet18), SE (se_resnet18)" in result.output
    assert "not on this machine: BAM" in result.output
    text = out.read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [entry["family"] for entry in data["families"]] == ["CBAM", "SGE", "SE"]
    assert [entry["explanation"]["model"]["name"] for entry in data["families"]] == [
        "cbam_resnet18",
        "sge_resnet18",
        "se_resnet18",
    ]


def test_without_any_family_it_says_what_is_missing(tmp_path, monkeypatch, photo_path):
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("ATTNVIZ_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("ATTNVIZ_HOME", str(tmp_path / "none"))
    result = CliRunner().invoke(app, ["families", str(photo_path), "-o", str(tmp_path / "x.html")])
    assert result.exit_code == 2
    assert "expected a network with BAM, CBAM, SGE, SE on this machine, got none of them" in result.output
    assert not (tmp_path / "x.html").exists()


def test_figures_beside_the_page_each_by_the_name_of_its_file(weights, photo_path, tmp_path):
    names = ("a.html", "b.png", "c.pdf", "D.SVG")
    outs = [part for name in names for part in ("-o", str(tmp_path / name))]
    result = CliRunner().invoke(
        app, ["families", str(photo_path), *outs, "--device", "cpu", "--dpi", "60", "--caption"]
    )
    assert result.exit_code == 0, result.output
    starts = {"a.html": b"<!doctype html>", "b.png": b"\x89PNG", "c.pdf": b"%PDF", "D.SVG": b"<?xml"}
    assert {name: (tmp_path / name).read_bytes().startswith(start) for name, start in starts.items()} == dict.fromkeys(
        names, True
    )
    drawn = (tmp_path / "D.SVG").read_text(encoding="utf-8")
    for column in ("CBAM", "SGE", "SE"):
        assert f">{column}" in drawn
    assert "Of every stage the last" in drawn


@pytest.mark.parametrize("name", ["families", "families.jpg", "families.html.exe"])
def test_files_of_other_kinds_are_refused_before_anything_runs(weights, tmp_path, name):
    result = CliRunner().invoke(app, ["families", str(tmp_path / "no photo.jpg"), "-o", str(tmp_path / name)])
    assert result.exit_code == 2
    assert "expected a file that ends in .html, .png, .pdf, .svg, got" in result.output
