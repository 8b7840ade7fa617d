"""The recipe of a figure, ``manifest.json``: enough to make it again, to tell whether it is the same, and to cite it.

It holds no time of day and no path of this machine but the photo's, as seen from the manifest's folder. The same export
gives the same bytes.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import ExportError, ImageError, one_line, reason
from attnviz.models.weights.file_hash import file_hash
from attnviz.render.plan import FigurePlan
from attnviz.results import Explanation
from attnviz.save.evidence_file import EVIDENCE, evidence_document

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

SCHEMA = "attnviz manifest 2"
_LIBRARIES = ("torch", "torchvision", "numpy", "matplotlib", "pillow")


@dataclass(frozen=True)
class PhotoSource:
    """Where a photo came from.

    Attributes:
        name: Of its file, without folders; None where it has none.
        sha256: Of the file's bytes; None where there is no file.
        path: Of the file on this machine; None where nobody should be told.
    """

    name: str | None = None
    sha256: str | None = None
    path: Path | None = None

    @classmethod
    def of(cls, photo: str | os.PathLike[str] | bytes, *, name: str | None = None) -> "PhotoSource":
        """Read a photo's file, or take its bytes, for its hash.

        Args:
            photo: A path, or the bytes of an image file.
            name: What to call it instead of the file's name, for example what an upload was called.

        Raises:
            ImageError: The file cannot be read.
        """
        if isinstance(photo, bytes):
            return cls(name, hashlib.sha256(photo).hexdigest())
        path = Path(photo)
        try:
            return cls(path.name if name is None else name, file_hash(path), path if name is None else None)
        except (OSError, ValueError) as error:
            raise ImageError(f"expected a photo that can be read, got {one_line(path)}: {reason(error)}") from error


def array_sha256(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and numbers, in hexadecimal, the same on every machine."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    head = f"{little.dtype.str} {little.shape}\n".encode()
    return hashlib.sha256(head + little.tobytes()).hexdigest()


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a map's numbers or a figure's looks depend on."""
    import attnviz

    found = {"attnviz": attnviz.__version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


def manifest(
    plan: FigurePlan,
    files: Sequence[str],
    *,
    source: PhotoSource,
    folder: Path | None = None,
    evidence: "Evidence | None" = None,
) -> bytes:
    """The recipe of an export.

    Args:
        plan: The figure's.
        files: Names of the files beside the manifest.
        source: Of the photo.
        folder: Where the manifest will lie, for the photo's path from there; None: the path is left out.
        evidence: What was measured about the same photo; its numbers are in ``evidence.json``, its verdict here too.

    Returns:
        JSON, ASCII, ending in a line break.
    """
    explanation = plan.explanation
    document = {
        "schema": SCHEMA,
        "versions": versions(),
        "photo": _photo(explanation, source, folder),
        "model": asdict(explanation.model),
        "preprocessing": asdict(explanation.preprocessing),
        "geometry": asdict(explanation.geometry),
        "figure": asdict(plan.options),
        "predictions": [asdict(prediction) for prediction in explanation.predictions],
        "maps": {label: _map(values) for label, values in raw_arrays(plan).items()},
        "files": list(files),
        "caption": plan.caption,
        "evidence": None if evidence is None else _evidence(evidence),
    }
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")


def raw_arrays(plan: FigurePlan) -> dict[str, NDArray[Any]]:
    """Everything an explanation holds as arrays, by stable names, for ``maps.npz``.

    Returns:
        Each two-dimensional map under its label and each further panel of the figure under its name, float32 on the
        network's own grid; ``stageN.channel_logit`` float32 (C,); ``LABEL.query`` and ``LABEL.key`` float32 (c, h, w),
        or (heads, c, h, w), of each position attention, and ``LABEL.other_query`` and ``LABEL.other_key`` with P in
        place of h and w where P tokens take part that are no locations: every row follows from them;
        ``channel.matrix`` float32 (C, C); each channel gate under its label, float32 (C,); ``LABEL.groups`` float32
        (groups, h, w) of each group gate; ``segmentation.*`` uint8
        (H, W), uint16 where there are over 256 classes.
    """
    found = explanation_arrays(plan.explanation)
    for panel in plan.panels:
        if panel.values is not None and not panel.bare:
            found.setdefault(panel.name, panel.values)
    return found


def explanation_arrays(explanation: Explanation) -> dict[str, NDArray[Any]]:
    """As `raw_arrays`, without the panels of a figure."""
    found: dict[str, NDArray[Any]] = {label: entry.values for label, entry in explanation.maps.items()}
    for stage in explanation.stages:
        found[f"stage{stage.stage}.channel_logit"] = stage.channel_logit
    for label, position in (*explanation.positions.items(), *explanation.cross_attentions.items()):
        tensors = {name: getattr(position, name) for name in ("query", "key", "other_query", "other_key")}
        found |= {f"{label}.{name}": tensor for name, tensor in tensors.items() if tensor is not None}
    if explanation.channel is not None:
        found |= {"channel.matrix": explanation.channel.matrix, "channel.effect": explanation.channel.effect}
    found |= {label: gate.values for label, gate in explanation.channel_gates.items()}
    found |= {f"{label}.groups": gates.values for label, gates in explanation.group_gates.items()}
    if explanation.segmentation is not None:
        found |= {f"segmentation.{head}": labels for head, labels in explanation.segmentation.labels.items()}
    return found


def geometry_arrays(explanation: Explanation) -> dict[str, NDArray[np.int64]]:
    """The map between photo, network and cells as arrays: ``geometry.photo_size``, ``.crop``, ``.network_size``."""
    return {f"geometry.{name}": np.array(value, np.int64) for name, value in asdict(explanation.geometry).items()}


def _map(values: NDArray[Any]) -> Mapping[str, Any]:
    return {
        "shape": list(values.shape),
        "dtype": str(values.dtype),
        "low": float(values.min()),
        "high": float(values.max()),
        "sha256": array_sha256(values),
    }


def _evidence(found: "Evidence") -> Mapping[str, Any]:
    """Enough to know what was measured, and to tell whether ``evidence.json`` is what it was."""
    document = evidence_document(found).encode("ascii")
    return {
        "file": EVIDENCE,
        "sha256": hashlib.sha256(document).hexdigest(),
        "model": found.model,
        "category": found.category,
        "network_size": list(found.network_size),
        "box": None if found.box is None else list(found.box),
        "mask": None if found.mask is None else asdict(found.mask),
        "verdict": list(found.verdict),
    }


def _photo(explanation: Explanation, source: PhotoSource, folder: Path | None) -> Mapping[str, Any]:
    return {
        "name": source.name,
        "path": _relative(source.path, folder),
        "sha256": source.sha256,
        "pixels_sha256": array_sha256(explanation.photo),
        "width": explanation.photo.shape[1],
        "height": explanation.photo.shape[0],
    }


def _relative(path: Path | None, folder: Path | None) -> str | None:
    if path is None or folder is None:
        return None
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except (OSError, ValueError) as error:  # another drive
        if isinstance(error, ValueError):
            return None
        raise ExportError(f"expected a photo that is still there, got {one_line(path)}: {reason(error)}") from error
