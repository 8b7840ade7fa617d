"""Fetch one published file: it resumes, it is checked, and under its final name it is whole or not there."""

import os
from collections.abc import Callable
from pathlib import Path

from attnviz.errors import DownloadError, reason
from attnviz.models.weights.cache import locked
from attnviz.models.weights.published import Address
from attnviz.models.weights.transfer import Progress, RetryPolicy, TryAgain, keep_trying

Append = Callable[[Address, Path, Progress, RetryPolicy], None]


def fetch(
    address: Address, folder: Path, *, progress: Progress | None = None, retry: RetryPolicy | None = None
) -> Path:
    """Bring a file into a folder, going on where an interrupted attempt stopped.

    Args:
        address: Where it is and what it must be.
        folder: Made where it is not there. While under way the file ends in ``.part``.
        progress: Called after every piece.
        retry: How long to try.

    Returns:
        The whole file, of the publisher's hash where there is one.

    Raises:
        DownloadError: It could not be had, or is not what it should be; nothing is left under its final name.
    """
    target = folder / address.file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(target):
            if not (target.is_file() and address.matches(target)):
                target.unlink(missing_ok=True)
                part = target.with_name(target.name + ".part")
                _fill_with_the_right_file(address, part, progress or _silent, retry or RetryPolicy())
                os.replace(part, target)
    except OSError as error:
        raise DownloadError(f"expected to write {address.file_name} into {folder}, got: {reason(error)}") from error
    return target


def _way_to(address: Address) -> Append:
    if address.drive_id is None:
        from attnviz.models.weights.https import append_over_https

        return append_over_https
    from attnviz.models.weights.google_drive import append_from_drive

    return append_from_drive


def _silent(done: int, total: int | None) -> None:
    """Report nothing."""


def _fill_with_the_right_file(address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    """Fill `part`, from the start once more where a piece that was there already turns out to be of another file.

    Raises:
        DownloadError: It could not be had, or what came is not what it should be.
    """
    append = _way_to(address)
    for _ in ("go on", "begin again") if part.is_file() else ("begin",):
        try:
            keep_trying(lambda: append(address, part, report, retry), retry)
        except TryAgain as problem:
            raise DownloadError(f"expected {address.page} to answer in full, got: {problem}") from problem
        if address.matches(part):
            return
        got = address.digest(part)[: max(8, len(address.digits or ""))] or "no readable zip"
        part.unlink()
    raise DownloadError(
        f"expected {address.file_name} with {address.algorithm} {address.digits}, got {got}; it was deleted"
    )
