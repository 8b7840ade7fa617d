import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import ExportError, OptionError
from attnviz.render.figure_options import FigureOptions
from attnviz.save.export import FILES, FORMATS, checked_formats, export
from attnviz.save.manifest import PhotoSource
from tests.explanations import bam, danet, untrained

SMALL = FigureOptions(width_mm=60, dpi=72)
MAGIC = {
    "png": b"\x89PNG",
    "pdf": b"%PDF-",
    "svg": b"<?xml",
    "npz": b"PK\x03\x04",
    "gif": b"GIF89a",
    "webp": b"RIFF",
    "html": b"<!doctype html>",
}


def test_every_format_is_written_whole(tmp_path):
    paths = export(bam(), tmp_path / "new", FORMATS, options=SMALL)
    assert [path.name for path in paths] == [*FILES.values(), "manifest.json"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    for file_format, path in zip(FORMATS, paths[:-1], strict=True):
        assert path.read_bytes().startswith(MAGIC[file_format])
    assert json.loads(paths[-1].read_text())["files"] == list(FILES.values())


def test_the_usual_formats(tmp_path):
    names = [path.name for path in export(bam(), tmp_path, options=SMALL)]
    assert names == ["figure.png", "figure.pdf", "figure.svg", "maps.npz", "manifest.json"]


def test_the_archive_of_maps_holds_the_raw_numbers_on_their_grids(tmp_path):
    explanation = bam()
    export(explanation, tmp_path, ["npz"])
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as archive:
        for label, entry in explanation.maps.items():
            assert archive[label].dtype == np.float32
            assert (archive[label] == entry.values).all()
        assert archive["stage1.gain"].shape == (16, 20)
        assert (archive["stage3.channel_logit"] == explanation.stages[2].channel_logit).all()
        assert archive["geometry.photo_size"].tolist() == [96, 128]
        assert archive["geometry.crop"].tolist() == [0, 0, 128, 96]
        assert archive["geometry.network_size"].tolist() == [64, 80]


def test_rows_follow_from_the_archives_query_and_key(tmp_path):
    explanation = danet()
    export(explanation, tmp_path, ["npz"], options=FigureOptions(pins=((5.0, 5.0),)))
    with np.load(tmp_path / "maps.npz") as archive:
        energy = np.tensordot(archive["position.query"][:, 0, 0], archive["position.key"], axes=1)
        row = np.exp(energy) / np.exp(energy).sum()
        assert np.allclose(archive["row:1"], row, atol=1e-6)


@pytest.mark.parametrize("make", [bam, danet])
def test_the_same_export_has_the_same_bytes(tmp_path, make):
    formats = ["png", "pdf", "svg", "npz", "html"]
    first = export(make(), tmp_path / "a", formats, options=SMALL)
    second = export(make(), tmp_path / "b", formats, options=SMALL)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_photos_name_is_in_figure_caption_and_manifest(tmp_path):
    source = PhotoSource("a_$name$.jpg", "0" * 64)
    export(bam(), tmp_path, ["svg"], options=SMALL, source=source)
    assert "a_$name$.jpg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    recipe = json.loads((tmp_path / "manifest.json").read_text())
    assert recipe["photo"]["name"] == "a_$name$.jpg"
    assert "a_$name$.jpg" in recipe["caption"]


def test_random_weights_are_told_in_every_file_for_people(tmp_path):
    export(untrained(bam()), tmp_path, ["svg"], options=FigureOptions(width_mm=85, dpi=72, title=False))
    assert "random weights" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "random weights" in json.loads((tmp_path / "manifest.json").read_text())["caption"]


def test_what_was_written_before_stays_when_the_new_export_fails(tmp_path):
    export(bam(), tmp_path, ["png"], options=SMALL)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OptionError, match="expected a network with stages"):
        export(danet(), tmp_path, ["png", "gif"], options=SMALL)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ExportError, match="permission denied"):
            export(bam(), tmp_path, ["npz"])
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/attnviz"])
def test_places_that_are_no_folders_are_refused(tmp_path, place):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ExportError, match="expected a folder to write to"):
        export(bam(), tmp_path / place, ["npz"])


def test_formats_come_once_and_in_order():
    assert checked_formats(["npz", "png", "npz"]) == ("png", "npz")
    assert checked_formats("svg") == ("svg",)


@pytest.mark.parametrize("formats", [[], ["jpg"], ["PNG"], "png,pdf"])
def test_other_formats_are_refused(formats):
    with pytest.raises(OptionError, match="expected"):
        checked_formats(formats)


def test_a_figure_of_a_large_photo_stays_small(tmp_path):
    export(bam(4000, 3000), tmp_path, ["png"], options=FigureOptions(width_mm=60, dpi=72))
    with Image.open(io.BytesIO((tmp_path / "figure.png").read_bytes())) as picture:
        assert picture.width == 170
