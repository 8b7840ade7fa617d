"""`attnviz evidence` and `attnviz evaluate` on the command line."""

import json
import re

import pytest
from PIL import Image
from typer.testing import CliRunner

from attnviz.terminal.app import app

QUICK = ["--device", "cpu", "--size", "64", "--model", "bam_resnet18_w32"]


def invoke(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_a_verdict_in_words_numbers_and_pictures(tmp_path, photo_path):
    out = tmp_path / "out"
    result = invoke("evidence", photo_path, "--out", out, "--box", "100,60,300,280", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "depends on the attention" in result.stdout or "no effect" in result.stdout
    assert "ROC-AUC within rings" in result.stdout
    assert "forward passes for" in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["curves.png", "evidence.json", "interventions.png"]
    for line in ("log-likelihood ", "rank agreement (-1 to 1)", "What the numbers are:", "Source: arXiv 2202.00449."):
        assert line in result.stdout
    document = json.loads((out / "evidence.json").read_text())
    assert document["box"] == [100, 60, 300, 280]
    assert document["schema"] == "attnviz evidence 1"
    assert document["verdict"][0] in result.stdout
    for name in ("curves.png", "interventions.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 100


def test_a_mask_is_an_object_too(tmp_path, photo_path, photo):
    mask = Image.new("L", (photo.shape[1], photo.shape[0]))
    mask.paste(255, (100, 60, 300, 280))
    mask.save(tmp_path / "mask.png")
    result = invoke("evidence", photo_path, "--mask", tmp_path / "mask.png", *QUICK)
    assert result.exit_code == 0
    assert "ROC-AUC within rings" in result.stdout
    assert f"object: a mask, {100 * 200 * 220 / mask.width / mask.height:.1f} % of the photo" in result.stdout
    both = invoke("evidence", photo_path, "--mask", tmp_path / "mask.png", "--box", "1,1,9,9", *QUICK)
    assert (both.exit_code, "got both" in both.stderr) == (2, True)


def test_a_mask_of_another_size_or_one_that_is_dark_is_refused(tmp_path, photo_path, photo):
    height, width = photo.shape[:2]
    for size, words in (
        ((9, 7), f"{width} × {height} pixels, got 9 × 7"),
        ((width, height), "a mask that is dark there"),
    ):
        Image.new("P", size).save(tmp_path / "mask.png")
        refused = invoke("evidence", photo_path, "--mask", tmp_path / "mask.png", *QUICK)
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert words in refused.stderr


def test_figures_for_papers(tmp_path, photo_path):
    result = invoke("evidence", photo_path, "--out", tmp_path, "--format", "pdf,svg", *QUICK)
    assert result.exit_code == 0
    names = ["curves.pdf", "curves.svg", "evidence.json", "interventions.pdf", "interventions.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_evidence_beside_the_figure_of_an_explanation(tmp_path, photo_path, photo):
    mask = Image.new("L", (photo.shape[1], photo.shape[0]))
    mask.paste(255, (100, 60, 300, 280))
    mask.save(tmp_path / "mask.png")
    asked = ["--out", tmp_path / "out", "--evidence", "--mask", tmp_path / "mask.png", "--format", "png,html"]
    result = invoke("explain", photo_path, *asked, *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    (folder,) = (tmp_path / "out").iterdir()
    names = ["curves.png", "evidence.json", "figure.png", "interventions.png", "manifest.json", "viewer.html"]
    assert sorted(path.name for path in folder.iterdir()) == names
    document = json.loads((folder / "evidence.json").read_text())
    assert document["verdict"][0] in result.stdout
    assert document["mask"]["share"] == pytest.approx(200 * 220 / mask.width / mask.height)
    recipe = json.loads((folder / "manifest.json").read_text())
    assert recipe["evidence"]["mask"] == document["mask"]
    assert any("the object" in sentence for sentence in recipe["evidence"]["verdict"])
    assert re.search(r'"views":\["stages",[^]]*"evidence"\]', (folder / "viewer.html").read_text(encoding="utf-8"))


def test_json_and_nothing_else(photo_path):
    result = invoke("evidence", photo_path, "--json", *QUICK)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["model"] == "bam_resnet18_w32"
    assert len(document["effects"]) == 16


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["evidence", "none.jpg", *QUICK], "expected"),
        (["evidence", "PHOTO", "--box", "1,2,3", *QUICK], "LEFT,TOP,RIGHT,BOTTOM"),
        (["evidence", "PHOTO", "--box", "5,5,5,9", *QUICK], "box"),
        (["evidence", "PHOTO", "--mask", "none.png", *QUICK], "expected a mask"),
        (["evidence", "PHOTO", "--format", "gif", *QUICK], "out of png, pdf, svg"),
        (["evaluate", "nowhere", *QUICK], "folder of photos"),
        (["explain", "PHOTO", "--box", "1,1,9,9", *QUICK], "expected --evidence with --box"),
        (["explain", "PHOTO", "PHOTO", "--evidence", "--box", "1,1,9,9", *QUICK], "expected one photo for --box"),
        (["explain", "PHOTO", "--evidence", "--box", "1,1,9", *QUICK], "LEFT,TOP,RIGHT,BOTTOM"),
        (["evaluate", "FOLDER", "--boxes", "none.csv", *QUICK], "CSV file"),
    ],
)
def test_what_cannot_be_done_is_one_line(args, words, photo_path):
    places = {"PHOTO": photo_path, "FOLDER": photo_path.parent}
    result = invoke(*[places.get(arg, arg) for arg in args])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_a_data_set_becomes_tables_and_pictures(tmp_path, photo):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for i in range(3):
        Image.fromarray(photo).save(photos / f"{i}.png")
    (photos / "3.png").write_bytes(b"no picture")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,left,top,right,bottom\n" + "".join(f"{i}.png,100,50,300,280\n" for i in range(4)))
    labels = tmp_path / "labels.csv"
    labels.write_text("image,label\n" + "".join(f"{i}.png,tabby\n" for i in range(4)))
    result = invoke("evaluate", photos, "--boxes", boxes, "--labels", labels, "--out", out, *QUICK)
    assert result.exit_code == 1  # one photo was refused
    assert result.stderr.startswith("attnviz: 3.png: ")
    assert "**Where the objects are** (3 photos)" in result.stdout
    assert "| stage3.flat |" in result.stdout
    explained = (out / "tables.md").read_text().partition("**What the numbers are**")[2]
    for line in (
        "- ROC-AUC (0 to 1): Chance that",
        "- costs, of the same: The untouched",
        "- shuffled weights: the same network",
    ):
        assert line in explained
    assert "AUC-Judd" not in explained  # what is not in the tables
    names = {path.name for path in out.iterdir()}
    assert {"tables.csv", "tables.md", "photos.jsonl", "run.json", "where-the-objects-are-roc-auc.png"} <= names
    assert (out / "tables.md").read_text() in result.stdout
    again = invoke("evaluate", photos, "--boxes", boxes, "--labels", labels, "--out", out, *QUICK)
    assert again.stdout == result.stdout
    other = invoke("evaluate", photos, "--boxes", boxes, "--out", out, *QUICK)
    assert other.exit_code == 2
    assert "another run" in other.stderr
