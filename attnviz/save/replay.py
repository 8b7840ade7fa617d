"""The way back: makes a figure again from its manifest and says whether the maps are the same."""

import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from attnviz.errors import (
    CheckpointError,
    DeviceError,
    ImageError,
    InputError,
    OptionError,
    UnknownModelError,
    one_line,
    quoted,
    reason,
)
from attnviz.render.plan import FigurePlan, plan_figure
from attnviz.results import Explanation
from attnviz.save.atomic_files import make_folder, shown, write_files
from attnviz.save.export import DRAWN, FILES, Format, build_files
from attnviz.save.manifest import PhotoSource, array_sha256, raw_arrays, versions
from attnviz.save.manifest_reader import MapRecord, Recipe, read_manifest

if TYPE_CHECKING:
    from attnviz.models.weights.registry import LoadedModel

_CLOSE = 1e-5  # of a map's own range: what other processors and library versions may change


@dataclass(frozen=True)
class MapComparison:
    """One map, then and now.

    Attributes:
        label: Its name.
        identical: To the bit.
        difference: Largest absolute difference, in the map's unit; None where the old numbers are not at hand.
        extent: The old map's largest minus its smallest value; None likewise.
    """

    label: str
    identical: bool
    difference: float | None
    extent: float | None

    @property
    def close(self) -> bool:
        """Whether it is the same but for rounding: identical, or off by at most 1e-5 of its own range."""
        if self.identical:
            return True
        return self.difference is not None and self.difference <= _CLOSE * (self.extent or 0.0)


