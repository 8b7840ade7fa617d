"""The tree of exceptions, and how a message shows what came."""

import errno
import inspect
import json

import pytest

from attnviz import errors
from attnviz.errors import one_line, quoted, reason

HOSTILE = "a\r\nb\x1b[2Jc\u2028d\u202ee\x00f\udcffg"


def test_every_exception_stands_in_the_tree_that_the_docstring_draws():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert all(issubclass(kind, errors.AttnvizError) for kind in kinds)
    assert [kind.__name__ for kind in kinds if kind.__name__ not in errors.__doc__] == []


def test_one_line_is_one_line_that_can_be_written_anywhere():
    line = one_line(HOSTILE)
    assert line == "a  b [2Jc d e f\\udcffg"
    assert line.isprintable()
    assert json.loads(json.dumps(line.encode("utf-8").decode("utf-8"))) == line


@pytest.mark.parametrize("text", ["", "plain", "two  spaces stay", "Grüße, 写真, صورة", "C:\\photos\\a.png"])
def test_one_line_leaves_other_text_alone(text):
    assert one_line(text) == text


@pytest.mark.parametrize(("text", "line"), [("abcde", "abcde"), ("abcdef", "abcd…"), ("\nab\n", "ab")])
def test_one_line_cuts_what_is_long(text, line):
    assert one_line(text, 5) == line


@pytest.mark.parametrize(
    ("value", "words"),
    [("bend", "'bend'"), (7, "'7'"), (None, "'None'"), ("it's", '"it\'s"'), ("a\nb", "'a b'"), ("x" * 9, "'xxxx…'")],
)
def test_quoted(value, words):
    assert quoted(value, 5) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "/photos/of/anna.png"), "no such file"),
        (OSError("two\nlines"), "two lines"),
        (ValueError("expected this, got that"), "expected this, got that"),
        (MemoryError(), "MemoryError"),
        (KeyError(), "KeyError"),
    ],
)
def test_reason(error, words):
    assert reason(error) == words
