"""Errors in plain words: what attnviz refuses, and what Gradio itself refuses, as one sentence in the page."""

import functools
import html
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.exceptions import InvalidPathError
from pydantic import ValidationError

from attnviz.errors import AttnvizError, CheckpointError, DeviceError, ExportError, ImageError, OptionError, one_line
from attnviz.language import ENGLISH, Say
from attnviz.serve.sessions import SessionStore

_log = logging.getLogger(__name__)
_Function = TypeVar("_Function", bound=Callable[..., Any])
_NO_MACHINE = "This machine cannot run it"
_NO_UPLOAD = "expected a file uploaded to this page, got another path"
_TITLES: tuple[tuple[type[Exception], str], ...] = (
    (ImageError, "This picture cannot be used"),
    (OptionError, "This setting cannot be used"),
    (DeviceError, _NO_MACHINE),
    (MemoryError, _NO_MACHINE),
    (CheckpointError, "These weights cannot be used"),
    (ExportError, "This figure cannot be written"),
)


def page_error(error: Exception) -> gr.Error:
    """An error as the page and API clients see it: why, in words, under a title in plain words."""
    fallback = "This cannot be done" if isinstance(error, AttnvizError) else "This did not work"
    return plain_error(words_of(error), next((title for kind, title in _TITLES if isinstance(error, kind)), fallback))


def plain_error(message: str, title: str) -> gr.Error:
    """A `gr.Error` whose text is shown as text, where it is shown: Gradio renders the message as HTML.

    Gradio's pop-up stays away: the page says the sentence in a status line, where it can be read for longer.
    """
    text = html.escape(message, quote=False)
    return gr.Error(text, visible=False, title=title, print_exception=False)


def words_of(error: Exception) -> str:
    """Why something could not be done, as one line; of an error that nobody foresaw its kind and no details."""
    if isinstance(error, AttnvizError):
        return one_line(error)
    if isinstance(error, MemoryError):
        return "expected a run that fits into memory, got one that does not"
    return f"attnviz met something it did not expect ({type(error).__name__}); the server's log has the details"


def sentence(words: str, say: Say = ENGLISH) -> str:
    """An error's message as a sentence: a capital at the front, a full stop at the end.

    Args:
        words: The message, in English.
        say: Puts it into the language of whoever reads it; what it does not know stays English to its full stop.
    """
    said = say(words)
    stop = say(".") if said != words else "."
    return f"{said[:1].upper()}{said[1:].rstrip('.')}{stop}"


@contextmanager
def noting(sessions: SessionStore, session: str, part: str) -> Iterator[None]:
    """Within it, why something failed is kept for the part of the page that asked for it, which then says it."""
    try:
        yield
    except Exception as error:
        sessions.note(session, part, words_of(error))
        raise


def in_plain_words(function: _Function) -> _Function:
    """Wrap an event handler, plain or generator: every error becomes a sentence; unexpected ones are logged whole."""
    if not inspect.isgeneratorfunction(function):
        return _errors_in_plain_words()(function)

    @functools.wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _errors_in_plain_words():
            yield from function(*args, **kwargs)

    return stream  # type: ignore[return-value]


@contextmanager
def _errors_in_plain_words() -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        if not isinstance(error, AttnvizError | MemoryError):
            _log.error("an event of the page failed", exc_info=error)
        raise page_error(error) from error


def explain_refusals(demo: gr.Blocks) -> None:
    """Say in words what Gradio refuses before a handler runs: wrong types, foreign paths, unknown choices.

    Without this a client is told "Error" and nothing else, and a file given as an http address would be fetched.
    """
    original: Callable[..., Awaitable[list[Any]]] = demo.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: Any, *args: Any, **kwargs: Any) -> list[Any]:  # noqa: ANN401
        try:
            _check_addresses(inputs)
            return await original(block_fn, inputs, *args, **kwargs)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            raise plain_error(_refusal(error), "This request cannot be used") from error

    demo.preprocess_data = preprocess_data  # type: ignore[method-assign]


def _check_addresses(value: Any) -> None:  # noqa: ANN401 - whatever a client sent
    """Refuse files named by an address: this program fetches nothing for a visitor."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and not Path(path).is_absolute():
            raise plain_error(_NO_UPLOAD, "This request cannot be used")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_addresses(part)


def _refusal(error: Exception) -> str:
    """One sentence on why Gradio's own checks refused a value; no path of this machine in it."""
    cause = error.__cause__ or error
    if isinstance(cause, ValidationError):
        return "expected a file uploaded to this page, got a value of another kind"
    if isinstance(cause, InvalidPathError) or "gradio cache" in str(cause):
        return _NO_UPLOAD
    return f"expected values of the kinds this page sends, got one that cannot be read ({type(cause).__name__})"
