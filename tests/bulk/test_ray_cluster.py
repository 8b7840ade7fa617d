import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attnviz.bulk.export import export_photos
from attnviz.bulk.table import parts
from attnviz.terminal.app import app
from tests.bulk.made import make_photos, rows, settings

ROOT = Path(__file__).resolve().parents[2]


def test_a_cluster_writes_the_very_files_of_one_machine_though_a_worker_is_killed(tmp_path):
    pytest.importorskip("ray", reason="Ray has no wheel for this Python")
    made = make_photos(tmp_path / "photos", 30)
    made[11].write_bytes(b"poison")
    export_photos([tmp_path / "photos"], tmp_path / "here", settings())
    run = subprocess.run(
        [sys.executable, "-m", "tests.bulk.ray_run", tmp_path / "photos", tmp_path / "there"],
        cwd=ROOT,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert f"29 {made[11]}" in run.stdout.splitlines()  # Ray tells there of the worker that was lost
    assert "answers at 127.0.0.1" in run.stdout.splitlines()
    assert (tmp_path / "there" / "killed").exists()
    assert [part.name for part in parts(tmp_path / "there")] == [part.name for part in parts(tmp_path / "here")]
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    assert [p.read_bytes() for p in parts(tmp_path / "there")] == [p.read_bytes() for p in parts(tmp_path / "here")]
    assert (tmp_path / "there" / "report.json").read_text() == (tmp_path / "here" / "report.json").read_text()


def test_what_reads_photos_on_a_cluster_loads_no_torch():
    """It would take every reading process 200 MB, and seconds to start."""
    code = "import sys, attnviz.bulk.prepare, attnviz.bulk.work; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.stdout == "False\n", run.stderr


def test_an_address_needs_the_engine(tmp_path):
    make_photos(tmp_path / "photos", 1)
    arguments = ["export", str(tmp_path / "photos"), "-o", str(tmp_path / "out"), "--address", "127.0.0.1:6379"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "--engine ray" in result.stderr
