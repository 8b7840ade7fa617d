"""What Gradio and its libraries read from the environment: the page stays on this machine, in a folder of its own."""

import atexit
import os
import shutil
import tempfile

_OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",  # no table of all events after every event: nobody can see it
    "GRADIO_ANALYTICS_MAX_EVENTS": "100",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
_FILES = "GRADIO_TEMP_DIR"


def prepare_environment() -> None:
    """Set what must be set before Gradio is imported, in a process that serves the page and does nothing else.

    Some of these names are read when Gradio is imported, which would otherwise look hosts up at start, and make a
    folder that is one for every app of this machine and is kept for ever. Names that are set already are left alone.
    """
    for name, value in _OFFLINE.items():
        os.environ.setdefault(name, value)
    if not os.environ.get(_FILES):
        os.environ[_FILES] = tempfile.mkdtemp(prefix="attnviz-")  # readable by this user alone
        atexit.register(shutil.rmtree, os.environ[_FILES], ignore_errors=True)
