"""Where files lie that the page may show or hand out: a folder of this run alone."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from gradio import routes
from gradio.data_classes import FileData
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder


def private_file_cache() -> None:
    """Give pictures and downloads a folder of their own that goes when the program ends.

    Gradio's default is one folder for every app of this machine, kept for ever. A folder named in the environment
    (``GRADIO_TEMP_DIR``) is left as it is.
    """
    if os.environ.get("GRADIO_TEMP_DIR"):
        return
    folder = tempfile.mkdtemp(prefix="attnviz-")  # readable by this user alone
    os.environ["GRADIO_TEMP_DIR"] = folder
    # Read once when Gradio was imported: it makes a folder there, which fails where another user's is in the way.
    routes.DEFAULT_TEMP_DIR = folder  # type: ignore[attr-defined]
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def shown(path: Path) -> str:
    """A copy of a file that the page may show; its folder is named by its content's hash, which nobody can guess."""
    return str(save_file_to_cache(path, get_upload_folder()))


def linked(path: Path) -> dict[str, object]:
    """The same as a value for the page's scripts, where Gradio fills in the ``url``."""
    return FileData(path=shown(path), orig_name=path.name).model_dump()
