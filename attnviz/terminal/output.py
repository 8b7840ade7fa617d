"""What the command line says, and to whom: results to standard output, all else in single lines to standard error."""

import os
import sys
import unicodedata
from typing import NoReturn, TextIO

import typer

from attnviz.errors import AttnvizError, DeviceError, InputError

BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell reports a program that was cut off
INTERRUPTED = 130  # 128 + SIGINT
UNEXPECTED = 70  # sysexits.h: EX_SOFTWARE
SOME_REFUSED = 1
WRONG_USAGE = 2
TRACEBACK = "ATTNVIZ_TRACEBACK"  # set to anything: unexpected errors come with Python's traceback


def prepare_streams() -> None:
    """Let no name of a file stop the program because the terminal cannot show it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print a result.

    Raises:
        typer.Exit: Nobody reads any more.
    """
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
    wrong_usage = isinstance(error, InputError | DeviceError)
    raise typer.Exit(code if code is not None else WRONG_USAGE if wrong_usage else SOME_REFUSED)


def one_line(text: str) -> str:
    """The text on one line, without anything that moves a terminal's cursor or turns the direction of writing."""
    visible = [" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text]
    return " ".join("".join(visible).split(" "))


def unexpected(error: Exception) -> int:
    """Tell of an error that nobody foresaw in one line, and return the exit code."""
    detail = one_line(str(error))[:300]
    warn(f"something unexpected happened ({type(error).__name__}: {detail}); set {TRACEBACK}=1 to see where")
    if os.environ.get(TRACEBACK):
        import traceback

        traceback.print_exception(error)
    return UNEXPECTED


def close_quietly() -> int | None:
    """Flush what was printed; the exit code where the reader is gone, else None."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return BROKEN_PIPE
    except (OSError, ValueError):  # closed, or a full disk behind it
        _silence()
        return SOME_REFUSED
    return None


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except BrokenPipeError as error:
        _silence()
        raise typer.Exit(BROKEN_PIPE) from error


def _silence() -> None:
    """Point standard output at nothing, so that Python does not complain about it when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no real file behind it
        return
