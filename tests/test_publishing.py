"""What publishing needs is true: the container's steps, the Space, the release workflow, the forms for issues."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from packaging.requirements import Requirement
from typer.testing import CliRunner

import attnviz
from attnviz.terminal import app as cli
from tests.conftest import free_port

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, comments left out and broken lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def last(name: str) -> str:
    return [rest for instruction, rest in instructions() if instruction == name][-1]


def takes_these_options(words: list[str]) -> bool:
    """Whether the command line knows the command and every option of it."""
    shown = CliRunner().invoke(cli.app, [words[0], "--help"], terminal_width=200)
    return shown.exit_code == 0 and all(word in shown.output for word in words if word.startswith("--"))


# --- the container --------------------------------------------------------------------------------------------------


def test_all_that_the_container_copies_is_there_and_goes_to_the_builder():
    open_ = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [shlex.split(rest)[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    for source in (path for paths in copied for path in paths):
        assert (ROOT / source).exists()
        assert source in open_


def test_the_container_runs_as_a_user_without_rights_that_it_makes_itself():
    user = last("USER")
    assert any(name == "RUN" and f"useradd --create-home --uid 1000 {user}" in rest for name, rest in instructions())
    after = [name for name, _ in instructions()][-4:]
    assert "RUN" not in after
    assert user not in ("root", "0")


def test_the_container_starts_with_a_command_that_exists():
    words = json.loads(last("CMD"))
    assert words[0] in attnviz_scripts()
    assert takes_these_options(words[1:])


def attnviz_scripts() -> set[str]:
    return set(re.findall(r"^(\w+) = \"attnviz\.", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE))


def test_the_container_is_healthy_while_the_page_answers_and_not_when_it_does_not(demo_url):
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    here = f"http://127.0.0.1:{last('EXPOSE')}/"
    assert here in command[2]
    for address, code in ((demo_url, 0), (f"http://127.0.0.1:{free_port()}/", 1)):
        ran = subprocess.run(
            [sys.executable, "-c", command[2].replace(here, address)], capture_output=True, timeout=60, check=False
        )
        assert ran.returncode == code, ran.stderr


def test_the_containers_python_is_one_that_is_tested():
    images = {rest.split()[0] for name, rest in instructions() if name == "FROM"}
    classifiers = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert images == {"python:3.11-slim"}
    assert 'requires-python = ">=3.10"' in classifiers


# --- the Space ------------------------------------------------------------------------------------------------------


def front_matter() -> dict:
    return yaml.safe_load((ROOT / "space" / "README.md").read_text(encoding="utf-8").split("---")[1])


def test_the_space_has_the_gradio_that_is_pinned():
    pins = [Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if line[:7] == "gradio="]
    assert [str(pin.specifier) for pin in pins] == [f"=={front_matter()['sdk_version']}"]
    assert (ROOT / "space" / front_matter()["app_file"]).is_file()


def test_the_space_installs_the_wheel_that_make_package_builds():
    (line,) = [line for line in (ROOT / "space" / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    assert line == "./attnviz-VERSION-py3-none-any.whl[page,attributions]"


def test_the_space_serves_the_page_and_its_own_site_may_frame_it(tmp_path):
    port = free_port()
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "PYTHONPATH": str(ROOT)}
    program = [sys.executable, str(ROOT / "space" / "app.py")]
    with subprocess.Popen(program, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert "The page is at" in process.stdout.readline()
            answer = httpx.get(f"http://127.0.0.1:{port}/")
        finally:
            process.terminate()
            process.wait(timeout=60)
    frame = re.search(r'^FRAME = "(.+)"$', (ROOT / "space" / "app.py").read_text(), re.MULTILINE)[1]
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].endswith(f"frame-ancestors 'self' {frame}")


# --- releases and issues --------------------------------------------------------------------------------------------


def steps() -> list[dict]:
    return [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_a_release_runs_targets_and_files_that_exist():
    commands = "\n".join(step.get("run", "") for step in steps())
    targets = re.findall(r"\bmake (\w+)", commands)
    assert set(targets) >= {"lint", "package"}
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert ".ci/run" in commands


def test_a_release_may_do_no_more_than_each_of_its_jobs_needs():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    asked = {name: job.get("permissions") for name, job in WORKFLOW["jobs"].items()}
    assert asked == {"build": None, "publish": {"id-token": "write"}, "notes": {"contents": "write"}}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def command_with(words: str) -> str:
    return next(step["run"] for step in steps() if words in step.get("run", ""))


@pytest.mark.parametrize(
    ("tag", "heading", "passes"),
    [
        (f"v{attnviz.__version__}", f"## [{attnviz.__version__}] - 2026-01-01", True),
        ("v99.0.0", "## [99.0.0]", False),
        (f"v{attnviz.__version__}", "## [Unreleased]", False),
    ],
)
def test_a_tag_must_be_the_version_that_the_changelog_has(tmp_path, tag, heading, passes):
    (tmp_path / "attnviz").mkdir()
    (tmp_path / "attnviz" / "__init__.py").write_text((ROOT / "attnviz" / "__init__.py").read_text())
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n")
    ran = run_step(command_with('GITHUB_REF_NAME"'), tmp_path, tag)
    assert (ran.returncode == 0) is passes, ran.stderr


def test_the_notes_of_a_release_are_its_part_of_the_changelog(tmp_path):
    (tmp_path / "CHANGELOG.md").write_text(
        "# C\n\n## [Unreleased]\n\nno\n\n## [1.2.3] - 2026\n\n- yes\n\n## [1.2.2]\n\nno\n"
    )
    notes = command_with("notes.md").partition("gh release")[0]
    assert run_step(notes, tmp_path, "v1.2.3").returncode == 0
    assert (tmp_path / "notes.md").read_text().split() == ["-", "yes"]


def run_step(command: str, folder: Path, tag: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GITHUB_REF_NAME": tag}
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_for_issues_is_whole(form):
    found = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.name == "config.yml":
        assert found == {"blank_issues_enabled": False}
        return
    assert found["name"]
    assert found["description"]
    assert any(part.get("validations", {}).get("required") for part in found["body"])
    identifiers = [part["id"] for part in found["body"] if part["type"] != "markdown"]
    assert len(identifiers) == len(set(identifiers))
    for part in found["body"]:
        assert part["type"] in ("textarea", "input", "dropdown", "checkboxes", "markdown")
        assert part["attributes"]
