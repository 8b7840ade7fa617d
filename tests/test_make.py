"""`make` installs once, says what it skips, and never takes a half installation for a whole one.

The commands run in an empty folder with a stand-in for Python that only writes down what it is asked to do.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SYSTEM_PACKAGES = ROOT / ".ci" / "system-packages"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

STAND_IN = """#!/usr/bin/env bash
echo "$@" "PORT=${PORT:-}" >> "$LOG"
case "$*" in *"pip"*"install"*) exit "${PIP_FAILS:-0}";; esac
"""


class Folder:
    """A copy of what `make` reads, with a stand-in for the Python of its environment."""

    def __init__(self, path: Path) -> None:
        self.path, self.log = path, path / "log"
        for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-test.txt"):
            shutil.copy(ROOT / name, path / name)
        shutil.copytree(ROOT / ".ci", path / ".ci")
        (path / ".ci" / "system-packages").write_text("#!/bin/sh\n", encoding="utf-8")
        python = path / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN, encoding="utf-8")
        python.chmod(0o755)

    def make(self, *arguments: str, **environment: str) -> tuple[int, list[str]]:
        """Exit code, and what the stand-in was asked to do."""
        self.log.write_text("", encoding="utf-8")
        inherited = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "PORT", "PYTEST_ARGS")}
        done = subprocess.run(
            ["make", *arguments],
            cwd=self.path,
            env={**inherited, "LOG": str(self.log), **environment},
            capture_output=True,
            timeout=60,
        )
        return done.returncode, self.log.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def installs(calls: list[str]) -> list[str]:
    return [call for call in calls if " install " in call]


def test_run_installs_once_and_serves_on_port_7860(folder):
    code, calls = folder.make("run")
    assert code == 0
    requirements, package = installs(calls)
    assert requirements.split(" -r ")[1].split()[0] == "requirements.txt"
    assert "--no-deps --no-build-isolation --editable ." in package
    assert calls[-1] == "app.py PORT=7860"
    assert folder.make("run") == (0, ["app.py PORT=7860"])


def test_another_port_is_passed_on(folder):
    assert folder.make("run", "PORT=8123")[1][-1] == "app.py PORT=8123"


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_what_changed_is_installed_again(folder, name):
    folder.make("run")
    later = (folder.path / name).stat().st_mtime + 100
    os.utime(folder.path / name, (later, later))
    assert len(installs(folder.make("run")[1])) == 2


def test_an_installation_that_failed_is_done_again_and_nothing_is_served(folder):
    code, calls = folder.make("run", PIP_FAILS="1")
    assert code != 0
    assert not any("app.py" in call for call in calls)
    code, calls = folder.make("run")
    assert code == 0
    assert len(installs(calls)) == 2


def test_test_installs_both_files_once_and_runs_pytest_last(folder):
    calls = folder.make("test")[1]
    assert len(installs(calls)) == 3
    assert calls[-1].startswith("-m pytest")
    assert installs(folder.make("test")[1]) == []


def test_what_pytest_is_given_comes_after_the_number_of_its_workers(folder):
    call = folder.make("test", "PYTEST_ARGS=-n0 tests/reduce -x")[1][-1]
    assert call.index("-n auto") < call.index("-n0 tests/reduce -x")


def test_the_package_itself_is_there_from_any_folder(tmp_path):
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("the tests run in an environment that make did not set up")
    bare = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    code = "import attnviz; print(attnviz.__file__, len(attnviz.list_models()))"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.split()[0] == str(ROOT / "attnviz" / "__init__.py")
    assert int(said.stdout.split()[1]) >= len(list((ROOT / "weights").glob("*.json")))
    assert (Path(sys.prefix) / "bin" / "attnviz").is_file()


def test_a_python_that_is_not_there_is_said_in_words(folder):
    shutil.rmtree(folder.path / ".venv")
    made = subprocess.run(
        ["make", "run", "PYTHON=/nowhere/python3"], cwd=folder.path, capture_output=True, text=True, timeout=60
    )
    assert made.returncode != 0
    assert "No Python >= 3.10" in made.stderr
    assert "/nowhere/python3" in made.stderr


def test_help_names_every_target(folder):
    listed = subprocess.run(["make"], cwd=folder.path, capture_output=True, text=True, timeout=60, check=True).stdout
    phony = next(line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if ".PHONY" in line)
    for target in phony.split()[1:]:
        assert f"make {target} " in listed


@pytest.fixture
def bare_path(tmp_path):
    """A PATH with a shell and little else: no Chromium, no Node.js, no apt-get."""
    for name in ("bash", "env", "id", "sed"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def system_packages(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(path / "bash"), str(SYSTEM_PACKAGES)],
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def stand_in(path: Path, name: str, prints: str) -> None:
    (path / name).write_text(f"#!{shutil.which('bash')}\necho {prints}\n", encoding="utf-8")
    (path / name).chmod(0o755)


def test_what_will_be_skipped_is_said_loudly(bare_path):
    said = system_packages(bare_path)
    assert said.returncode == 0
    assert "EVERY TEST OF THE PAGE IN A BROWSER IS SKIPPED" in said.stderr
    assert "THE VIEWER'S UNIT TESTS ARE SKIPPED" in said.stderr
    assert "no apt-get" in said.stderr


def test_in_ci_a_missing_program_is_an_error(bare_path):
    assert system_packages(bare_path, CI="true").returncode == 1


def test_an_old_node_counts_as_missing(bare_path):
    stand_in(bare_path, "chromium", "Chromium 150")
    stand_in(bare_path, "node", "v16.20.0")
    said = system_packages(bare_path)
    assert "No Node.js" in said.stderr
    assert "BROWSER" not in said.stderr


def test_with_both_programs_there_nothing_is_said(bare_path):
    stand_in(bare_path, "chromium", "Chromium 150")
    stand_in(bare_path, "node", "v20.1.0")
    said = system_packages(bare_path, CI="true")
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
