"""The families beside each other as files to take away: the page, and the same maps as a figure."""

import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from attnviz.render.families_plan import plan_families
from attnviz.render.figure import render_figure
from attnviz.render.figure_file import FigureFormat
from attnviz.render.figure_options import FigureOptions
from attnviz.render.viewer.page import families_html
from attnviz.results import Explanation
from attnviz.save.atomic_files import add_to_zip
from attnviz.serve.events import session_of
from attnviz.serve.file_cache import shown
from attnviz.serve.page_language import visitor_language
from attnviz.serve.refusals import in_plain_words, noting
from attnviz.serve.sessions import SessionStore

_FORMATS: tuple[FigureFormat, ...] = ("png", "pdf", "svg")
OFF = gr.update(value=None, interactive=False)


def handler(sessions: SessionStore, part: str) -> Callable[..., Any]:
    """The event handler that makes the files of the families that were compared last; none where there are none."""

    @in_plain_words
    def files(request: gr.Request) -> Any:  # noqa: ANN401 - an update of a component
        session = session_of(request)
        found = sessions.families(session)
        if not found:
            return OFF
        with noting(sessions, session, part), tempfile.TemporaryDirectory(prefix="attnviz-") as folder:
            photo = sessions.photo(session)
            archive = Path(folder, "attnviz-families.zip")
            with zipfile.ZipFile(archive, "w") as whole:
                name = None if photo is None else photo.name
                for file, content in family_files(found, photo_name=name, language=visitor_language(request)).items():
                    add_to_zip(whole, file, content)
            return gr.update(value=shown(archive, session), interactive=True)

    return files


def family_files(explanations: Mapping[str, Explanation], *, photo_name: str | None, language: str) -> dict[str, bytes]:
    """Name of a file -> its content.

    Raises:
        OptionError: The families cannot be laid beside each other.
    """
    plan = plan_families(explanations, FigureOptions(language=language), photo_name=photo_name)
    found = {f"families.{kind}": render_figure(plan, kind) for kind in _FORMATS}
    return {"families.html": families_html(explanations, language=language).encode("utf-8"), **found}
