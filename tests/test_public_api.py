"""The names that `import attnviz` promises, and what importing it costs."""

import ast
import doctest
import inspect
import io
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import attnviz

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "torchvision", "gradio", "matplotlib", "captum", "typer", "PIL", "numpy")


def names_for_type_checkers() -> dict[str, str]:
    """Name -> module of the imports under `if TYPE_CHECKING:` in attnviz/__init__.py."""
    tree = ast.parse(Path(attnviz.__file__).read_text(encoding="utf-8"))
    guarded = [
        node
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    ]
    return {alias.asname or alias.name: str(node.module) for node in guarded for alias in node.names}


def test_all_is_sorted_and_has_no_name_twice():
    assert attnviz.__all__ == sorted(set(attnviz.__all__))


@pytest.mark.parametrize("name", attnviz.__all__)
def test_every_public_name_is_there_and_says_what_it_is_for(name):
    value = getattr(attnviz, name)
    if name != "__version__":
        assert value.__doc__
        assert value is getattr(import_module(value.__module__), name)


def test_type_checkers_see_the_names_that_all_lists():
    assert set(names_for_type_checkers()) | {"__version__"} == set(attnviz.__all__)


def test_type_checkers_and_python_take_each_name_from_the_same_module():
    for name, module in names_for_type_checkers().items():
        assert getattr(attnviz, name) is getattr(import_module(module), name)


def test_dir_shows_the_public_names():
    assert dir(attnviz) == attnviz.__all__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        attnviz.explian  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, json, attnviz; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(loaded.stdout) == []


def test_reading_the_version_loads_no_torch():
    code = "import sys, attnviz; print(attnviz.__version__, 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.split() == [attnviz.__version__, "False"]


def examples() -> list[doctest.DocTest]:
    """The doctests of every public name and of its methods."""
    finder = doctest.DocTestFinder()
    found = [finder.find(getattr(attnviz, name), name) for name in attnviz.__all__ if name != "__version__"]
    return [test for tests in found for test in tests if test.examples]


def callables() -> dict[str, Any]:
    """Public functions and classes by name, and what an explanation can be asked to do."""
    found = {name: getattr(attnviz, name) for name in attnviz.__all__ if name != "__version__"}
    methods = {name: value for name, value in vars(attnviz.Explanation).items() if inspect.isfunction(value)}
    return {**found, **{f"Explanation.{name}": value for name, value in methods.items() if not name.startswith("_")}}


def test_an_explanation_draws_and_saves_itself():
    assert {"Explanation.overlay", "Explanation.figure", "Explanation.save"} <= set(callables())


@pytest.mark.parametrize("name", callables())
def test_every_public_name_has_an_example(name):
    documentation = inspect.getdoc(callables()[name])
    assert re.search(r"^Example:\n    >>> import attnviz", documentation, re.MULTILINE)
    assert name in {test.name for test in examples()}


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
def test_the_example_of_a_public_name_runs_and_shows_what_it_says(test, monkeypatch):
    monkeypatch.chdir(ROOT)
    before = sorted(path.name for path in ROOT.iterdir())
    test.globs = {}  # an example brings what it needs
    told = io.StringIO()
    assert doctest.DocTestRunner().run(test, out=told.write).failed == 0, told.getvalue()
    assert sorted(path.name for path in ROOT.iterdir()) == before
