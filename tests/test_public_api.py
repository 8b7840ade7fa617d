"""The names that `import attnviz` promises, and what importing it costs."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import attnviz

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
