"""What is done to the photos of one part, the same on one machine and on many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from attnviz.bulk.photo_files import file_of, photo_files, write_photo_files
from attnviz.bulk.prepare import Refusal
from attnviz.bulk.settings import BulkSettings
from attnviz.bulk.sources import PhotoRef
from attnviz.bulk.table import Row, digests_done, row_of, write_part
from attnviz.errors import AttnvizError, one_line

if TYPE_CHECKING:
    from attnviz.bulk.forward import Outcome


@dataclass
class PartResult:
    """What became of the photos of one part, or of some of them.

    Attributes:
        done: How many are done.
        refused: The others.
        rows: Of those that are done, by their paths, where there is a table to write.
    """

    done: int = 0
    refused: list[Refusal] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)


def keep(outcomes: Sequence["Outcome"], out: Path, settings: BulkSettings) -> PartResult:
    """Write the files of photos and make their rows.

    Raises:
        ExportError: A file cannot be written: neither can the next one's.
    """
    result = PartResult()
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            result.refused.append(outcome)
            continue
        try:
            row = row_of(outcome) if "parquet" in settings.formats else None
            files = photo_files(outcome, settings.formats)
        except AttnvizError as error:  # nothing to draw, or a number beyond float16
            result.refused.append(Refusal(outcome.path, one_line(error)))
            continue
        write_photo_files(out, files)
        result.done += 1
        if row is not None:
            result.rows[outcome.path] = row
    return result


def finish_part(
    results: Sequence[PartResult], refs: Sequence[PhotoRef], out: Path, settings: BulkSettings
) -> PartResult:
    """Write the rows of a part into the table, in the order of its photos, and forget them.

    Args:
        results: Of all its photos.
        refs: Its photos.
        out: The folder of the whole export.
        settings: What was made of them.

    Raises:
        ExportError: The part cannot be written.
    """
    rows = {path: row for result in results for path, row in result.rows.items()}
    about = {"attnviz.precision": settings.precision}
    write_part(out, [rows[ref.path] for ref in refs if ref.path in rows], about)
    order = {ref.path: number for number, ref in enumerate(refs)}
    refused = [refusal for result in results for refusal in result.refused]
    return PartResult(sum(result.done for result in results), sorted(refused, key=lambda entry: order[entry.path]))


class Done:
    """Which photos an earlier run of the same export finished.

    Where there is a table, those that stand in it: a photo's row is written after its files. Else those of which every
    file is there.
    """

    def __init__(self, out: Path, settings: BulkSettings) -> None:
        self._out, self._formats = out, settings.formats
        self._digests = digests_done(out) if "parquet" in settings.formats else None

    def __contains__(self, ref: PhotoRef) -> bool:
        if self._digests is not None:
            return ref.digest in self._digests
        return all((self._out / file_of(ref.path, name)).is_file() for name in self._formats)


def parts_to_do(refs: Iterator[PhotoRef], done: Done, size: int) -> Iterator[tuple[int, list[PhotoRef]]]:
    """The photos in parts of a size, in order: how many of each part are done already, and which are not.

    Parts are cut from all photos and not from those that are left, so that a part holds the same photos, and so the
    same bits, whether or not a run was interrupted before it.
    """
    while together := list(islice(refs, size)):
        left = [ref for ref in together if ref not in done]
        yield len(together) - len(left), left
