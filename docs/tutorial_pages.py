"""The tutorials: notebooks that are kept without results, run by the tests, and run again for the site."""

import base64
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent / "tutorials"
TUTORIALS = tuple(sorted(FOLDER.glob("*.ipynb")))
SECONDS = 300  # for one cell, on a busy machine


def executed(path: Path) -> Any:  # noqa: ANN401 - nbformat has no types
    """A notebook with the results of its cells, run in its own folder by this Python.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=where)
    client.execute(env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])})
    return notebook


def as_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """A tutorial as Markdown with the results of its cells, and the pictures that it shows by their names."""
    parts, pictures = [], {}
    for number, cell in enumerate(executed(path).cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{path.stem}-{number}.png"
                pictures[picture] = base64.b64decode(data["image/png"])
                parts.append(f"![What the cell above shows]({picture})")
            elif output.get("name") == "stderr":
                continue  # what a library warns of on the machine that builds the site
            elif text := str(output.get("text") or data.get("text/plain") or "").rstrip():
                parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts) + "\n", pictures


if __name__ == "__main__":
    for tutorial in sys.argv[1:]:
        executed(Path(tutorial))