@dataclass(frozen=True)
class ReplayReport:
    """What came of it.

    Attributes:
        maps: Every map of the manifest, compared.
        figure_identical: Whether ``figure.png`` has the same bytes; None where there is none beside the manifest.
        files: What was written.
        notes: What was not as it had been: versions, the device, the photo's file.
    """

    maps: tuple[MapComparison, ...]
    figure_identical: bool | None
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether every map is the same to the bit."""
        return all(entry.identical for entry in self.maps)

    @property
    def close(self) -> bool:
        """Whether every map is the same but for rounding."""
        return all(entry.close for entry in self.maps)

    @property
    def max_difference(self) -> float | None:
        """Largest absolute difference of all maps; None where one of them could not be compared."""
        differences = [0.0 if entry.identical else entry.difference for entry in self.maps]
        known = [difference for difference in differences if difference is not None]
        return max(known, default=0.0) if len(known) == len(differences) else None

    def sentence(self) -> str:
        """The result for people, in one sentence."""
        count = len(self.maps)
        if self.identical:
            return f"identical: all {count} maps are the same to the bit"
        different = [entry for entry in self.maps if not entry.identical]
        limit = self.max_difference
        amount = "by an unknown amount (maps.npz is not there)" if limit is None else f"by at most {limit:.3g}"
        worst = max(different, key=lambda entry: np.inf if entry.difference is None else entry.difference)
        kind = "equal but for rounding" if self.close else "different"
        return f"{kind}: {len(different)} of {count} maps differ {amount}, most of all {worst.label}"

    def to_json(self) -> dict[str, Any]:
        """The result for programs."""
        return {
            "identical": self.identical,
            "close": self.close,
            "max_difference": self.max_difference,
            "figure_identical": self.figure_identical,
            "maps": [asdict(entry) for entry in self.maps],
            "files": [shown(path) for path in self.files],
            "notes": list(self.notes),
        }


def replay(
    manifest: str | os.PathLike[str],
    *,
    photo: str | os.PathLike[str] | None = None,
    out_dir: str | os.PathLike[str] | None = None,
    model: str | nn.Module | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str | None = None,
) -> ReplayReport:
    """Make a figure again and compare its maps with the old ones.

    Args:
        manifest: Path of ``manifest.json``; ``maps.npz`` is looked for beside it.
        photo: The photo's file; None: where the manifest says, or beside the manifest.
        out_dir: Where the new files go; None: ``replay`` beside the manifest.
        model: Weights to use, for those that are not known by the manifest's name; their hash must be the same. For
            networks of one's own, as for `attnviz.load_network`: a Python file is run because it is named here, never
            because the manifest names it. Or the network itself: whether its weights are those of then, the maps tell.
        weights: File of tensors for such a network.
        device: Where to compute; None: as then, if this machine has it.

    Raises:
        InputError: The manifest is damaged or ``maps.npz`` beside it is.
        ImageError: There is no such photo, or it is another one.
        ModelError: The weights cannot be had, or are others.
        ExportError: The new files cannot be written.
    """
    path = Path(manifest)
    recipe = read_manifest(path)
    if recipe.model.sha256 is None and model is None:
        raise UnknownModelError(
            f"expected a manifest of weights that have a hash, got {quoted(recipe.model.name)}, random or of a network "
            "of one's own; name the network or a checkpoint with --model, or give the network itself as model= in a "
            "program"
        )
    notes = [
        f"{name} was {then}, is {versions()[name]}"
        for name, then in recipe.versions.items()
        if versions().get(name, then) != then
    ]
    found = _find_photo(recipe, path.parent, None if photo is None else Path(photo))
    explanation = _explain(recipe, found, _Choice(model, weights, device), notes)
    _check_photo(recipe, found, explanation, notes)
    drawn = any(FILES[file_format] in recipe.files for file_format in DRAWN)
    plan = plan_figure(explanation, recipe.figure, photo_name=recipe.photo.name, drawn=drawn)
    maps = _compare(recipe, raw_arrays(plan), path.parent / FILES["npz"])
    folder = make_folder(path.parent / "replay" if out_dir is None else Path(out_dir))
    if folder == path.parent.resolve():
        raise InputError("expected a folder for the new files that is not the manifest's own, got the same one")
    files = _files(plan, recipe, found, folder)
    written = write_files(folder, files)
    return ReplayReport(maps, _same_figure(path.parent, files), tuple(written), tuple(notes))


def _find_photo(recipe: Recipe, folder: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    candidates = [folder / hint for hint in (recipe.photo.path, recipe.photo.name) if hint]
    if recipe.photo.name:
        candidates.append(folder.parent / Path(recipe.photo.name).name)
    for candidate in candidates:
        try:
            if candidate.is_file():
                return candidate
        except (OSError, ValueError):  # a name that no file can have
            continue
    name = one_line(recipe.photo.name or "without a name", 200)
    raise ImageError(f"expected the photo {name} where the manifest says, got no such file; give it with --photo")


@dataclass(frozen=True)
class _Choice:
    """What whoever replays chose instead of what the manifest says."""

    model: str | nn.Module | None
    weights: str | os.PathLike[str] | None
    device: str | None

    def load(self, recipe: Recipe, device: str) -> "LoadedModel":
        """The network, by the name that was chosen, else by the manifest's, which can only be that of known weights."""
        from attnviz.models.own.load import load_network, names_network
        from attnviz.models.weights.registry import from_network, load_model, was_trained

        if isinstance(self.model, nn.Module):
            return from_network(self.model, name=recipe.model.name, device=device, trained=was_trained(self.model))
        if self.model is not None and names_network(self.model):
            weights = None if self.weights is None else Path(self.weights)
            return load_network(self.model, weights=weights, size=recipe.preprocessing.size, device=device)
        if self.weights is not None:
            raise OptionError("expected --model FILE.py:NAME or a library's network for --weights, got none")
        return load_model(self.model or recipe.model.name, device)


def _explain(recipe: Recipe, photo: Path, choice: _Choice, notes: list[str]) -> Explanation:
    from attnviz.models.device import pick_device
    from attnviz.models.weights.registry import list_models
    from attnviz.pipeline import explain

    # A manifest must not make the program open any file it likes.
    if choice.model is None and recipe.model.name not in list_models():
        raise UnknownModelError(
            f"expected weights that are known by name, got {quoted(recipe.model.name)}; give the file with --model"
        )
    place = choice.device or recipe.model.device
    try:
        pick_device(place)
    except DeviceError:
        if choice.device is not None:
            raise
        place = "auto"
        notes.append(f"computed on {pick_device(place)}, not on {quoted(recipe.model.device, 40)} as then")
    loaded = choice.load(recipe, place)
    given = isinstance(choice.model, nn.Module)
    if not given and recipe.model.sha256 is not None and loaded.card.sha256 != recipe.model.sha256:
        got = loaded.card.sha256 or "none"
        raise CheckpointError(f"expected weights with SHA-256 {recipe.model.sha256}, got {got}: they are others now")
    top = max(1, len(recipe.predictions))
    return explain(photo, loaded, preprocessing=recipe.preprocessing, top=top, inside=FILES["html"] in recipe.files)


