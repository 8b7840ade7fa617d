"""Packages that only some of the program needs: what is missing is said in one sentence, with the command to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

from attnviz.errors import MissingExtraError


@contextmanager
def needs(*packages: str, extra: str) -> Iterator[None]:
    """Imports inside it that fail for want of a package say which extra of attnviz brings it.

    Args:
        *packages: Names of packages as they are imported.
        extra: The extra in pyproject.toml that has them.

    Raises:
        MissingExtraError: One of them is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in packages:
            raise
        raise MissingExtraError(
            f"expected the package {package}, which this needs, got none: run `pip install 'attnviz[{extra}]'`"
        ) from error
