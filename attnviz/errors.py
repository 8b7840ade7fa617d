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
    └── ExportError         a figure or file that cannot be written

Each message is one sentence that says what was expected and what came. Adapters translate the tree:
the page shows the sentence, the command line prints it and sets the exit code.
"""


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
