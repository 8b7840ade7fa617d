"""The sentences in the program's sources: templates and plain literals of scripts, arguments and messages of Python."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attnviz.language import skeleton

_REGEX_MAY_FOLLOW = "(,=:[!&|?{};\n"


@dataclass(frozen=True)
class Literal:
    """A literal of a script: its text, with {} for each value in it, and whether `t` stands before it."""

    text: str
    translated: bool


def script_literals(source: str) -> list[Literal]:
    """Every string and template of a module, comments left out; templates within templates, too."""
    found: list[Literal] = []
    _scan(source, 0, found, until=None)
    return found


def _scan(source: str, at: int, found: list[Literal], until: str | None) -> int:
    """Reads on to the closing brace of a template's value, or to the end; where it stopped."""
    depth = 0
    before = "\n"  # the last character that counts
    while at < len(source):
        character = source[at]
        if source.startswith("//", at):
            at = source.find("\n", at)
            if at < 0:
                return len(source)
            continue
        if source.startswith("/*", at):
            at = source.index("*/", at) + 2
            continue
        if character == "/" and before in _REGEX_MAY_FOLLOW:
            at += re.compile(r"/(?:\\.|\[(?:\\.|[^\]])*\]|[^/\\\[\n])+/[a-z]*").match(source, at).end() - at
            before = "/"
            continue
        if character in "\"'":
            whole = re.compile(rf"{character}((?:\\.|[^{character}\\\n])*){character}").match(source, at)
            if not _imported(source, at):
                found.append(Literal(whole[1].replace("\\n", "\n"), translated=False))
            at = whole.end()
            before = character
            continue
        if character == "`":
            at = _template(source, at, found)
            before = "`"
            continue
        if character == "{":
            depth += 1
        elif character == "}":
            if depth == 0 and until == "}":
                return at
            depth -= 1
        if not character.isspace() or character == "\n":
            before = character
        at += 1
    return at


def _imported(source: str, at: int) -> bool:
    return re.search(r"(?:from|import) $", source[max(0, at - 8) : at]) is not None


def _template(source: str, at: int, found: list[Literal]) -> int:
    """Reads a template; the index after its closing backtick."""
    tagged = re.search(r"(?:^|[^\w$.])t$", source[max(0, at - 2) : at]) is not None
    place = len(found)
    text = ""
    at += 1
    while source[at] != "`":
        if source.startswith("${", at):
            at = _scan(source, at + 2, found, until="}") + 1
            text += "{}"
        elif source[at] == "\\":
            text += {"n": "\n"}.get(source[at + 1], source[at + 1])
            at += 2
        else:
            text += source[at]
            at += 1
    found.insert(place, Literal(text, tagged))
    return at + 1


def said(source: Path) -> Iterator[str]:
    """Skeletons of what a Python file hands to a function named `say`, as the one argument, as a literal."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
            for argument in node.args[:1]:
                yield from _texts(argument)


def raised(source: Path) -> Iterator[str]:
    """Skeletons of the messages of errors that a Python file raises."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in node.exc.args[:1]:
                yield from _texts(argument)


def literals(source: Path) -> Iterator[str]:
    """Skeletons of every string in a Python file that is no docstring."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in docstrings | inside:
            yield from _texts(node)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        yield "".join(str(part) for part in parts)


__all__ = ["Literal", "literals", "raised", "said", "script_literals", "skeleton"]
