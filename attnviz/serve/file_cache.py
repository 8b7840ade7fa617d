"""Files that the page may show or hand out: copies in the folder that `attnviz.serve.environment` names."""

from pathlib import Path

from gradio.data_classes import FileData
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder


def shown(path: Path) -> str:
    """A copy of a file that the page may show; its folder is named by its content's hash, which nobody can guess."""
    return str(save_file_to_cache(path, get_upload_folder()))


def linked(path: Path) -> dict[str, object]:
    """The same as a value for the page's scripts, where Gradio fills in the ``url``."""
    return FileData(path=shown(path), orig_name=path.name).model_dump()
