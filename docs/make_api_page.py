"""Write the reference at the end of docs/python-api.md from the docstrings, so that it cannot say anything else.

make docs
"""

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attnviz
from attnviz.render.figure_options import FigureOptions

PAGE = Path(__file__).resolve().parent / "python-api.md"
MARK = "<!-- From here on written by docs/make_api_page.py (make docs), from the docstrings. -->"
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):$", re.MULTILINE)
_ENTRY = re.compile(r"^(\S[^:\n]*): ((?:.*)(?:\n +.*)*)", re.MULTILINE)
_PROPERTIES = {"property", "cached_property"}


def page() -> str:
    """The whole page: its text as it is, and the reference anew."""
    text = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    return f"{text}{MARK}\n\n{reference()}"


def reference() -> str:
    """Every public name, and every class of the package that one of them takes, gives or holds."""
    public = {f"attnviz.{name}": getattr(attnviz, name) for name in attnviz.__all__ if name != "__version__"}
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    classes = {name: value for name, value in public.items() if inspect.isclass(value)}
    held = {value.__name__: value for value in sorted(_held([*public.values(), FigureOptions]), key=_name)}
    parts = ["## Reference", "### Functions", *(_function(name, value) for name, value in functions.items())]
    parts += ["### Classes", *(_class(name, value) for name, value in classes.items())]
    rest = {name: value for name, value in held.items() if value not in classes.values()}
    parts += ["### What they hold and take", *(_class(name, value) for name, value in rest.items())]
    return "\n\n".join(parts) + "\n"


def _name(value: type) -> str:
    return value.__name__


def _held(start: list[Any]) -> set[type]:
    """The package's own classes among what is given and, again and again, among the types of their annotations."""
    found: set[type] = set()
    waiting = list(start)
    while waiting:
        value = waiting.pop()
        if typing.get_origin(value) is not None:  # first: Python 3.10 takes `tuple[int]` for a class
            waiting += typing.get_args(value)
            continue
        own = inspect.isclass(value) and value.__module__.startswith("attnviz.") and value not in found
        if own:
            found.add(value)
        if own or inspect.isfunction(value):
            waiting += typing.get_type_hints(value).values()
    return found


def _function(name: str, function: Callable[..., Any], level: int = 4) -> str:
    sections = _sections(function)
    parts = [f"{'#' * level} {name}", f"```text\n{_signature(name, function)}\n```", sections.pop("")]
    return "\n\n".join([*parts, *_described(sections)])


def _class(name: str, value: type) -> str:
    sections = _sections(value)
    attributes = _entries(sections.pop("Attributes", ""))
    rows = [(f"`{key}`", f"`{kind}`", text or attributes.get(key, "")) for key, kind, text in _attributes(value)]
    parts = [f"#### {name}", sections.pop("")]
    parts += [_table(("Attribute", "Type", "What it is"), rows)] if rows else []
    parts += _described(sections)
    methods = {key: entry for key, entry in vars(value).items() if inspect.isfunction(entry) and key[0] != "_"}
    parts += [_function(f"{value.__name__}.{key}", entry, level=5) for key, entry in methods.items()]
    return "\n\n".join(parts)


def _attributes(value: type) -> Iterator[tuple[str, str, str]]:
    """Name, type as written, and for properties the first line of the docstring."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    for node in getattr(definition, "body", []):
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            yield ast.unparse(node.target), _type(node.annotation), ""
        elif isinstance(node, ast.FunctionDef) and _PROPERTIES & {ast.unparse(name) for name in node.decorator_list}:
            if node.returns is not None and not node.name.startswith("_"):
                yield node.name, _type(node.returns), " ".join(str(ast.get_docstring(node)).split("\n\n")[0].split())


def _type(annotation: ast.expr) -> str:
    """As it is written; which numbers an array holds is said in words beside it."""
    return re.sub(r"\b(Float|Byte|Label)Array\b", "ndarray", ast.unparse(annotation))


def _signature(name: str, function: Callable[..., Any]) -> str:
    """With defaults and without types: what is taken stands in words below."""
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self"
    ]
    taken = str(inspect.Signature(plain)).replace("'", '"')
    return f"{name}{taken}" if len(name) + len(taken) <= 110 else f"{name}(\n    {taken[1:-1]}\n)"


def _described(sections: dict[str, str]) -> list[str]:
    parts = []
    for title, header in (("Args", "Argument"), ("Raises", "Raises")):
        if title in sections:
            rows = [(f"`{key}`", text) for key, text in _entries(sections[title]).items()]
            parts.append(_table((header, "What it is" if title == "Args" else "When"), rows))
        if title == "Args" and "Returns" in sections:
            parts.append(f"Returns: {' '.join(sections['Returns'].split())}")
    if "Example" in sections:
        parts.append(f"```pycon\n{sections['Example']}\n```")
    return parts


def _sections(value: Any) -> dict[str, str]:  # noqa: ANN401 - whatever has a docstring
    """The docstring's parts by their titles, its beginning under ``""``."""
    beginning, *rest = _SECTION.split(inspect.getdoc(value) or "")
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    return {
        "": beginning.strip(),
        **{title: textwrap.dedent(text.strip("\n")).rstrip() for title, text in parts.items()},
    }


def _entries(section: str) -> dict[str, str]:
    return {name: " ".join(text.split()) for name, text in _ENTRY.findall(section)}


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
