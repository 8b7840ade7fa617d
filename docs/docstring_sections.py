"""For mkdocstrings: an ``Example:`` of a docstring is a section of code, known there as ``Examples:`` only."""

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Writes the plural while the package is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
