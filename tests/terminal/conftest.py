"""What the command line changes in a process of its own is undone in the tests'."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The program prints what is logged about weights; other tests' logs are theirs."""
    yield
    logging.getLogger("attnviz.models").handlers.clear()
