"""Every exception attnviz raises on purpose; catch `AttnvizError` to catch them all.

    AttnvizError
    ├── InputError          what was given cannot be used (also a ValueError)
    │   ├── ImageError      not a picture, damaged, too large, too small
    │   └── OptionError     an unknown or impossible option
    ├── ModelError
    │   ├── UnknownModelError   no weights of that name
    │   ├── CheckpointError     a file that does not fit any network exactly
    │   └── DownloadError       published weights that could not be had
    ├── RecordError         a site that is not there, a forward that cannot be watched
    ├── DeviceError         a device that is not there, or too little memory for the run
    ├── ExportError         a figure or file that cannot be written
    ├── CancelledError      a long run that was given up by whoever asked for it
    └── MissingExtraError   a package that only this needs is not installed (also an ImportError)

Each message is one sentence that says what was expected and what came. Adapters translate the tree:
the page shows the sentence, the command line prints it and sets the exit code.

How a message shows what came, which can be anything, stands at the end: `one_line`, `quoted`, `reason`.
"""

import unicodedata


class AttnvizError(Exception):
    """Base of all errors that attnviz raises on purpose.

    Example:
        >>> import attnviz
        >>> try:
        ...     attnviz.load_model("no_such_model")
        ... except attnviz.AttnvizError as error:
        ...     print(type(error).__name__)
        UnknownModelError
    """


class InputError(AttnvizError, ValueError):
    """Something given by the caller cannot be used."""


class ImageError(InputError):
    """The picture cannot be used: not a picture, damaged, too large or too small."""


class OptionError(InputError):
    """An option is unknown or out of its range."""


class ModelError(AttnvizError):
    """Something about a model or its weights is wrong."""


class UnknownModelError(ModelError, InputError):
    """No weights of that name are known."""


class CheckpointError(ModelError):
    """A checkpoint is damaged or does not fit a known network exactly."""


class DownloadError(ModelError):
    """Published weights could not be fetched or are not what they should be."""


class RecordError(AttnvizError):
    """A forward pass cannot be watched as asked."""


class DeviceError(AttnvizError):
    """The device is not there, or lacks the memory the run needs."""


class ExportError(AttnvizError):
    """A figure or file cannot be written."""


class CancelledError(AttnvizError):
    """A long run was given up by whoever asked for it."""


class MissingExtraError(AttnvizError, ImportError):
    """A package that only a part of the program needs is not installed."""


def one_line(value: object, most: int | None = None) -> str:
    """Text on one line, for a page, a terminal or a file alike.

    Args:
        value: Text, or anything that has one.
        most: Longer text is cut to so many characters, with an ellipsis in the end; None: it is not.

    Returns:
        The text without anything that breaks a line, moves a terminal's cursor or turns the direction of writing (a
        space stands for each), without what cannot be written as UTF-8 (its number stands for it), and without spaces
        at its ends.
    """
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in str(value))
    line = visible.encode("utf-8", errors="backslashreplace").decode("utf-8").strip()
    return line if most is None or len(line) <= most else f"{line[: most - 1]}\u2026"


def quoted(value: object, most: int = 80) -> str:
    """What was given, for a message: in quotes, as `one_line` of at most so many characters."""
    return repr(one_line(value, most))


def reason(error: BaseException) -> str:
    """Why something failed, as one line: an operating system's own words without the path, else the error's message."""
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror.lower())
    return one_line(error) or type(error).__name__


def first_line(error: BaseException) -> str:
    """What a library's error of several lines says first, as one line to be quoted in a sentence of ours."""
    return one_line(str(error).strip().partition("\n")[0], 160) or type(error).__name__
