"""Scripts as text: small ES modules joined into one classic script, without a build step.

Each module becomes a function of its own that returns what it exports, so names cannot collide:

    const module3_color = (() => { ...; return { paint }; })();

Only the forms used here are understood: ``import { a, b } from "./file.js";``, with any relative path, and ``export``
before ``function``, ``const`` or ``class``. Anything else raises, so that a module is never silently half joined.
"""

import json
import os
import re
from functools import cache
from pathlib import Path

from attnviz.errors import ExportError

SCRIPTS = Path(__file__).parent / "js"
STYLE = Path(__file__).parent / "viewer.css"

_STYLE_MODULE = "style.js"  # its one constant becomes the style sheet
_IMPORT = re.compile(r'^import \{\s*([\w$,\s]+?),?\s*\} from "(\.{1,2}/[\w./-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) ([\w$]+))", re.MULTILINE)
_LEFT_OVER = re.compile(r"^\s*(?:import\b(?!\()|export\b).*$", re.MULTILINE)


@cache
def viewer_script() -> str:
    """The whole viewer as one classic script that defines ``window.attnviz``, with the style sheet inside."""
    return bundle(SCRIPTS / "main.js")


def bundle(entry: Path) -> str:
    """A module with all that it imports, as one classic script.

    Args:
        entry: The module that runs last; what it exports is lost.

    Returns:
        JavaScript without import, export or ``</script``.

    Raises:
        ExportError: A module uses a form of import or export that is not understood, or imports form a circle.
    """
    order: list[Path] = []
    _visit(entry.resolve(), order, ())
    variables = {path: f"module{number}_{re.sub(r'[^A-Za-z0-9]', '_', path.stem)}" for number, path in enumerate(order)}
    parts = [_wrapped(path, variables, entry.resolve().parent) for path in order]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


def _source(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.name == _STYLE_MODULE:
        style = json.dumps((path.parents[1] / STYLE.name).read_text(encoding="utf-8"))
        return text.replace('""', style.replace("</", "<\\/"))
    return text


def _visit(path: Path, order: list[Path], above: tuple[Path, ...]) -> None:
    """Appends the modules a module needs, then itself."""
    if path in above:
        circle = " -> ".join(step.name for step in (*above, path))
        raise ExportError(f"expected modules without circular imports, got {circle}")
    for match in _IMPORT.finditer(_source(path)):
        _visit(_target(path, match[2]), order, (*above, path))
    if path not in order:
        order.append(path)


def _target(path: Path, imported: str) -> Path:
    return (path.parent / imported).resolve()


def _wrapped(path: Path, variables: dict[Path, str], root: Path) -> str:
    """A module as a function that runs once and returns its exports."""
    source = _source(path)
    exports = [match[1] for match in _EXPORT.finditer(source)]

    def taken(match: re.Match[str]) -> str:
        return f"const {{ {match[1]} }} = {variables[_target(path, match[2])]};\n"

    body = _EXPORT.sub("", _IMPORT.sub(taken, source))
    if left := _LEFT_OVER.search(body) or re.search("</script", body):
        raise ExportError(f"expected plain named imports and exports in {path.name}, got {left[0]!r}")
    name = Path(os.path.relpath(path, root)).as_posix()
    return f"// {name}\nconst {variables[path]} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();"
