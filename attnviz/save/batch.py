"""Many photos through one network: told one by one as they finish, written into one zip, stopped at any time."""

import json
import os
import secrets
import threading
import zipfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from attnviz.errors import AttnvizError, ExportError, OptionError, one_line, reason
from attnviz.language import DEFAULT_LANGUAGE, ENGLISH, Say
from attnviz.render.caption import RANDOM_WEIGHTS, findings_in_words, largest_shares
from attnviz.render.contact_sheet import Tile, contact_sheet, thumbnails
from attnviz.render.figure_language import figure_speaker
from attnviz.render.figure_options import FigureOptions
from attnviz.render.plan import plan_figure
from attnviz.results import ByteArray, Explanation
from attnviz.save.atomic_files import add_to_zip
from attnviz.save.export import Format, build_files, checked_formats
from attnviz.save.file_names import UniqueNames
from attnviz.save.manifest import PhotoSource

MOST_PHOTOS = 50
SHEET = "contact-sheet.png"
SUMMARY = "summary.json"

Explain = Callable[[Path], Explanation]


@dataclass(frozen=True)
class BatchPhoto:
    """One photo to go through.

    Attributes:
        path: Of its file.
        name: What people call it; for an upload not the file's own name.
    """

    path: Path
    name: str


@dataclass(frozen=True, eq=False)
class BatchItem:
    """What became of one photo. Small: the whole explanation is gone by the time this is told.

    Attributes:
        index: Number of the photo, from 0.
        total: How many there are.
        name: Of the photo.
        tile: Small pictures and words for the contact sheet.
        refusal: Why it could not be explained, in one sentence; None: it was.
        folder: Of its files in the zip; None: none were written.
    """

    index: int
    total: int
    name: str
    tile: Tile
    refusal: str | None
    folder: str | None

    @property
    def done(self) -> int:
        """How many photos are through, this one included."""
        return self.index + 1


def explain_many(
    photos: Sequence[str | os.PathLike[str] | BatchPhoto],
    model: str | nn.Module | None = None,
    *,
    archive: str | os.PathLike[str] | None = None,
    formats: Iterable[str] = ("png", "npz"),
    options: FigureOptions | None = None,
    cancel: threading.Event | None = None,
    explain: Explain | None = None,
    **settings: Any,
) -> Generator[BatchItem, None, None]:
    """Explain photos one after the other.

    A photo that is refused does not stop the others. Only one explanation is in memory at a time.

    Args:
        photos: 1 to 50 files.
        model: Name of the weights, or any network; None: the default.
        archive: Path of a zip for the files of all photos, each in its own folder, with a contact sheet and a summary;
            it gets its name when the last photo is done, or when `cancel` is set, with what is done by then. Closing
            the iterator earlier leaves nothing behind. None: no files.
        formats: Any of `attnviz.save.export.FORMATS`.
        options: Of figures, thumbnails and (their language) the contact sheet; pins are left out, for they belong to
            one photo.
        cancel: Once set, no further photo is begun.
        explain: Photo's path -> explanation; None: `attnviz.explain` with `model` and `settings`.
        **settings: ``device``, ``size``, ``resize_mode``, ``top``, as for `attnviz.explain`.

    Returns:
        A generator of what became of each photo, as they finish; `close` it to stop.

    Raises:
        OptionError: No photos, too many, or an impossible option.
        ModelError: The weights cannot be had.
        ExportError: The zip cannot be written.
    """
    queue = [photo if isinstance(photo, BatchPhoto) else BatchPhoto(Path(photo), Path(photo).name) for photo in photos]
    if not 1 <= len(queue) <= MOST_PHOTOS:
        raise OptionError(f"expected 1 to {MOST_PHOTOS} photos at once, got {len(queue)}")
    wanted = checked_formats(formats)
    looks = options or FigureOptions()
    run = explain or _runner(model, settings)
    writer = None if archive is None else _Archive(Path(archive))
    return _items(queue, run, wanted, looks=looks, writer=writer, cancel=cancel or threading.Event())


def sheet_of(items: Sequence[BatchItem], *, heading: str = "", language: str = DEFAULT_LANGUAGE) -> ByteArray:
    """The contact sheet of what has been told so far: RGB uint8 (H, W, 3)."""
    return contact_sheet([item.tile for item in items], heading=heading, language=language)


