"""Fetch a published file from Google Drive; gdown finds the way through its pages, and resumes by itself."""

from pathlib import Path

from attnviz.errors import DownloadError, first_line
from attnviz.extras import needs
from attnviz.models.weights.published import Address
from attnviz.models.weights.transfer import Progress, RetryPolicy, TryAgain, Unreachable


def append_from_drive(address: Address, part: Path, report: Progress, retry: RetryPolicy) -> None:
    """Go on filling `part`, in one attempt.

    Args:
        address: One with a `drive_id`.
        part: The piece that is here already, where there is one.
        report: Called after every piece.
        retry: Its `stall` counts.

    Raises:
        TryAgain: The connection failed.
        DownloadError: Google Drive does not give the file.
    """
    with needs("gdown", extra="weights"):
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
        raise DownloadError(f"expected Google Drive to give {address.page}, got: {first_line(error)}") from error
    except OSError as error:  # all of requests' errors are
        raise (TryAgain if began else Unreachable)("the connection failed") from error
    except (gdown.exceptions.DownloadError, ValueError) as error:
        raise TryAgain(first_line(error)) from error
    if not part.is_file():
        raise DownloadError(f"expected Google Drive to give {address.page}, got nothing")
