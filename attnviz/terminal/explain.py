"""``attnviz explain``: photos in, a folder of files for each out; a photo that is refused does not stop the others."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnviz.errors import AttnvizError, DeviceError, ExportError, OptionError, one_line
from attnviz.save.atomic_files import make_folder, shown
from attnviz.save.file_names import UniqueNames
from attnviz.terminal.network_options import NetworkRequest, requested_network
from attnviz.terminal.output import SOME_REFUSED, WRONG_USAGE, refuse, say, warn
from attnviz.terminal.progress import progress_bar

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence
    from attnviz.models.weights.registry import LoadedModel
    from attnviz.render.figure_options import FigureOptions
    from attnviz.results import Explanation

_ANIMATIONS = frozenset({"gif", "webp"})
# What torch says, in a RuntimeError, where a device lacks memory; other words about memory mean other errors.
_NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate|cannot allocate|alloc_failed", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """What was asked for on the command line.

    Attributes:
        photos: As typed.
        network: Which network, with its input's size and where to compute.
        out: Folder to write to.
        formats: Names out of `attnviz.save.export.FORMATS`.
        as_json: Whether to print one JSON document instead of a line per photo.
        resize_mode: How the photo is fitted; None: as the network needs it.
        top: How many predictions to keep.
        figure: Options for `FigureOptions`, by name.
        evidence: Whether to measure the attention's evidence too, and to write it beside the figure.
        box: Of an object on the one photo, as typed; measured too.
        mask: The same as a picture.
    """

    photos: Sequence[str]
    network: NetworkRequest
    out: Path
    formats: Sequence[str]
    as_json: bool
    resize_mode: str | None
    top: int
    figure: dict[str, Any]
    evidence: bool = False
    box: str | None = None
    mask: Path | None = None


def run_explain(request: ExplainRequest) -> int:
    """Do it.

    Returns:
        The exit code: 0, or 1 where a photo was refused.

    Raises:
        AttnvizError: Nothing can be done at all: wrong usage, weights that cannot be had, no matplotlib to draw with.
        typer.Exit: The folder to write to cannot be had.
    """
    from attnviz.render.caption import RANDOM_WEIGHTS
    from attnviz.render.figure_options import FigureOptions
    from attnviz.save.export import checked_formats

    formats = checked_formats(request.formats)
    if set(formats) != {"npz"}:
        import attnviz.render.figure  # noqa: F401 - what it lacks is said before the first photo
    looks = FigureOptions(**request.figure)
    given = _object(request)
    loaded = requested_network(request.network)
    _check_views(loaded, looks, formats)
    try:
        out = make_folder(request.out)
    except ExportError as error:
        refuse(error, code=WRONG_USAGE)
    names = UniqueNames()
    results = []
    for photo in request.photos:
        result = _one(photo, request, loaded, looks=looks, folder=out / names.take(photo), given=given)
        results.append(result)
        if result["refused"] is not None:
            warn(f"{result['photo']}: {result['refused']}")
        elif not request.as_json:
            found = "; ".join([*result["found"], *([] if loaded.trained else [RANDOM_WEIGHTS])])
            say(one_line(f"{result['photo']}: {found or 'done'} -> {result['folder']}"))
            for sentence in result["verdict"]:
                say(f"  {one_line(sentence, 600)}")
    if request.as_json:
        say(_document(loaded, results))
    return SOME_REFUSED if any(result["refused"] for result in results) else 0


def _object(request: ExplainRequest) -> dict[str, Any]:
    """The object whose finding is measured too; empty where none was given."""
    from attnviz.terminal.evidence import given_object

    if request.box is None and request.mask is None:
        return {}
    if not request.evidence:
        raise OptionError("expected --evidence with --box and --mask, got none")
    if len(request.photos) != 1:
        raise OptionError(f"expected one photo for --box and --mask, got {len(request.photos)}")
    return given_object(request.box, request.mask)


def _check_views(loaded: "LoadedModel", looks: "FigureOptions", formats: Sequence[str]) -> None:
    """Refuse before the first photo what this network can do with no photo."""
    from attnviz.models.sites import names_sites, sites_of, views_of

    if not names_sites(loaded.net):
        return  # what it has is found when it runs
    views = views_of(sites_of(loaded.net))
    if looks.pins and "position" not in views:
        raise OptionError(f"expected a model with position attention for --at, got {loaded.card.name}")
    if _ANIMATIONS & set(formats) and "stages" not in views:
        raise OptionError(f"expected a model with stages for an animation, got {loaded.card.name}, which has none")


def _one(
    photo: str,
    request: ExplainRequest,
    loaded: "LoadedModel",
    *,
    looks: "FigureOptions",
    folder: Path,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Explain one photo and write its files: what is printed about it."""
    from attnviz.models.own.running import printing_aside
    from attnviz.pipeline import explain
    from attnviz.render.caption import findings
    from attnviz.save.export import export
    from attnviz.save.manifest import PhotoSource

    try:
        with printing_aside():
            explanation = explain(
                Path(photo),
                loaded,
                size=request.network.size,
                resize_mode=request.resize_mode,  # type: ignore[arg-type] # checked by it
                top=request.top,
                inside="html" in request.formats,
            )
        real = make_folder(folder, within=request.out)
        measured = _measured(photo, request, loaded, given) if request.evidence else None
        source = PhotoSource.of(photo)
        files = export(explanation, real, request.formats, options=looks, source=source, evidence=measured)
    except (AttnvizError, MemoryError, RuntimeError) as error:
        return {"photo": shown(Path(photo)), "refused": _sentence(error)}
    return {
        "photo": shown(Path(photo)),
        "refused": None,
        "folder": shown(folder),
        "files": [shown(folder / path.name) for path in files],
        "found": [one_line(found) for found in findings(explanation)],
        "verdict": [] if measured is None else list(measured.verdict),
        **_numbers(explanation),
    }


