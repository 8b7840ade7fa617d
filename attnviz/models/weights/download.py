"""Fetch one published file: it resumes, it is checked, and under its final name it is whole or not there."""

import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import httpx

from attnviz.errors import DownloadError
from attnviz.models.weights.cache import hash_of_stream
from attnviz.models.weights.published import Address

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where that is known

_REDIRECTS = 5
_LATER = (408, 425, 429, 500, 502, 503, 504)  # answers that may change when one asks again
_SLOWEST = 1024  # bytes per second below which a connection counts as stalled
_LONGEST_WAIT = 30.0  # seconds between two attempts
_CONNECT_ATTEMPTS = 2  # without any connection there is no point in more


@dataclass(frozen=True)
class RetryPolicy:
    """How long to try.

    Attributes:
        stall: Seconds without data after which a connection is given up.
        retries: Attempts after the first.
        first_wait: Seconds before the first of them; each next wait is twice as long.
        largest: Bytes; nothing published is nearly so large.
        plain_hosts: Hosts that may be asked without encryption; for tests.
    """

    stall: float = 30.0
    retries: int = 5
    first_wait: float = 1.0
    largest: int = 4 << 30
    plain_hosts: tuple[str, ...] = ()


class _TryAgain(Exception):  # noqa: N818  # a turn of the loop below, not an error
    """This attempt failed in a way that another may not."""


class _Unreachable(_TryAgain):
    """There was not even a connection."""


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
            if not (target.is_file() and matches(address, target)):
                target.unlink(missing_ok=True)
                part = target.with_name(target.name + ".part")
                _fill_with_the_right_file(address, part, progress or _silent, retry or RetryPolicy())
                os.replace(part, target)
    except OSError as error:
        raise DownloadError(f"expected to write {address.file_name} into {folder}, got: {_line(error)}") from error
    return target


def _silent(done: int, total: int | None) -> None:
    """Report nothing."""


