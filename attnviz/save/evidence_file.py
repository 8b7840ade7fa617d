"""What was measured about a photo's attention, as a file: ``evidence.json``."""

import json
from typing import TYPE_CHECKING

from attnviz.errors import OptionError

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

EVIDENCE = "evidence.json"
SCHEMA = "attnviz evidence 1"


def evidence_document(found: "Evidence") -> str:
    """The numbers and the verdict as JSON, ASCII; a number that is not defined is null.

    Raises:
        OptionError: It is not what `attnviz.evidence` returns.
    """
    if not callable(getattr(found, "to_json", None)):
        raise OptionError(f"expected what attnviz.evidence measured as evidence, got {type(found).__name__}")
    return json.dumps({"schema": SCHEMA, **found.to_json()}, indent=1, allow_nan=False)
