"""What was measured, beside the figure: in the folder, in the recipe, in nobody's way when that is made again."""

import dataclasses
import hashlib
import json
import re

import pytest
from PIL import Image

import attnviz
from attnviz.errors import OptionError
from attnviz.language import DEFAULT_LANGUAGE, LANGUAGES, speaker
from attnviz.measure.definitions import DEFINITIONS, definitions_json
from attnviz.measure.query_dependence import QueryDependence
from attnviz.render import figure_language
from attnviz.render.viewer.page import standalone_html
from attnviz.render.viewer.payload import payload
from attnviz.save.evidence_file import evidence_document, evidence_files
from attnviz.save.replay import replay

MODEL = {"model": "bam_resnet18_w32", "device": "cpu", "size": 64}


@pytest.fixture(scope="module")
def found(photo_path):
    return attnviz.evidence(photo_path, **MODEL)


def test_it_lies_beside_the_figure_and_in_the_recipe(photo_path, found, tmp_path):
    explanation = attnviz.explain(photo_path, **MODEL)
    paths = explanation.save(tmp_path, ["png", "npz"], photo=photo_path, evidence=found)
    names = ["figure.png", "maps.npz", "interventions.png", "curves.png", "evidence.json", "manifest.json"]
    assert [path.name for path in paths] == names
    document = json.loads((tmp_path / "evidence.json").read_text(encoding="ascii"))
    assert document.pop("schema") == "attnviz evidence 1"
    assert document.pop("definitions") == definitions_json()
    assert document == found.to_json()
    for name in ("interventions.png", "curves.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
    recipe = json.loads((tmp_path / "manifest.json").read_text())
    assert recipe["files"] == names[:-1]
    told = recipe["evidence"]
    assert told["sha256"] == hashlib.sha256((tmp_path / told["file"]).read_bytes()).hexdigest()
    assert told["verdict"] == list(found.verdict)
    assert (told["network_size"], told["box"]) == ([64, 96], None)
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


@pytest.mark.parametrize(
    ("formats", "names"),
    [
        (["npz"], []),
        (["pdf", "npz"], ["interventions.pdf", "curves.pdf"]),
        (["svg", "png"], ["interventions.png", "interventions.svg", "curves.png", "curves.svg"]),
    ],
)
def test_its_figures_are_drawn_in_the_formats_of_the_figure(found, formats, names):
    files = evidence_files(found, formats)
    assert list(files) == [*names, "evidence.json"]
    assert evidence_files(found, formats) == files


def test_figures_and_viewer_speak_the_language_of_the_figure(photo_path, found, tmp_path, monkeypatch):
    monkeypatch.setattr(figure_language, "figure_speaker", lambda language: {"en": str, "zh": str.upper}[language])
    explanation = attnviz.explain(photo_path, **MODEL)
    explanation.save(tmp_path, ["npz", "html"], evidence=found, language="zh")
    assert "Shannon 熵" in (tmp_path / "viewer.html").read_text("utf-8")
    assert "Shannon entropy" in (tmp_path / "evidence.json").read_text("ascii")
    drawn = evidence_files(found, ["svg"], language="zh")
    assert b">DELETION: LOWER IS BETTER<" in drawn["curves.svg"]
    assert b">UNTOUCHED<" in drawn["interventions.svg"]
    assert evidence_files(found, ["svg"])["curves.svg"].count(b">Deletion: lower is better<") == 1


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != DEFAULT_LANGUAGE])
def test_every_definition_is_translated(language):
    say = speaker(language)
    for measure in DEFINITIONS.values():
        for text in (measure.title, measure.definition, measure.compare):
            assert text == "γ" or say(text) != text


def test_the_viewer_holds_it_and_its_definitions(photo_path, found):
    explanation = attnviz.explain(photo_path, **MODEL)
    text = standalone_html(explanation, evidence=found)
    data = json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert data["views"][-1] == "evidence"
    assert data["evidence"]["found"] == found.to_json()
    assert data == payload(explanation, evidence=found)
    assert "evidence" not in payload(explanation)["views"]


def test_every_number_has_a_definition_a_comparison_and_a_source(found):
    document = json.loads(evidence_document(found))
    printed = {name for entry in document["focus"]["maps"] for name in entry["values"]}
    printed |= {"moved", "log_likelihood_change", "mean_iou"} & {*document["effects"][0]}
    not_numbers = {"label", "title", "role", "deletion", "insertion", "road_most", "road_least"}  # names, and curves
    printed |= {*document["faithfulness"]["maps"][0]} - not_numbers
    printed |= {field.name for field in dataclasses.fields(QueryDependence)} - {"label", "verdict"}
    assert printed <= {*DEFINITIONS}
    assert all(measure.definition and measure.compare and measure.source for measure in DEFINITIONS.values())
    assert {*document["definitions"]} == {*DEFINITIONS}
