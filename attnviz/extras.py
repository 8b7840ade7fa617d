"""Packages that only some of the program needs: what is missing is said in one sentence, with the command to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

from attnviz.errors import MissingExtraError


@contextmanager
def needs(package: str, extra: str) -> Iterator[None]:
    """Imports inside it that fail for want of a package say which extra of attnviz brings it.

    Args:
        package: Name of the package as it is imported.
        extra: The extra in pyproject.toml that has it.

    Raises:
        MissingExtraError: The package is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingExtraError(
            f"expected the package {package}, which this needs, got none: run `pip install 'attnviz[{extra}]'`"
        ) from error