def _measured(photo: str, request: ExplainRequest, loaded: "LoadedModel", given: Mapping[str, Any]) -> "Evidence":
    """Whether the attention matters on a photo, with a bar of how far it is."""
    from attnviz.measure.evidence import evidence

    with progress_bar("evidence") as update:
        return evidence(
            Path(photo),
            loaded,
            size=request.network.size,
            resize_mode=request.resize_mode,  # type: ignore[arg-type] # checked by it
            progress=lambda step: update(step.share, 1.0, step.what),
            **given,
        )


def _sentence(error: Exception) -> str:
    """Why a photo was refused, in one sentence.

    Raises:
        RuntimeError: The same, where it does not tell of too little memory: nobody foresaw it.
    """
    if isinstance(error, AttnvizError):
        return one_line(error)
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return str(DeviceError("expected a run that fits into memory, got one that does not: choose a smaller --size"))
    raise error


def _numbers(explanation: "Explanation") -> dict[str, Any]:
    maps = {
        label: {"shape": list(shown_map.values.shape), "low": low, "high": high, "unit": shown_map.unit}
        for label, shown_map in explanation.maps.items()
        for low, high in [shown_map.raw_range]
    }
    segmentation = explanation.segmentation
    return {
        "predictions": [asdict(prediction) for prediction in explanation.predictions],
        "segmentation": None if segmentation is None else segmentation.shares(),
        "maps": maps,
        "seconds": dict(explanation.seconds),
    }


def _document(loaded: "LoadedModel", results: Sequence[dict[str, Any]]) -> str:
    """One JSON document, ASCII, so that every terminal and pipe can take it."""
    model = {
        "name": loaded.card.name,
        "task": loaded.card.task,
        "sha256": loaded.card.sha256,
        "trained": loaded.trained,
        "device": str(loaded.device),
    }
    return json.dumps({"schema": "attnviz explain 1", "model": model, "photos": list(results)}, indent=1)
