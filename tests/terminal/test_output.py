import errno
import io
import logging
import os
import sys

import pytest
import typer

from attnviz.errors import DeviceError, ExportError, ImageError, ModelError, UnknownModelError
from attnviz.terminal import output as terminal
from attnviz.terminal.app import main


def test_a_refusal_is_one_line_on_standard_error(capsys):
    terminal.warn("two\nlines \x1b[31mred\x1b[0m \u202eback")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "attnviz: two lines  [31mred [0m  back\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ImageError("x"), 2),
        (UnknownModelError("x"), 2),
        (DeviceError("x"), 2),
        (ModelError("x"), 1),
        (ExportError("x"), 1),
    ],
)
def test_codes_of_errors(error, code):
    with pytest.raises(typer.Exit) as stop:
        terminal.refuse(error)
    assert stop.value.exit_code == code


def test_an_unexpected_error_is_one_line_and_its_traceback_can_be_had(capsys, monkeypatch):
    monkeypatch.delenv("ATTNVIZ_TRACEBACK", raising=False)
    assert terminal.unexpected(ZeroDivisionError("by\nzero")) == 70
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "ZeroDivisionError: by zero" in err
    monkeypatch.setenv("ATTNVIZ_TRACEBACK", "1")
    try:
        raise ZeroDivisionError("again")
    except ZeroDivisionError as error:
        terminal.unexpected(error)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_when_the_reader_is_gone_the_command_ends_quietly(monkeypatch, capsys):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # typer puts a wrapper in its place
    monkeypatch.setattr(sys, "argv", ["attnviz", "--version"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1  # as every program made with click
    assert capsys.readouterr().err == ""


def test_what_is_logged_about_weights_is_one_clean_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["attnviz", "--version"])
    with pytest.raises(SystemExit):
        main()
    logging.getLogger("attnviz.models.weights.registry").warning("left out: %s", "a\x1b[31m\nb.json")
    assert capsys.readouterr().err == "attnviz: left out: a [31m b.json\n"


def test_a_name_that_the_terminal_cannot_show_is_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    terminal.prepare_streams()
    terminal.say("猫 " + os.fsdecode(b"\xff"))
    assert raw.getvalue() == b"\\u732b \\udcff\n"