def _fill_with_the_right_file(address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    """Fill `part`, from the start once more where a piece that was there already turns out to be of another file.

    Raises:
        DownloadError: What came is not what it should be.
    """
    for _ in ("go on", "begin again") if part.is_file() else ("begin",):
        _fill(address, part, report, retry)
        if matches(address, part):
            return
        got = (_digest(address, part) or "no readable zip")[: max(8, len(address.digits or ""))]
        part.unlink()
    raise DownloadError(
        f"expected {address.file_name} with {address.algorithm} {address.digits}, got {got}; it was deleted"
    )


def matches(address: Address, path: Path) -> bool:
    """Whether a file has the publisher's hash; True where the publisher tells none."""
    if address.digits is None:
        return True
    return _digest(address, path).startswith(address.digits)


@contextmanager
def locked(target: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Within it no other process of this program writes `target`.

    Args:
        target: A file in a folder that is there.
        waiting: Called once where another process has to finish first.
    """
    lock = filelock.FileLock(target.with_name(target.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if waiting is not None:
            waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _digest(address: Address, path: Path) -> str:
    """The hash the publisher tells of, or nothing where the file is not even a zip of one file."""
    if address.hash_of == "file":
        with path.open("rb") as stream:
            return hash_of_stream(stream, address.algorithm)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1:
                return ""
            with archive.open(members[0]) as stream:
                return hash_of_stream(stream, address.algorithm)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        return ""


def _fill(address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    """Fill `part`, attempt after attempt.

    Raises:
        DownloadError: The last attempt failed, or one failed for good.
    """
    with httpx.Client(timeout=httpx.Timeout(retry.stall), headers={"Accept-Encoding": "identity"}) as client:
        wait, unreachable = retry.first_wait, 0
        for left in range(retry.retries, -1, -1):
            try:
                if address.drive_id is not None:
                    return _from_drive(address, part, report, retry)
                return _over_http(client, address, part, report, retry)
            except _TryAgain as problem:
                unreachable += isinstance(problem, _Unreachable)
                if left == 0 or unreachable == _CONNECT_ATTEMPTS:
                    raise DownloadError(f"expected {address.page} to answer in full, got: {problem}") from problem
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)


def _over_http(client: httpx.Client, address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    try:
        _attempt(client, address, part, report, retry)
    except httpx.ConnectError as error:
        raise _Unreachable(_line(error)) from error
    except httpx.TransportError as error:
        raise _TryAgain(_line(error)) from error


def _attempt(client: httpx.Client, address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    have = part.stat().st_size if part.is_file() else 0
    with _answer(client, str(address.url), have, retry) as response:
        status, headers = response.status_code, response.headers
        if status == 416:  # nothing after what is here: whole, or not of this file
            if headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink(missing_ok=True)
            raise _TryAgain("a piece of another file was here")
        if status in _LATER:
            raise _TryAgain(f"HTTP {status}")
        if status not in (200, 206):
            raise DownloadError(f"expected {address.page} to be there, got HTTP {status}")
        if headers.get("Content-Type", "").startswith("text/html"):
            raise DownloadError(f"expected a file at {address.page}, got a web page; is a log-in page in between?")
        have, total = _extent(response, have, part)
        if (total or 0) > retry.largest:
            raise DownloadError(f"expected at most {retry.largest} bytes of {address.file_name}, got {total}")
        if total is not None and shutil.disk_usage(part.parent).free < total - have:
            raise DownloadError(f"expected {total - have} free bytes in {part.parent}, got fewer")
        _write(response, part, have, total, report, retry)


def _extent(response: httpx.Response, have: int, part: Path) -> tuple[int, int | None]:
    """Where the answer's first byte belongs, and the size of the whole where it is told.

    Raises:
        _TryAgain: The answer is a piece that was not asked for.
    """
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have:
        part.unlink(missing_ok=True)
        raise _TryAgain("the server sent another piece than the one asked for")
    return have, int(found[2]) if found[2] != "*" else None


def _write(
    response: httpx.Response, part: Path, have: int, total: int | None, report: Progress, retry: RetryPolicy
) -> None:
    """Append the answer to `part`.

    Raises:
        _TryAgain: It stalled or ended early.
        DownloadError: It does not end.
    """
    since, fresh = time.monotonic(), 0
    with part.open("ab" if have else "wb") as stream:
        report(have, total)
        for block in response.iter_raw():
            stream.write(block)
            have += len(block)
            fresh += len(block)
            if have > retry.largest:
                raise DownloadError(f"expected at most {retry.largest} bytes of {part.stem}, got more")
            report(have, total)
            passed = time.monotonic() - since
            if passed > retry.stall:
                if fresh < _SLOWEST * passed:
                    raise _TryAgain(f"{fresh} bytes in {passed:.0f} seconds")
                since, fresh = time.monotonic(), 0
    if total is not None and have < total:
        raise _TryAgain(f"{have} of {total} bytes")


@contextmanager
def _answer(client: httpx.Client, url: str, have: int, retry: RetryPolicy) -> Iterator[httpx.Response]:
    """Ask for a file from byte `have` on, and follow where the server points, but never off encryption.

    Raises:
        DownloadError: It points in circles or to an address that is not https.
    """
    headers = {"Range": f"bytes={have}-"} if have else {}
    for _ in range(_REDIRECTS + 1):
        parsed = httpx.URL(url)
        if parsed.scheme != "https" and not (parsed.scheme == "http" and parsed.host in retry.plain_hosts):
            raise DownloadError(f"expected an https address, got {url}")
        with client.stream("GET", parsed, headers=headers) as response:
            if not response.has_redirect_location:
                yield response
                return
            url = _joined(parsed, response.headers["Location"])
    raise DownloadError(f"expected at most {_REDIRECTS} redirections, got more, the last to {url}")


def _joined(url: httpx.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise DownloadError(f"expected an address to go to from {url}, got {location:.80}") from error


def _from_drive(address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    """Let gdown find its way through Google Drive's pages; it resumes by itself.

    Raises:
        _TryAgain: The connection failed.
        DownloadError: Google Drive does not give the file.
    """
    import gdown

    began = False

    def note(done: int, total: int | None) -> None:
        nonlocal began
        began = True
        report(done, total)

    try:
        gdown.download(
            id=address.drive_id,
            output=str(part),
            quiet=True,
            use_cookies=False,
            resume=True,
            timeout=retry.stall,
            progress=note,
        )
    except gdown.exceptions.FileURLRetrievalError as error:  # no such file, no permission, or asked for too often
        raise DownloadError(f"expected Google Drive to give {address.page}, got: {_line(error)}") from error
    except OSError as error:  # all of requests' errors are
        raise (_TryAgain if began else _Unreachable)("the connection failed") from error
    except (gdown.exceptions.DownloadError, ValueError) as error:
        raise _TryAgain(_line(error)) from error
    if not part.is_file():
        raise DownloadError(f"expected Google Drive to give {address.page}, got nothing")


def _line(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return (first[0] if first else type(error).__name__)[:200]
