"""What was measured, beside the figure: in the folder, in the recipe, in nobody's way when that is made again."""

import json

import pytest

import attnviz
from attnviz.errors import OptionError
from attnviz.save.replay import replay

MODEL = {"model": "bam_resnet18_w32", "device": "cpu", "size": 64}


@pytest.fixture(scope="module")
def found(photo_path):
    return attnviz.evidence(photo_path, **MODEL)


def test_it_lies_beside_the_figure_and_in_the_recipe(photo_path, found, tmp_path):
    explanation = attnviz.explain(photo_path, **MODEL)
    paths = explanation.save(tmp_path, ["png", "npz"], photo=photo_path, evidence=found)
    names = ["figure.png", "maps.npz", "evidence.json", "manifest.json"]
    assert [path.name for path in paths] == names
    document = json.loads((tmp_path / "evidence.json").read_text(encoding="ascii"))
    assert document.pop("schema") == "attnviz evidence 1"
    assert document == found.to_json()
    assert json.loads((tmp_path / "manifest.json").read_text())["files"] == names[:-1]
    report = replay(tmp_path / "manifest.json", out_dir=tmp_path / "again", device="cpu")
    assert report.figure_identical is True
    assert report.identical
    assert {path.name for path in report.files} == {"figure.png", "maps.npz", "manifest.json"}


def test_anything_else_is_refused_before_a_file_is_written(photo_path, tmp_path):
    with pytest.raises(OptionError, match=r"expected what attnviz\.evidence measured as evidence, got dict"):
        attnviz.explain(photo_path, **MODEL).save(tmp_path, ["npz"], evidence={"verdict": []})
    assert list(tmp_path.iterdir()) == []


def test_without_it_nothing_is_written_of_it(photo_path, tmp_path):
    paths = attnviz.explain(photo_path, **MODEL).save(tmp_path, ["npz"])
    assert [path.name for path in paths] == ["maps.npz", "manifest.json"]
