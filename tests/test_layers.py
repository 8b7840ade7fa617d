"""The house rules on imports: a stage never imports a later one, and each large library has one home."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "attnviz"
STAGES = ("inputs", "models", "observe", "reduce", "render", "serve")
HOMES = {
    "captum": ("observe/attributions.py",),
    "matplotlib": ("render/",),
    "gradio": ("serve/",),
    "typer": ("serve/",),
}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(source: Path) -> Iterator[str]:
    """Absolute names of every module that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.name}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def stage_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "attnviz" and len(parts) > 1 and parts[1] in STAGES else None


def relative(source: Path) -> str:
    return source.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("source", [s for s in SOURCES if s.parent != PACKAGE], ids=relative)
def test_a_stage_imports_no_later_stage(source):
    own = STAGES.index(relative(source).split("/")[0])
    stages = {module: stage_of(module) for module in imported_modules(source)}
    later = [module for module, stage in stages.items() if stage is not None and STAGES.index(stage) > own]
    assert later == []


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_large_libraries_stay_in_their_homes(source):
    libraries = {module.split(".")[0] for module in imported_modules(source)}
    strays = [lib for lib in libraries & set(HOMES) if not relative(source).startswith(HOMES[lib])]
    assert strays == []


def test_every_library_with_a_home_is_used_there():
    used = {module.split(".")[0] for source in SOURCES for module in imported_modules(source)}
    assert set(HOMES) <= used


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_files_stay_short_and_named_for_what_they_do(source):
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 400
    assert source.name not in ("utils.py", "core.py", "helpers.py", "common.py")
