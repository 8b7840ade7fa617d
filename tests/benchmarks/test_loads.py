"""The arithmetic of the benchmarks of loads: exports that are killed, clusters, crowds."""

import subprocess
import sys

import pytest

from benchmarks import ray_scaling
from benchmarks.export_memory import tenths
from benchmarks.processes import cpu_seconds, held_by, resident
from benchmarks.ray_scaling import SECONDS, WORKERS, Moment, told

BUSY = "import time\nwhile time.process_time() < 1: pass\nprint('done', flush=True)\ninput()"


@pytest.fixture
def busy():
    """A process below this one that took a second of processor time and then waits."""
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield process
        process.communicate("\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_processor_time_is_that_of_processes_below_too(busy):
    before = cpu_seconds()
    assert busy.stdout.readline() == "done\n"
    assert cpu_seconds() - before >= 0.5
    assert cpu_seconds() >= 0.99
    held = held_by(busy.pid)
    assert held.threads == 1
    assert held.handles >= 3
    assert 1 < held.memory < resident() + 100


def test_one_memory_is_told_for_each_tenth():
    assert tenths([(256, 50), (300, 51), (1024, 60), (2048, 70)], 2048) == "50 after 256, 60 after 1024, 70 after 2048"


def test_linear_is_the_sleep_over_the_workers():
    """Eight workers that sleep without a pause, a photo at a time; before the ninth they had only started."""
    moments = [Moment(60 + number * SECONDS / WORKERS, number, 0.002 * number, 300) for number in range(100)]
    assert "1.000 of linear; start 60 s" in told(moments)
    assert "2.00 ms of a core a row; driver 300 MB after a tenth, 300 MB at the end" in told(moments)
    late = [Moment(2 * (moment.seconds - 60), *moment[1:]) for moment in moments]
    assert "0.500 of linear" in told(late)


def test_too_few_rows_for_a_rate_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ray_scaling", "--rows", "1000"])
    with pytest.raises(SystemExit):
        ray_scaling.main()
    assert "two parts for each worker" in capsys.readouterr().err
