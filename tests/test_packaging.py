"""Pins and ranges agree, and the wheel holds everything an installed program needs."""

import ast
import email
import os
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli", reason="reading pyproject.toml needs Python 3.11 or tomli")

import attnviz
from attnviz.models.weights.registry import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]


def by_name(lines: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


PACKAGE_NEEDS = by_name(PROJECT["dependencies"])
BULK_NEEDS = by_name(EXTRAS["export"] + EXTRAS["video"] + EXTRAS["ray"])
FONT_NEEDS = by_name(EXTRAS["cjk"])  # a file, which is found and not imported
PARTS = [extra for extra in EXTRAS if extra not in ("all", "training", "cjk", "docs")]
EXTRAS_NEED = by_name([line for extra in PARTS for line in EXTRAS[extra]])
RUN_NEEDS = PACKAGE_NEEDS | EXTRAS_NEED | by_name(EXTRAS["training"])
WHEEL_NEEDS = RUN_NEEDS | FONT_NEEDS | by_name(EXTRAS["docs"])
RANGES = RUN_NEEDS | by_name(PYPROJECT["build-system"]["requires"])
PINNED_FOR_TESTS = {*BULK_NEEDS, *(canonicalize_name(name) for name in ("timm", "transformers", "wandb"))}
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
BESIDE_THE_WHEEL = {"cbam_resnet18", "se_resnet18", "sge_resnet18"}  # the wheel would have over 40 MB with them
CARDS = sorted(card for card in (ROOT / "weights").glob("*.json") if card.stem not in BESIDE_THE_WHEEL)


def pins(file: str) -> list[Requirement]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-r "))]


def pins_for(python: str, file: str = "requirements.txt") -> dict[str, list[Requirement]]:
    """Name -> the lines of the file that pip follows on that version of Python."""
    found: dict[str, list[Requirement]] = {}
    for pin in pins(file):
        if pin.marker is None or pin.marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"}):
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


# --- pins and ranges ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pin", pins("requirements.txt") + pins("requirements-test.txt"), ids=str)
def test_every_requirement_is_pinned_to_one_version(pin):
    assert re.fullmatch(r"==\d+(\.\d+)+", str(pin.specifier))
    assert pin.url is None


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_of_the_project_has_one_pin_inside_its_range(python):
    found = pins_for(python)
    assert set(found) == set(RANGES) - PINNED_FOR_TESTS
    found |= {name: pins_for(python, "requirements-test.txt")[name] for name in PINNED_FOR_TESTS}
    for name, lines in found.items():
        assert len(lines) == 1, f"{name} is pinned {len(lines)} times on Python {python}"
        version = next(iter(lines[0].specifier)).version
        assert RANGES[name].specifier.contains(version), f"{lines[0]} is outside {RANGES[name]}"


@pytest.mark.parametrize("python", PYTHONS)
def test_no_test_tool_is_pinned_twice(python):
    assert [name for name, lines in pins_for(python, "requirements-test.txt").items() if len(lines) != 1] == []


def test_the_pins_fit_one_another():
    pinned = {name: next(iter(lines[0].specifier)).version for name, lines in pins_for("3.11").items()}
    for name in pinned:
        for needed in map(Requirement, requires(name) or []):
            other = canonicalize_name(needed.name)
            if other in pinned and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                assert needed.specifier.contains(pinned[other]), f"{name} needs {needed}, {other} is {pinned[other]}"


def test_a_library_whose_insides_are_used_may_move_by_a_patch_and_no_more():
    version = Version(next(iter(pins_for("3.11")["gradio"][0].specifier)).version)
    for other in ((version.major, version.minor - 1), (version.major, version.minor + 1), (version.major + 1, 0)):
        assert not RANGES["gradio"].specifier.contains(".".join(map(str, (*other, 0)))), f"{RANGES['gradio']} is wide"


def test_lower_bounds_of_the_base_are_those_that_were_run():
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    lowest = {name: next(s.version for s in r.specifier if s.operator == ">=") for name, r in PACKAGE_NEEDS.items()}
    assert [name for name, version in lowest.items() if f"| {name} | {version}" not in page] == []


def test_no_file_of_weights_can_run_code_with_the_oldest_torch():
    assert not PACKAGE_NEEDS["torch"].specifier.contains("2.5.1"), "CVE-2025-32434: weights_only is not enough there"


def test_one_range_for_each_package_whatever_brings_it():
    lines = [Requirement(line) for extra in PARTS for line in EXTRAS[extra]]
    for requirement in lines:
        assert requirement.specifier == EXTRAS_NEED[canonicalize_name(requirement.name)].specifier


def test_all_brings_every_part():
    (line,) = EXTRAS["all"]
    assert Requirement(line).extras == {*PARTS, "cjk"} - {"ray", "wandb"}, "the last two are large"


def test_the_base_is_what_a_photo_needs_and_small():
    assert set(PACKAGE_NEEDS) == {
        *("torch", "numpy", "pillow", "safetensors"),
        "pydantic",  # cards and manifests are checked by it
        "filelock",  # comes with torch
        *("platformdirs", "typer", "rich"),  # pure Python
    }


def test_every_dependency_has_a_lower_and_an_upper_bound():
    for requirement in (RANGES | WHEEL_NEEDS).values():
        operators = {spec.operator for spec in requirement.specifier}
        assert operators in ({">=", "<"}, {"~="}), f"{requirement} is open at one end"


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-test.txt", "pyproject.toml", "Makefile"])
def test_no_file_that_installs_names_an_index(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"index-url|find-links|\s-i\s+http|--trusted-host", text)


def imported_libraries(folder: str) -> set[str]:
    """Top-level names that the code in a folder imports and that come from neither Python nor this project."""
    names = set()
    for source in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"attnviz", "training", "tests", "benchmarks", "docs"}


