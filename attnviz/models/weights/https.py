"""Fetch a published file over https: from where an earlier attempt stopped, and no longer than it makes sense."""

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from attnviz.errors import DownloadError, first_line
from attnviz.extras import needs
from attnviz.models.weights.published import Address
from attnviz.models.weights.transfer import Progress, RetryPolicy, TryAgain, Unreachable

with needs("httpx", extra="weights"):
    import httpx

_REDIRECTS = 5
_LATER = (408, 425, 429, 500, 502, 503, 504)  # answers that may change when one asks again
_SLOWEST = 1024  # bytes per second below which a connection counts as stalled


def append_over_https(address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    """Go on filling `part`, in one attempt.

    Args:
        address: One with a `url`.
        part: The piece that is here already, where there is one; it goes where it is of another file.
        report: Called after every piece.
        retry: Its `stall`, `largest` and `plain_hosts` count.

    Raises:
        TryAgain: The connection failed, stalled or ended early, or the server is busy.
        DownloadError: The file is not there, or no such file.
    """
    have = part.stat().st_size if part.is_file() else 0
    try:
        with _answer(str(address.url), have, retry) as response:
            if not _has_more(response, address, have, part):
                return
            have, total = _extent(response, have, part)
            _check_room(address, part, have, total, retry)
            with part.open("ab" if have else "wb") as stream:
                report(have, total)
                for block in _flowing(response.iter_raw(), retry.stall):
                    have += stream.write(block)
                    if have > retry.largest:
                        raise DownloadError(f"expected at most {retry.largest} bytes of {address.file_name}, got more")
                    report(have, total)
    except httpx.ConnectError as error:
        raise Unreachable(first_line(error)) from error
    except httpx.TransportError as error:
        raise TryAgain(first_line(error)) from error
    if total is not None and have < total:
        raise TryAgain(f"{have} of {total} bytes")


@contextmanager
def _answer(url: str, have: int, retry: RetryPolicy) -> Iterator[httpx.Response]:
    """Ask for a file from byte `have` on, and follow where the server points, but never off encryption.

    Raises:
        DownloadError: It points in circles or to an address that is not https.
    """
    with httpx.Client(timeout=retry.stall, headers={"Accept-Encoding": "identity"}) as client:
        request = client.build_request("GET", url, headers={"Range": f"bytes={have}-"} if have else {})
        for _ in range(_REDIRECTS + 1):
            scheme, host = request.url.scheme, request.url.host
            if scheme != "https" and not (scheme == "http" and host in retry.plain_hosts):
                raise DownloadError(f"expected an https address, got {request.url}")
            with closing(client.send(request, stream=True)) as response:
                if response.next_request is None:
                    yield response
                    return
                request = response.next_request  # its body is not read: it may be of any length
        raise DownloadError(f"expected at most {_REDIRECTS} redirections, got more, the last to {request.url}")


def _has_more(response: httpx.Response, address: Address, have: int, part: Path) -> bool:
    """Whether the answer is the rest of the file; False: `part` is whole already.

    Raises:
        TryAgain: The server is busy, or `part` is of another file.
        DownloadError: It is no file.
    """
    status = response.status_code
    if status == 416:  # nothing after what is here: whole, or not of this file
        if response.headers.get("Content-Range") == f"bytes */{have}":
            return False
        part.unlink(missing_ok=True)
        raise TryAgain("a piece of another file was here")
    if status in _LATER:
        raise TryAgain(f"HTTP {status}")
    if status not in (200, 206):
        raise DownloadError(f"expected {address.page} to be there, got HTTP {status}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError(f"expected a file at {address.page}, got a web page; is a log-in page in between?")
    return True


def _extent(response: httpx.Response, have: int, part: Path) -> tuple[int, int | None]:
    """Where the answer's first byte belongs, and the size of the whole where it is told.

    Raises:
        TryAgain: The answer is a piece that was not asked for.
    """
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have:
        part.unlink(missing_ok=True)
        raise TryAgain("the server sent another piece than the one asked for")
    return have, int(found[2]) if found[2] != "*" else None


def _check_room(address: Address, part: Path, have: int, total: int | None, retry: RetryPolicy) -> None:
    """Refuse what is absurdly large or larger than the disk, before anything is written.

    Raises:
        DownloadError: It is.
    """
    if total is None:
        return
    if total > retry.largest:
        raise DownloadError(f"expected at most {retry.largest} bytes of {address.file_name}, got {total}")
    if shutil.disk_usage(part.parent).free < total - have:
        raise DownloadError(f"expected {total - have} free bytes in {part.parent}, got fewer")


def _flowing(blocks: Iterable[bytes], stall: float) -> Iterator[bytes]:
    """The same blocks, for as long as they come fast enough.

    Raises:
        TryAgain: In `stall` seconds next to nothing came.
    """
    since, fresh = time.monotonic(), 0
    for block in blocks:
        yield block
        fresh += len(block)
        passed = time.monotonic() - since
        if passed > stall:
            if fresh < _SLOWEST * passed:
                raise TryAgain(f"{fresh} bytes in {passed:.0f} seconds")
            since, fresh = time.monotonic(), 0
