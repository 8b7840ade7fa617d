"""What all ways of fetching a file share: how long to try, when to try again, who is told."""

import time
from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where that is known

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


class TryAgain(Exception):  # noqa: N818  # a turn of the loop below, not an error
    """This attempt failed in a way that another may not."""


class Unreachable(TryAgain):
    """There was not even a connection."""


def keep_trying(attempt: Callable[[], None], retry: RetryPolicy) -> None:
    """Call `attempt` until it does not raise `TryAgain`, with longer and longer waits.

    Args:
        attempt: One attempt; it finds what earlier ones left.
        retry: How long to try.

    Raises:
        TryAgain: The last attempt raised it.
    """
    wait, unreachable = retry.first_wait, 0
    for left in range(retry.retries, -1, -1):
        try:
            return attempt()
        except TryAgain as problem:
            unreachable += isinstance(problem, Unreachable)
            if left == 0 or unreachable == _CONNECT_ATTEMPTS:
                raise
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