def distributions(folder: str) -> set[str]:
    """Names, as package indexes know them, of what the code in a folder imports."""
    homes = packages_distributions()
    return {canonicalize_name(homes[name][0]) for name in imported_libraries(folder)}


def test_the_package_imports_what_it_depends_on_and_nothing_else():
    # The page's server is what Gradio is made of: importing those parts needs no second pin.
    brought_by_gradio = by_name(requires("gradio") or [])
    used = distributions("attnviz")
    needs = set(PACKAGE_NEEDS | EXTRAS_NEED)
    assert used - needs <= set(brought_by_gradio) & distributions("attnviz/serve")
    assert needs <= used


def test_many_photos_need_what_their_extras_say():
    assert set(BULK_NEEDS) <= distributions("attnviz/bulk")


def test_training_needs_what_its_extra_says():
    assert distributions("training") - set(PACKAGE_NEEDS | EXTRAS_NEED) == set(by_name(EXTRAS["training"]))


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "docs"])
def test_all_that_the_tests_import_is_pinned(folder):
    pinned = set(pins_for("3.11")) | set(pins_for("3.11", "requirements-test.txt"))
    assert distributions(folder) <= pinned


# --- the wheel ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built as `make package` builds it, without a network."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """A folder that holds what installing the wheel would put into site-packages, far from the checkout."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_installed(installed, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ATTNVIZ_")}
    environment["PYTHONPATH"] = str(installed)
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:attnviz", *arguments],
        cwd=installed.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_wheel_holds_code_viewer_weights_and_pictures(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "attnviz").rglob("*")
        if p.suffix in (".py", ".js", ".css", ".html")
    }
    expected |= {"attnviz/py.typed"}
    expected |= {f"attnviz/_weights/{p.stem}{suffix}" for p in CARDS for suffix in (".json", ".safetensors")}
    expected |= {f"attnviz/_assets/{p.name}" for p in (ROOT / "assets").glob("*.jpg")}
    assert len(CARDS) >= 2
    assert not any(name in entry for entry in names for name in BESIDE_THE_WHEEL)
    assert expected <= names


def test_the_wheel_is_small_enough_to_download_and_has_the_default_classifier_and_danet(wheel):
    assert wheel.stat().st_size < 40_000_000
    with zipfile.ZipFile(wheel) as archive:
        weights = [name for name in archive.namelist() if name.endswith(".safetensors")]
    assert f"attnviz/_weights/{DEFAULT_MODEL}.safetensors" in weights
    assert any("danet" in name for name in weights)


def test_the_wheel_holds_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    version = attnviz.__version__
    strays = [n for n in names if not n.startswith(("attnviz/", f"attnviz-{version}.dist-info/"))]
    assert strays == []
    assert [n for n in names if n.endswith((".pyc", ".pyi", ".pt", ".log"))] == []


def test_the_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"attnviz-{attnviz.__version__}.dist-info/METADATA"))
        licence = archive.read(f"attnviz-{attnviz.__version__}.dist-info/licenses/LICENSE").decode()
    assert metadata["Version"] == attnviz.__version__
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == "MIT"
    assert licence.startswith("MIT License")
    assert set(by_name(metadata.get_all("Requires-Dist", []))) - {"attnviz"} == set(WHEEL_NEEDS)
    assert set(metadata.get_all("Provides-Extra", [])) == set(EXTRAS)


def test_the_installed_program_finds_its_weights(installed):
    code = (
        "import attnviz, sys; from pathlib import Path;"
        "found = attnviz.list_models();"
        "print(Path(attnviz.__file__).parent);"
        "print(*sorted(e.name for e in found.values() if e.path is not None and e.path.is_file()))"
    )
    shown = run_installed(installed, "-c", code)
    assert shown.returncode == 0, shown.stderr
    home, names = shown.stdout.splitlines()
    assert Path(home) == installed / "attnviz"
    assert {card.stem for card in CARDS} <= set(names.split())


def test_the_installed_command_lists_the_models(installed):
    shown = run_installed(installed, "-m", "attnviz", "models")
    assert shown.returncode == 0, shown.stderr
    for card in CARDS:
        assert card.stem in shown.stdout


def test_the_console_script_points_at_a_function():
    module, _, name = PROJECT["scripts"]["attnviz"].partition(":")
    assert callable(getattr(import_module(module), name))


def test_the_changelog_has_a_place_for_this_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