def _check_photo(recipe: Recipe, photo: Path, explanation: Explanation, notes: list[str]) -> None:
    same_pixels = array_sha256(explanation.photo) == recipe.photo.pixels_sha256
    digest = PhotoSource.of(photo).sha256
    same_file = recipe.photo.sha256 is not None and digest == recipe.photo.sha256
    if same_pixels and not same_file and recipe.photo.sha256 is not None:
        notes.append("the photo's file is another one, with the same pixels")
    elif not same_pixels and same_file:
        notes.append("the photo's file is the same, but it was decoded to other pixels")
    elif not same_pixels:
        wanted = recipe.photo.sha256 or f"{recipe.photo.pixels_sha256} (of its pixels)"
        raise ImageError(
            f"expected the photo with SHA-256 {wanted}, got {one_line(photo)} with {digest}: another photo"
        )


def _compare(recipe: Recipe, now: Mapping[str, NDArray[Any]], npz: Path) -> tuple[MapComparison, ...]:
    if not recipe.maps:
        raise InputError("expected a manifest with maps, got one without")
    missing = sorted(set(recipe.maps) - set(now))
    if missing:
        raise InputError(
            f"expected maps that {quoted(recipe.model.name)} has, got {quoted(missing[0])} in the manifest"
        )
    return tuple(_compare_one(label, then, now[label], npz) for label, then in recipe.maps.items())


def _compare_one(label: str, then: MapRecord, now: NDArray[Any], npz: Path) -> MapComparison:
    identical = then.shape == now.shape and then.sha256 == array_sha256(now)
    if identical or not npz.is_file() or then.shape != now.shape:
        return MapComparison(label, identical, 0.0 if identical else None, None)
    before = _read_array(npz, label, then)
    if array_sha256(before) != then.sha256:
        raise InputError(
            f"expected the map {one_line(label, 200)} of {npz.name} with the manifest's hash, "
            "got other numbers: changed since"
        )
    wide = before.astype(np.float64)
    difference = float(np.abs(now.astype(np.float64) - wide).max())
    return MapComparison(label, False, difference, float(wide.max() - wide.min()))


def _read_array(npz: Path, label: str, expected: MapRecord) -> NDArray[Any]:
    """One array of an archive, its header checked before any memory is taken for it."""
    try:
        with zipfile.ZipFile(npz) as archive, archive.open(f"{label}.npy") as file:
            version = np.lib.format.read_magic(file)
            readers: dict[tuple[int, int], Callable[[IO[bytes]], tuple[Any, bool, np.dtype[Any]]]] = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }
            shape, fortran, dtype = readers[version](file)
            if shape != expected.shape or dtype != np.dtype(expected.dtype).newbyteorder("<") or fortran:
                raise ValueError(f"{dtype} {shape}")
            size = int(np.prod(shape)) * dtype.itemsize
            content = file.read(size + 1)
            if len(content) != size:
                raise ValueError("another length")
            return np.asarray(np.frombuffer(content, dtype).reshape(shape))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"expected the map {one_line(label, 200)} as {expected.dtype} {expected.shape} in {npz.name}, "
            f"got: {reason(error)}"
        ) from error


def _files(plan: FigurePlan, recipe: Recipe, photo: Path, folder: Path) -> dict[str, bytes]:
    formats: list[Format] = [file_format for file_format, name in FILES.items() if name in recipe.files]
    source = PhotoSource(recipe.photo.name, recipe.photo.sha256, photo)
    return build_files(plan, formats or ["png"], source=source, folder=folder)


def _same_figure(folder: Path, files: Mapping[str, bytes]) -> bool | None:
    before, now = folder / FILES["png"], files.get(FILES["png"])
    if now is None or not before.is_file():
        return None
    try:
        with open(before, "rb") as file:
            return file.read(len(now) + 1) == now
    except OSError:
        return None
