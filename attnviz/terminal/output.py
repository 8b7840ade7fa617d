"""What the command line says, and to whom: results to standard output, all else in single lines to standard error.

Where nobody reads any more, typer ends the program quietly with exit code 1, as it does with 130 on Ctrl-C.
"""

import logging
import os
import sys
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from attnviz.errors import AttnvizError, DeviceError, InputError, one_line

SOME_REFUSED = 1
WRONG_USAGE = 2
UNEXPECTED = 70  # sysexits.h: EX_SOFTWARE
TRACEBACK = "ATTNVIZ_TRACEBACK"  # set to anything: unexpected errors come with Python's traceback


class RefusingGroup(TyperGroup):
    """Commands of which each may raise an `AttnvizError`: it ends in one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as typer has it
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except AttnvizError as error:
            refuse(error)


class _LogLines(logging.Handler):
    """Prints what is logged like every other message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        warn(record.getMessage())


_log_lines = _LogLines()


def prepare_streams() -> None:
    """Let no name of a file stop the program because the terminal cannot show it, nor reach the terminal raw."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logging.getLogger("attnviz.models").addHandler(_log_lines)  # damaged cards that were left out


def say(text: str) -> None:
    """Print a result."""
    _write(sys.stdout, text)


def warn(text: str) -> None:
    """Print one line to standard error."""
    _write(sys.stderr, f"attnviz: {one_line(text)}")


def refuse(error: AttnvizError, code: int | None = None) -> NoReturn:
    """End a command that cannot be done at all.

    Args:
        error: Its sentence is printed.
        code: Exit code; None: 2 for what was asked for wrongly, else 1.
    """
    warn(str(error))
    raise typer.Exit(exit_code(error) if code is None else code)


def exit_code(error: AttnvizError) -> int:
    """2 for what was asked for wrongly, else 1."""
    return WRONG_USAGE if isinstance(error, InputError | DeviceError) else SOME_REFUSED


def unexpected(error: Exception) -> int:
    """Tell of an error that nobody foresaw in one line, and return the exit code."""
    detail = one_line(error, 300)
    warn(f"something unexpected happened ({type(error).__name__}: {detail}); set {TRACEBACK}=1 to see where")
    if os.environ.get(TRACEBACK):
        import traceback

        traceback.print_exception(error)
    try:
        sys.stdout.flush()
    except OSError:  # a full disk behind it
        sys.stdout = None  # else Python complains about it when it ends
    return UNEXPECTED


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # None: closed by whoever started the program
        stream.write(f"{text}\n")
        stream.flush()
