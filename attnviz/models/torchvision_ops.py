"""Import torchvision from here: ``from attnviz.models.torchvision_ops import torchvision``.

torchvision's compiled operators need the CUDA libraries that a CPU-only torch lacks. Loading them then fails quietly,
and ``import torchvision`` stops with "operator torchvision::nms does not exist", because torchvision describes these
operators to torch's tracer (``torchvision/_meta_registrations.py``) without asking whether they are there. Declaring
their schemas first is enough for everything but box suppression, which attnviz does not use.
See https://github.com/pytorch/vision/blob/main/torchvision/_meta_registrations.py.

Importing this module twice, or beside a complete torchvision, changes nothing: a schema is only declared where the
operator is missing after torchvision's own library had its chance to load, and the declaring object is kept, since
its schemas go when it goes.
"""

import importlib.util
import os
import sys
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _load_compiled_operators() -> None:
    """Load torchvision's own operators where they can be, as torchvision itself would do in a moment."""
    found = importlib.util.find_spec("torchvision")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if hasattr(os, "add_dll_directory"):  # Windows looks for a library's own libraries only where it is told
            os.add_dll_directory(folder)
        for library in (*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")):
            try:
                torch.ops.load_library(str(library))
            except OSError:  # the libraries it needs are not here: the reason for this module
                continue


def _declare_missing() -> torch.library.Library | None:
    if "torchvision" in sys.modules:
        return None
    _load_compiled_operators()
    missing = [s for s in _SCHEMAS if not _is_declared("torchvision::" + s.partition("(")[0])]
    if not missing:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in missing:
        library.define(schema)
    return library


def _is_declared(operator: str) -> bool:
    namespace, _, name = operator.partition("::")
    return hasattr(getattr(torch.ops, namespace), name)


DECLARED: torch.library.Library | None = globals().get("DECLARED") or _declare_missing()  # kept alive, reloads included

import torchvision  # noqa: E402  (must come after the schemas)

__all__ = ["DECLARED", "torchvision"]
