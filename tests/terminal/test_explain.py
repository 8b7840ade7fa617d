import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from attnviz.terminal.app import app

DANET = "danet_resnet18_w32_camvid"
QUICK = ["--device", "cpu", "--size", "64", "--width", "40", "--dpi", "50"]


def invoke(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def cat(tmp_path, photo_path):
    return shutil.copy(photo_path, tmp_path / "cat.jpg")


def test_a_photo_becomes_a_folder_of_files(tmp_path, cat):
    result = invoke("explain", cat, "--out", tmp_path / "out", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith(f"{cat}: ")
    assert result.stdout.rstrip().endswith(f"-> {tmp_path / 'out' / 'cat'}")
    names = sorted(path.name for path in (tmp_path / "out" / "cat").iterdir())
    assert names == ["figure.pdf", "figure.png", "figure.svg", "manifest.json", "maps.npz"]


def test_a_refused_photo_is_one_line_and_the_others_are_done(tmp_path, cat):
    (tmp_path / "text.jpg").write_text("no picture")
    result = invoke(
        "explain", tmp_path / "text.jpg", cat, tmp_path / "none.png", "-o", tmp_path / "o", "-f", "npz", *QUICK
    )
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith(f"attnviz: {tmp_path / 'text.jpg'}: expected a JPEG")
    assert second.startswith(f"attnviz: {tmp_path / 'none.png'}: expected a picture file")
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["cat"]
    assert result.stdout.count("\n") == 1


def test_json_is_one_document_and_nothing_else(tmp_path, cat):
    (tmp_path / "text.jpg").write_text("no picture")
    result = invoke(
        "explain", cat, tmp_path / "text.jpg", "-o", tmp_path / "out", "-f", "npz", "--json", "--top", 2, *QUICK
    )
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    done, refused = document["photos"]
    assert document["model"]["device"] == "cpu"
    assert len(done["predictions"]) == 2
    assert done["maps"]["stage1.gain"]["low"] > 1.0
    assert [os.path.exists(path) for path in done["files"]] == [True, True]
    assert refused["refused"].startswith("expected a JPEG")
    assert result.stderr.count("\n") == 1


def test_photos_of_one_name_have_folders_of_their_own(tmp_path, cat):
    (tmp_path / "b").mkdir()
    other = shutil.copy(cat, tmp_path / "b" / "CAT.jpg")
    assert invoke("explain", cat, other, "-o", tmp_path / "out", "-f", "npz", *QUICK).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["CAT-2", "cat"]


@pytest.mark.parametrize(
    "name", ["$x_{1}^2$.jpg", "CON.jpg", "-rf.jpg", "two\nlines.jpg", "猫" * 60 + ".jpg", "…....jpg"]
)
def test_photos_of_any_name(tmp_path, cat, name):
    shutil.copy(cat, tmp_path / name)
    result = invoke("explain", "-o", tmp_path / "out", "-f", "png,npz", *QUICK, "--", tmp_path / name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    (folder,) = (tmp_path / "out").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["photo"]["name"] == name


def test_a_link_in_the_place_of_a_folder_is_not_followed_out(tmp_path, cat):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "cat").symlink_to(tmp_path / "elsewhere")
    result = invoke("explain", cat, "-o", tmp_path / "out", "-f", "npz", *QUICK)
    assert result.exit_code == 1
    assert "a link that leads out of it" in result.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_pixel_chosen_with_at_is_the_query(tmp_path, cat):
    options = ["-m", DANET, "--at", "100,50", "--at", "300.5,200", "-f", "npz", "-o", tmp_path]
    assert invoke("explain", cat, *options, *QUICK).exit_code == 0
    with np.load(tmp_path / "cat" / "maps.npz") as archive:
        assert archive["row:1"].sum() == pytest.approx(1, abs=1e-4)
        energy = np.tensordot(archive["position.query"][:, 1, 2], archive["position.key"], axes=1)
        grid = archive["position.query"].shape[1:]
        assert (int(50 * grid[0] / 300), int(100 * grid[1] / 451)) == (1, 2)
        assert np.allclose(archive["row:1"], np.exp(energy) / np.exp(energy).sum(), atol=1e-5)
        assert "row:2" in archive.files


def test_a_pixel_outside_of_the_photo_is_refused(tmp_path, cat):
    result = invoke("explain", cat, "-m", DANET, "--at", "9999,5", "-f", "npz", "-o", tmp_path, *QUICK)
    assert result.exit_code == 1
    assert "got (9999, 5)" in result.stderr


def test_figure_options_reach_the_figure(tmp_path, cat):
    options = ["--colormap", "magma", "--scaling", "shared", "--opacity", "0.25", "--columns", "1", "--no-title"]
    options += ["--caption", "--smooth", "--panels", "photo, stage2.gain", "--resize-mode", "center_crop", "-f", "png"]
    assert invoke("explain", cat, "-o", tmp_path, *options, *QUICK).exit_code == 0
    recipe = json.loads((tmp_path / "cat" / "manifest.json").read_text())
    assert recipe["figure"] == {
        "panels": ["photo", "stage2.gain"],
        "pins": [],
        "columns": 1,
        "cells": "tiles",
        "language": "en",
        "opacity_by": "auto",
        "spread": "auto",
        "colormap": "magma",
        "scaling": "shared",
        "map_opacity": 0.25,
        "interpolation": "bilinear",
        "width_mm": 40.0,
        "dpi": 50,
        "font_size": 7.0,
        "title": False,
        "caption": True,
    }
    assert recipe["preprocessing"]["resize_mode"] == "center_crop"
    with Image.open(tmp_path / "cat" / "figure.png") as picture:
        assert picture.width == round(40 / 25.4 * 50)


def test_html_comes_on_top(tmp_path, cat):
    assert invoke("explain", cat, "-o", tmp_path, "-f", "npz", "--html", *QUICK).exit_code == 0
    names = sorted(path.name for path in (tmp_path / "cat").iterdir())
    assert names == ["manifest.json", "maps.npz", "viewer.html"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "tiff"], "expected formats out of"),
        (["--format", ","], "expected at least one format"),
        (["--model", "nope"], "expected one of bam_resnet18"),
        (["--device", "tpu"], "expected device auto"),
        (["--device", "cuda:99"], "expected a device"),
        (["--at", "1,2"], "expected a model with position attention"),
        (["--at", "x"], "expected X,Y in photo pixels"),
        (["--at", "1,2,3"], "expected X,Y in photo pixels"),
        (["--at", "nan,1", "-m", DANET], "expected a pin's x"),
        (["-m", DANET, "-f", "gif"], "expected a model with stages"),
        (["--size", "0"], "--size"),
        (["--size", "x"], "--size"),
        (["--resize-mode", "bend"], "--resize-mode"),
        (["--colormap", "rainbow"], "--colormap"),
        (["--opacity", "2"], "--opacity"),
        (["--top", "0"], "--top"),
        (["--no-such-option"], "--no-such-option"),
        (["--out", "cat.jpg/below"], "expected a folder to write to"),
    ],
)
def test_wrong_usage_is_code_2_and_writes_nothing(tmp_path, cat, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    result = invoke("explain", "cat.jpg", *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["cat.jpg"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to ..."
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_too_little_memory_refuses_one_photo(tmp_path, cat, monkeypatch, error):
    def explain(*args, **options):
        raise error

    monkeypatch.setattr("attnviz.pipeline.explain", explain)
    result = invoke("explain", cat, "-o", tmp_path / "out", *QUICK)
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "expected a run that fits into memory, got one that does not: choose a smaller --size\n"
    )


def test_an_error_that_only_speaks_of_memory_is_not_told_as_too_little(tmp_path, cat, monkeypatch):
    def explain(*args, **options):
        raise RuntimeError("required rank 4 tensor to use channels_last memory_format")

    monkeypatch.setattr("attnviz.pipeline.explain", explain)
    result = invoke("explain", cat, "-o", tmp_path / "out", *QUICK)
    assert isinstance(result.exception, RuntimeError)
    assert "channels_last" in str(result.exception)
