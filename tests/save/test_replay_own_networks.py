"""Figures of networks of one's own: made again where their user names the network, and never run by a manifest."""

import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

from attnviz.errors import CheckpointError, OptionError, UnknownModelError
from attnviz.models.own.load import load_network
from attnviz.pipeline import explain
from attnviz.save.export import export
from attnviz.save.manifest import PhotoSource
from attnviz.save.replay import replay
from attnviz.terminal.app import app
from tests.models.own.files import NET, net_file, weights_of


@pytest.fixture
def made(tmp_path, photo_path):
    """A folder with a photo, ``evil.py``, ``my.pt``, and in ``out`` what was exported with both."""
    photo = shutil.copy(photo_path, tmp_path / "cat.jpg")
    net_file(tmp_path, "evil.py", f"import pathlib\n\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n{NET}")
    torch.save(weights_of(tmp_path), tmp_path / "my.pt")
    loaded = load_network(
        f"{tmp_path}/evil.py:build", weights=tmp_path / "my.pt", size=64, mean=[0.5] * 3, device="cpu"
    )
    export(explain(photo, loaded), tmp_path / "out", ["npz"], source=PhotoSource.of(photo))
    (tmp_path / "ran").unlink()
    return tmp_path


def changed(made, **model):
    path = made / "out" / "manifest.json"
    document = json.loads(path.read_text())
    document["model"].update(model)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("sha256", [None, "0" * 64, "as it was"])
@pytest.mark.parametrize("name", ["evil.py:build", "./evil.py:build", "FOLDER/evil.py:build", "torchvision:resnet18"])
def test_a_manifest_that_names_a_file_does_not_run_it(made, monkeypatch, name, sha256):
    monkeypatch.chdir(made)
    given = {} if sha256 == "as it was" else {"sha256": sha256}
    path = changed(made, name=name.replace("FOLDER", str(made)), **given)
    with pytest.raises(UnknownModelError, match=r"--model"):
        replay(path)
    assert not (made / "ran").exists()
    assert CliRunner().invoke(app, ["replay", str(path)]).exit_code == 1
    assert not (made / "ran").exists()


def test_whoever_names_the_network_gets_the_same_maps(made):
    report = replay(made / "out" / "manifest.json", model=f"{made}/evil.py:build", weights=made / "my.pt")
    assert report.identical
    assert [entry.label for entry in report.maps] == ["spatial_gate"]
    assert (made / "ran").exists()


def test_the_command_line_takes_it_too(made):
    named = ["--model", f"{made}/evil.py:build", "--weights", str(made / "my.pt")]
    result = CliRunner().invoke(app, ["replay", str(made / "out" / "manifest.json"), *named])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("identical: all 1 maps")


def test_other_weights_are_refused(made):
    torch.save({name: tensor + 1 for name, tensor in weights_of(made).items()}, made / "other.pt")
    with pytest.raises(CheckpointError, match="they are others now"):
        replay(made / "out" / "manifest.json", model=f"{made}/evil.py:build", weights=made / "other.pt")


def test_without_a_hash_the_maps_alone_tell(made):
    path = changed(made, sha256=None)
    assert replay(path, model=f"{made}/evil.py:build", weights=made / "my.pt").identical
    assert not replay(path, model=f"{made}/evil.py:build").close


def test_weights_need_a_network(made):
    with pytest.raises(OptionError, match="--weights"):
        replay(changed(made, name="bam_resnet18_w64"), weights=made / "my.pt")
