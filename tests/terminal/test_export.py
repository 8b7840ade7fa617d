import json

import numpy as np
import pytest
from typer.testing import CliRunner

from attnviz.terminal.app import app
from tests.bulk.made import SMALL, make_photos, rows
from tests.bulk.made_clip import make_clip

QUICK = ["--device", "cpu", "--size", "64", "--model", SMALL]


def invoke(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_a_folder_becomes_a_table(tmp_path):
    make_photos(tmp_path / "photos", 5)
    result = invoke("export", tmp_path / "photos", "--out", tmp_path / "out", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("5 done, 0 refused in ")
    assert result.stdout.rstrip().endswith(f"photos/s -> {tmp_path / 'out'}")
    assert len(rows(tmp_path / "out")) == 5


def test_a_refused_photo_is_one_line_and_exit_code_1(tmp_path):
    made = make_photos(tmp_path / "photos", 5)
    made[1].write_text("no picture\n")
    result = invoke("export", tmp_path / "photos", "--out", tmp_path / "out", *QUICK)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"attnviz: {made[1]}: expected a JPEG")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [entry["path"] for entry in report["refused"]] == [str(made[1])]
    again = invoke("export", tmp_path / "photos", "--out", tmp_path / "out", *QUICK)
    assert (again.exit_code, again.stderr) == (1, result.stderr)
    assert again.stdout.startswith("0 done, 4 done before, 1 refused in ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["gone"], "which is not there"),
        (["{photos}", "--format", "gif"], "expected formats out of parquet, npz, png, webp"),
        (["{photos}", "--model", "no_such_model"], "no_such_model"),
    ],
)
def test_what_cannot_be_done_at_all_is_one_line_and_exit_code_2(tmp_path, arguments, expected):
    make_photos(tmp_path / "photos", 1)
    filled = [argument.replace("{photos}", str(tmp_path / "photos")) for argument in arguments]
    result = invoke("export", *QUICK, *filled, "--out", tmp_path / "out")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert expected in line
    assert not (tmp_path / "out").exists()


def test_formats_of_files_need_no_table(tmp_path):
    make_photos(tmp_path / "photos", 2)
    result = invoke("export", tmp_path / "photos", "-o", tmp_path / "out", "-f", "npz", "-f", "webp", *QUICK)
    assert result.exit_code == 0
    assert len(list((tmp_path / "out" / "npz").rglob("*.npz"))) == 2
    assert not (tmp_path / "out" / "table").exists()
    with np.load(next((tmp_path / "out").rglob("*.npz"))) as arrays:
        assert "stage1.gain" in arrays


def test_a_clip_becomes_a_table_a_clip_and_a_page(tmp_path, photo):
    clip = make_clip(tmp_path / "cat.mp4", photo, 4)
    result = invoke("export", clip, "-o", tmp_path / "out", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    first, *drawn = result.stdout.splitlines()
    assert first.startswith("4 done, 0 refused in ")
    assert drawn == [f"drawn: {tmp_path / 'out' / name}" for name in ("cat.maps.mp4", "cat.scrub.html")]
    assert len(rows(tmp_path / "out")) == 4


def test_a_clip_of_which_no_frame_can_be_used_is_told(tmp_path, photo):
    clip = make_clip(tmp_path / "cat.mp4", photo, 4)
    result = invoke("export", clip, "-o", tmp_path / "out", *QUICK, "--size", "16384")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 5  # each frame, and the clip
    assert result.stderr.splitlines()[-1].endswith("expected frames of 'cat.mp4' in the table, got none")


def test_a_gallery_needs_a_table(tmp_path):
    result = invoke("gallery", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("attnviz: expected a folder that `attnviz export` wrote a table to")