def _runner(model: str | nn.Module | None, settings: dict[str, Any]) -> Explain:
    from attnviz.models.weights.registry import DEFAULT_MODEL, from_network, load_model, was_trained
    from attnviz.pipeline import explain

    device = settings.pop("device", "auto")
    if isinstance(model, nn.Module):
        loaded = from_network(model, device=device, trained=was_trained(model))
    else:
        loaded = load_model(model or DEFAULT_MODEL, device)
    return lambda path: explain(path, loaded, **settings)


def _items(
    queue: Sequence[BatchPhoto],
    run: Explain,
    formats: Sequence[Format],
    *,
    looks: FigureOptions,
    writer: "_Archive | None",
    cancel: threading.Event,
) -> Generator[BatchItem, None, None]:
    names, told, heading = UniqueNames(), list[BatchItem](), ""
    try:
        for index, photo in enumerate(queue):
            if cancel.is_set():
                break
            stem = names.take(photo.name)
            try:
                explanation = run(photo.path)
                heading = heading or _heading(explanation, figure_speaker(looks.language))
                tile = _tile(explanation, photo.name, looks)
                if writer is not None:
                    plan = plan_figure(explanation, _for_any_photo(looks), photo_name=photo.name)
                    source = PhotoSource.of(photo.path)
                    source = PhotoSource(photo.name, source.sha256)
                    writer.add(stem, build_files(plan, formats, source=source))
                told.append(_item(index, queue, tile, folder=stem if writer is not None else None))
            except ExportError:
                raise
            except (AttnvizError, MemoryError) as error:
                sentence = str(error) or "expected a photo that fits into memory, got one that does not"
                told.append(_item(index, queue, Tile(photo.name, None, None, sentence, refused=True), refusal=sentence))
            explanation = plan = None  # type: ignore[assignment] # before the next one is made
            yield told[-1]
        if writer is not None:
            writer.finish(told, heading, looks.language)
    finally:
        if writer is not None:
            writer.discard()


def _item(
    index: int, queue: Sequence[BatchPhoto], tile: Tile, *, refusal: str | None = None, folder: str | None = None
) -> BatchItem:
    return BatchItem(index, len(queue), queue[index].name, tile, refusal, folder)


def _tile(explanation: Explanation, name: str, looks: FigureOptions) -> Tile:
    photo, overlay = thumbnails(explanation, looks)
    found = largest_shares(explanation)
    return Tile(name, photo, overlay, " · ".join(findings_in_words(found, ENGLISH)), found=tuple(found))


def _heading(explanation: Explanation, say: Say) -> str:
    model = explanation.model
    return " · ".join([model.name, say(model.architecture), *([] if model.trained else [say(RANDOM_WEIGHTS)])])


def _for_any_photo(looks: FigureOptions) -> FigureOptions:
    return replace(looks, pins=())


class _Archive:
    """A zip that grows under a temporary name and gets its own when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
        try:
            if path.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            self._file = open(self._temporary, "xb")
        except OSError as error:
            raise self._refusal(error) from error
        self._zip = zipfile.ZipFile(self._file, "w")

    def add(self, folder: str, files: dict[str, bytes]) -> None:
        """Add the files of one photo."""
        try:
            for name, content in files.items():
                add_to_zip(self._zip, f"{folder}/{name}", content)
        except OSError as error:
            raise self._refusal(error) from error

    def finish(self, items: Sequence[BatchItem], heading: str, language: str) -> None:
        """Add sheet, in a language, and summary, and give the zip its name."""
        try:
            if items:
                picture = BytesIO()
                Image.fromarray(sheet_of(items, heading=heading, language=language)).save(picture, "PNG")
                add_to_zip(self._zip, SHEET, picture.getvalue())
            add_to_zip(self._zip, SUMMARY, _summary(items))
            self._zip.close()
            self._file.close()
            os.replace(self._temporary, self._path)
        except OSError as error:
            raise self._refusal(error) from error

    def discard(self) -> None:
        """Remove the temporary file, if it still is there."""
        with suppress(OSError, ValueError):
            self._zip.close()  # first, or it tries to when it is collected
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _refusal(self, error: OSError) -> ExportError:
        return ExportError(f"expected to be able to write {one_line(self._path)}, got: {reason(error)}")


def _summary(items: Sequence[BatchItem]) -> bytes:
    entries = [
        {
            "photo": item.name,
            "folder": item.folder,
            "result": None if item.refusal else item.tile.text,
            "refused": item.refusal,
        }
        for item in items
    ]
    return (json.dumps(entries, indent=1) + "\n").encode("ascii")
