"""What was measured about a photo's attention, as files: ``evidence.json``, and its curves and bars as pictures."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

from attnviz.errors import OptionError
from attnviz.language import DEFAULT_LANGUAGE
from attnviz.measure.definitions import definitions_json

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

EVIDENCE = "evidence.json"
SCHEMA = "attnviz evidence 1"


def evidence_document(found: "Evidence") -> str:
    """The numbers, the verdict and what each number is as JSON, ASCII; a number that is not defined is null.

    Raises:
        OptionError: It is not what `attnviz.evidence` returns.
    """
    if not callable(getattr(found, "to_json", None)):
        raise OptionError(f"expected what attnviz.evidence measured as evidence, got {type(found).__name__}")
    document = {"schema": SCHEMA, **found.to_json(), "definitions": definitions_json()}
    return json.dumps(document, indent=1, allow_nan=False)


def evidence_files(found: "Evidence", formats: Iterable[str], *, language: str = DEFAULT_LANGUAGE) -> dict[str, bytes]:
    """All files of a measurement; page, terminal and Python write the same.

    Args:
        found: What was measured.
        formats: Of the figures beside it; those out of ``"png"``, ``"pdf"`` and ``"svg"`` are drawn.
        language: Of the figures, one of `attnviz.language.LANGUAGES`; ``evidence.json`` is English.

    Returns:
        File name -> content: for each of these formats ``interventions.*`` and, of a classifier, ``curves.*``; then
        ``evidence.json``.

    Raises:
        OptionError: It is not what `attnviz.evidence` returns.
        MissingExtraError: Something is drawn, and matplotlib is not installed.
    """
    document = evidence_document(found).encode("ascii")
    return {**_pictures(found, tuple(formats), language), EVIDENCE: document}


def _pictures(found: "Evidence", formats: tuple[str, ...], language: str) -> dict[str, bytes]:
    if not {"png", "pdf", "svg"} & {*formats}:
        return {}
    from attnviz.render.evidence_plots import evidence_figures  # only when drawn: it takes matplotlib
    from attnviz.render.figure_file import FigureFormat, figure_file
    from attnviz.render.figure_language import figure_speaker

    drawn = [name for name in get_args(FigureFormat) if name in formats]
    return {
        f"{name}.{file_format}": figure_file(figure, file_format)
        for name, figure in evidence_figures(found, figure_speaker(language)).items()
        for file_format in drawn
    }
