"""House rules on imports: the listing is the way of a photo, no arrow points up, each large library has one home."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "attnviz"
# Rooms and the files at the root, each of which may import from itself and from what stands before it.
ORDER = (
    *(
        "errors",
        "extras",
        "language",
        "inputs",
        "position_attention",
        "attention_results",
        "module_steps",
        "results",
        "models",
        "observe",
        "pipeline",
    ),
    *("reduce", "measure", "render"),
    *("save", "bulk", "serve", "terminal", "__init__", "__main__"),
)
# An arrow that points up, on purpose: an explanation draws, saves and shows itself, and loads what it takes only then.
UPWARDS = {
    ("results", "attnviz.measure.focus_table"),
    ("results", "attnviz.render.figure"),
    ("results", "attnviz.render.figure_options"),
    ("results", "attnviz.render.pictures"),
    ("results", "attnviz.render.viewer.page"),
    ("results", "attnviz.save.export"),
    ("results", "attnviz.save.manifest"),
}
HOMES = {
    "av": ("bulk/",),
    "pyarrow": ("bulk/",),
    "ray": ("bulk/",),
    "captum": ("observe/attributions.py", "measure/captum_measures.py"),
    "matplotlib": ("render/",),
    "gradio": ("serve/",),
    "typer": ("terminal/",),
    "timm": ("models/own/from_timm.py",),
    "transformers": ("models/own/from_transformers.py",),
    "scipy": ("measure/datasets.py",),
    "rich": ("terminal/",),
}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(source: Path) -> str:
    """The dotted name under which a file is imported."""
    parts = source.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = {name_of(source): source for source in SOURCES}


def imported_names(source: Path) -> Iterator[str]:
    """Absolute names of everything that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.name}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(source: Path) -> set[str]:
    """Those of the package's own modules that a file imports."""
    found = set()
    for name in imported_names(source):
        module = name if name in MODULES else name.rpartition(".")[0]
        if module in MODULES and module != name_of(source):
            found.add(module)
    return found


def room_of(module: str) -> str:
    return module.split(".")[1]


def relative(source: Path) -> str:
    return source.relative_to(PACKAGE).as_posix()


def test_every_room_and_every_file_at_the_root_has_its_place():
    assert {room_of(name) for name in MODULES} == set(ORDER)


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_no_arrow_points_up(source):
    own = room_of(name_of(source))
    later = {module for module in imported_modules(source) if ORDER.index(room_of(module)) > ORDER.index(own)}
    assert {module for module in later if (own, module) not in UPWARDS} == set()


def test_no_exemption_outlives_its_need():
    used = {(room_of(name_of(source)), module) for source in SOURCES for module in imported_modules(source)}
    assert UPWARDS <= used


def test_nothing_goes_in_a_circle():
    lazy = {("attnviz.results", module) for room, module in UPWARDS if room == "results"}
    graph = {
        name: {module for module in imported_modules(source) if (name, module) not in lazy}
        for name, source in MODULES.items()
        if name != "attnviz.__init__"  # its names are imported on first use
    }
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_large_libraries_stay_in_their_homes(source):
    libraries = {name.split(".")[0] for name in imported_names(source)}
    strays = [lib for lib in libraries & set(HOMES) if not relative(source).startswith(HOMES[lib])]
    assert strays == []


def test_every_library_with_a_home_is_used_there():
    used = {name.split(".")[0] for source in SOURCES for name in imported_names(source)}
    assert set(HOMES) <= used


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_files_stay_short_and_named_for_what_they_do(source):
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 400
    assert source.name not in ("utils.py", "core.py", "helpers.py", "common.py")


def test_no_file_of_the_project_is_longer_than_400_lines():
    root = PACKAGE.parent
    folders = ("attnviz", "benchmarks", "docs", "tests", "training")
    written = [path for folder in folders for path in (root / folder).rglob("*")]
    written = [path for path in written if path.suffix in (".py", ".js", ".mjs", ".css")]
    long = [path.name for path in written if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert long == []
