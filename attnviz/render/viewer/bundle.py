"""The viewer's script and style as text: small ES modules joined into one classic script, without a build step.

Each module becomes a function of its own that returns what it exports, so names cannot collide:

    const color = (() => { ...; return { paint }; })();

Only the forms used in `viewer/` are understood: ``import { a, b } from "./file.js";`` and ``export`` before
``function``, ``const`` or ``class``. Anything else raises, so that a module is never silently half joined.
"""

import re
from functools import cache
from pathlib import Path

from attnviz.errors import ExportError

ENTRY = "mount.js"

_IMPORT = re.compile(r'^import \{\s*([\w$,\s]+?),?\s*\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) ([\w$]+))", re.MULTILINE)
_LEFT_OVER = re.compile(r"^\s*(?:import\b(?!\()|export\b).*$", re.MULTILINE)


@cache
def viewer_script() -> str:
    """The whole viewer as one classic script that defines ``window.attnviz``.

    Returns:
        JavaScript without import, export or ``</script``, with the style sheet inside.

    Raises:
        ExportError: A module uses a form of import or export that is not understood, or imports form a circle.
    """
    order: list[str] = []
    _visit(ENTRY, order, ())
    parts = [_wrapped(name) for name in order]
    style = viewer_style().replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")
    entry = _variable(ENTRY)
    return (
        '(() => {\n"use strict";\n'
        + "\n".join(parts)
        + f"\nwindow.attnviz = Object.freeze({{ ...{entry}, style: `{style}` }});\n}})();\n"
    )


@cache
def viewer_style() -> str:
    """The viewer's style sheet; every rule is about elements inside ``.attnviz``."""
    return (_folder().parent / "viewer.css").read_text(encoding="utf-8")


def _folder() -> Path:
    return Path(__file__).parent / "js"


def _source(name: str) -> str:
    return (_folder() / name).read_text(encoding="utf-8")


def _visit(name: str, order: list[str], above: tuple[str, ...]) -> None:
    """Appends the modules a module needs, then itself."""
    if name in above:
        raise ExportError(f"expected modules without circular imports, got {' -> '.join((*above, name))}")
    for match in _IMPORT.finditer(_source(name)):
        _visit(f"{match[2]}.js", order, (*above, name))
    if name not in order:
        order.append(name)


def _wrapped(name: str) -> str:
    """A module as a function that runs once and returns its exports."""
    source = _source(name)
    exports = [match[1] for match in _EXPORT.finditer(source)]
    body = _EXPORT.sub("", _IMPORT.sub(lambda m: f"const {{ {m[1]} }} = {_variable(m[2])};\n", source))
    if left := _LEFT_OVER.search(body) or re.search("</script", body):
        raise ExportError(f"expected plain named imports and exports in {name}, got {left[0]!r}")
    return f"// {name}\nconst {_variable(name)} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();"


def _variable(name: str) -> str:
    return "module_" + name.removesuffix(".js").replace("-", "_")
