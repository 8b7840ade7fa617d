"""Whole exports: nothing lost, nothing twice, nothing half, whatever ends the run."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from attnviz.bulk.export import export_photos
from attnviz.bulk.export_folder import opened
from attnviz.bulk.photo_files import file_of
from attnviz.bulk.table import arrow, parts
from attnviz.errors import ExportError, OptionError
from attnviz.models import precision
from attnviz.models.weights.registry import LoadedModel, load_model
from attnviz.pipeline import explain
from attnviz.reduce.focus import gini
from tests.bulk.made import SMALL, make_photos, rows, settings

ROOT = Path(__file__).resolve().parents[2]


def contents(out):
    return {part.name: part.read_bytes() for part in parts(out)}


def test_every_photo_is_a_row_that_says_what_explain_says(tmp_path):
    made = make_photos(tmp_path / "photos", 20)
    state = export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    found = {row["path"]: row for row in rows(tmp_path / "out")}
    assert (state.total, state.done, state.refused) == (20, 20, [])
    assert sorted(found) == sorted(map(str, made))
    for path in made[:3]:
        row, alone = found[str(path)], explain(path, SMALL, device="cpu", size=64)
        assert (row["height"], row["width"]) == alone.photo.shape[:2]
        assert row["prediction"] == alone.predictions[0].category
        assert row["score"] == pytest.approx(alone.predictions[0].probability, abs=1e-5)
        assert [entry["category"] for entry in row["predictions"]] == [p.category for p in alone.predictions]
        for label, entry in alone.maps.items():
            kept = row[f"map.{label}"]
            values = np.array(kept["values"], np.float16).reshape(kept["rows"], kept["columns"])
            np.testing.assert_allclose(values, entry.values, rtol=2**-10, atol=1e-4)
            assert (kept["low"], kept["high"]) == pytest.approx(entry.raw_range, rel=1e-4)
        focus = gini(alone.maps["stage2.gain"].values - 1)
        assert row["focus.stage2.gain"]["gini"] == pytest.approx(focus, rel=1e-3)
        assert "focus.stage2.spatial_logit" not in row  # a logit is no mass


def test_what_is_refused_stands_in_the_report_and_not_in_the_table(tmp_path):
    made = make_photos(tmp_path / "photos", 9)
    made[4].write_bytes(b"no picture")
    made[7].write_bytes(made[7].read_bytes()[:300])
    told = []
    state = export_photos([tmp_path / "photos"], tmp_path / "out", settings(), told=lambda s, new: told.extend(new))
    assert [refusal.path for refusal in state.refused] == [str(made[4]), str(made[7])]
    assert told == state.refused
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["done"] == 7
    assert [entry["path"] for entry in report["refused"]] == [str(made[4]), str(made[7])]
    assert all(entry["reason"].startswith("expected") for entry in report["refused"])
    assert {row["path"] for row in rows(tmp_path / "out")} == set(map(str, made)) - {str(made[4]), str(made[7])}


def test_a_refused_photo_that_was_mended_is_done_by_the_next_run(tmp_path):
    made = make_photos(tmp_path / "photos", 9)
    whole = made[4].read_bytes()
    made[4].write_bytes(b"no picture")
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    made[4].write_bytes(whole)
    state = export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    assert (state.earlier, state.done, state.refused) == (8, 1, [])
    assert len(rows(tmp_path / "out")) == 9


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    """Kill -9 in the middle, twice; in the end the very files of a run that nothing disturbed."""
    make_photos(tmp_path / "photos", 120)
    export_photos([tmp_path / "photos"], tmp_path / "whole", settings())
    out = tmp_path / "killed"
    command = [
        *(sys.executable, "-m", "attnviz", "export", tmp_path / "photos", "--out", out, "--model", SMALL),
        *("--device", "cpu", "--size", "64", "--batch", "4", "--part", "8"),
    ]
    seen = 0
    for _ in range(2):
        run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        end = time.monotonic() + 240
        while len(parts(out)) <= seen and run.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        os.kill(run.pid, signal.SIGKILL)
        run.communicate()
        assert run.returncode == -signal.SIGKILL, "it was done before it was killed"
        seen = len(rows(out)) // 8
        assert 0 < seen < 15
        assert contents(out).items() <= contents(tmp_path / "whole").items()  # whole parts, and none but those
    (out / "table" / ".half.tmp").write_bytes(b"PAR1")
    last = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert last.returncode == 0, last.stderr
    assert f", {seen * 8} done before, 0 refused" in last.stdout
    assert contents(out) == contents(tmp_path / "whole")
    assert [path.name for path in out.rglob("*.tmp")] == []
    assert json.loads((out / "report.json").read_text())["done"] == 120


def test_photos_that_came_since_are_added(tmp_path):
    make_photos(tmp_path / "photos", 10)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    make_photos(tmp_path / "photos" / "more", 3, seed=1)
    state = export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    assert (state.total, state.earlier, state.done) == (13, 10, 3)
    assert len({row["path"] for row in rows(tmp_path / "out")}) == len(rows(tmp_path / "out")) == 13


def test_files_of_photos_hold_all_arrays_or_photo_and_maps_side_by_side(tmp_path):
    made = make_photos(tmp_path / "photos", 4)
    formats = ("npz", "png", "webp")
    state = export_photos([tmp_path / "photos"], tmp_path / "out", settings(formats=formats))
    assert (state.done, parts(tmp_path / "out")) == (4, [])
    for path in made:
        alone = explain(path, SMALL, device="cpu", size=64)
        with np.load(tmp_path / "out" / file_of(str(path), "npz")) as arrays:
            np.testing.assert_allclose(arrays["stage3.gain"], alone.maps["stage3.gain"].values, atol=1e-4)
            assert tuple(arrays["geometry.photo_size"]) == alone.photo.shape[:2]
        height, width = alone.photo.shape[:2]
        for name in ("png", "webp"):
            with Image.open(tmp_path / "out" / file_of(str(path), name)) as picture:
                assert picture.size == (4 * width + 3 * 4, height)
                if name == "png":
                    pixels = np.asarray(picture.convert("RGB"))
                    assert (pixels[:, :width] == alone.photo).all()
                    last = alone.overlay("stage3.gain").astype(int)
                    assert (np.abs(pixels[:, -width:] - last) <= 1).mean() > 0.999
    (tmp_path / "out" / file_of(str(made[2]), "webp")).unlink()
    state = export_photos([tmp_path / "photos"], tmp_path / "out", settings(formats=formats))
    assert (state.earlier, state.done) == (3, 1)


def test_an_export_of_another_kind_is_not_mixed_into_the_folder(tmp_path):
    make_photos(tmp_path / "photos", 2)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    with pytest.raises(OptionError, match="expected to go on with size '64'"):
        export_photos([tmp_path / "photos"], tmp_path / "out", settings(size=96))
    (tmp_path / "out" / "export.json").write_text("[]")
    with pytest.raises(OptionError, match="an earlier export"):
        export_photos([tmp_path / "photos"], tmp_path / "out", settings())


def test_a_trunk_in_bfloat16_is_told_and_not_mixed_with_another(tmp_path):
    make_photos(tmp_path / "photos", 6)
    kept = {}
    for name in ("float32", "bfloat16"):
        out = tmp_path / name
        export_photos([tmp_path / "photos"], out, settings(precision=name))
        assert json.loads((out / "report.json").read_text())["precision"] == name
        assert [arrow().parquet.read_schema(part).metadata[b"attnviz.precision"] for part in parts(out)] == [
            name.encode()
        ]
        kept[name] = {row["path"]: np.array(row["map.stage2.gain"]["values"], np.float32) for row in rows(out)}
    for path, gain in kept["float32"].items():
        apart = np.abs(gain - kept["bfloat16"][path])
        assert 0 < apart.max() < 0.05, path  # of a quantity in (1, 2)
    with pytest.raises(OptionError, match="expected to go on with precision 'float32'"):
        export_photos([tmp_path / "photos"], tmp_path / "float32", settings(precision="bfloat16"))


@pytest.mark.parametrize("found", ["float32", "bfloat16"])
def test_auto_is_settled_before_the_first_photo(tmp_path, monkeypatch, found):
    monkeypatch.setattr(precision, "best_precision", lambda device: found)
    make_photos(tmp_path / "photos", 1)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings(precision="auto"))
    for name in ("report.json", "export.json"):
        document = json.loads((tmp_path / "out" / name).read_text())
        assert document.get("asked", document)["precision"] == found


def test_attention_that_is_not_known_stays_in_float32():
    own = LoadedModel(replace(load_model(SMALL, "cpu").card, status="own"), torch.nn.Identity(), torch.device("cpu"))
    assert settings(precision="auto").precision_for(own) == settings().precision_for(own) == "float32"
    with pytest.raises(OptionError, match="which parts of a network of one's own attend is not known"):
        settings(precision="bfloat16").precision_for(own)


def test_an_export_from_before_there_was_a_precision_is_gone_on_with(tmp_path):
    make_photos(tmp_path / "photos", 3)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    recipe = json.loads((tmp_path / "out" / "export.json").read_text())
    del recipe["asked"]["precision"]
    (tmp_path / "out" / "export.json").write_text(json.dumps(recipe))
    assert export_photos([tmp_path / "photos"], tmp_path / "out", settings()).earlier == 3


def test_rows_do_not_depend_on_how_many_threads_there_are(tmp_path):
    make_photos(tmp_path / "photos", 12)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            export_photos([tmp_path / "photos"], tmp_path / f"{threads}", settings())
            found.append(contents(tmp_path / f"{threads}"))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    make_photos(tmp_path / "photos", 2)
    with opened(tmp_path / "out"), pytest.raises(ExportError, match="no other run"):
        export_photos([tmp_path / "photos"], tmp_path / "out", settings())


def test_a_damaged_table_is_told_and_not_overwritten(tmp_path):
    make_photos(tmp_path / "photos", 2)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    (part,) = parts(tmp_path / "out")
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(OptionError, match="expected a whole Parquet file"):
        export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    assert len(part.read_bytes()) == 100


@pytest.mark.parametrize(
    "changes",
    [
        *({"batch": 0}, {"batch": 2000}, {"top": 0}, {"part": 0}),
        *({"formats": ()}, {"formats": ("gif",)}, {"precision": "float16"}),
    ],
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(OptionError, match="expected"):
        settings(**changes)


def test_sources_without_a_photo_are_refused(tmp_path):
    with pytest.raises(OptionError, match="at least one photo"):
        export_photos([tmp_path], tmp_path / "out", settings())
