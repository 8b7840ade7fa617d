"""What the server remembers about each visitor, apart from every other visitor, for a while and within a bound."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attnviz.errors import AttnvizError
from attnviz.results import Explanation

MAX_VISITS = 64
MAX_BYTES = 2_000_000_000  # of all explanations together
SECONDS_KEPT = 4 * 3600.0


@dataclass
class Visit:
    """One open page.

    Attributes:
        photo: The photo on the page that was last explained; None before the first.
        explanations: What was last computed, by its place: ``"main"``, ``"left"``, ``"right"``.
        note: Why the last request was refused, until it is read.
        seen: When the page last asked for something, in seconds of the store's clock.
    """

    photo: Path | None = None
    explanations: dict[str, Explanation] = field(default_factory=dict)
    note: str | None = None
    seen: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, each array once."""
        found: dict[int, int] = {}
        for explanation in self.explanations.values():
            _collect(explanation, found)
        return sum(found.values())


class SessionStore:
    """Visits by their session, the least recently used forgotten first; safe to use from many threads.

    Args:
        max_visits: Pages remembered at once.
        max_bytes: Bytes of arrays remembered at once.
        seconds_kept: A visit idle for longer is forgotten.
        clock: Seconds that only grow; a test brings its own.
    """

    def __init__(
        self,
        *,
        max_visits: int = MAX_VISITS,
        max_bytes: int = MAX_BYTES,
        seconds_kept: float = SECONDS_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_visits, self._max_bytes, self._seconds_kept = max_visits, max_bytes, seconds_kept
        self._clock = clock
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._visits)

    def keep(self, session: str, place: str, explanation: Explanation, photo: Path | None = None) -> None:
        """Remember an explanation, and the photo where one is given, for the visitor of a session."""
        with self._lock:
            visit = self._visits.setdefault(session, Visit())
            visit.explanations[place] = explanation
            if photo is not None:
                visit.photo = photo
            self._touch(session, visit)
            self._forget_old(session)

    def explanation(self, session: str, place: str = "main") -> Explanation | None:
        """What was last computed for this visitor, or None where there is nothing, or no longer."""
        with self._lock:
            visit = self._fresh(session)
            return None if visit is None else visit.explanations.get(place)

    def photo(self, session: str) -> Path | None:
        """The photo that this visitor's page last explained, or None."""
        with self._lock:
            visit = self._fresh(session)
            return None if visit is None else visit.photo

    @contextmanager
    def noting(self, session: str) -> Iterator[None]:
        """Within it, the sentence of a refusal or a failure is kept for the page of a session."""
        try:
            yield
        except Exception as error:
            expected = isinstance(error, AttnvizError)
            words = str(error) if expected else f"this met something unexpected ({type(error).__name__}); see the log"
            with self._lock:
                visit = self._visits.setdefault(session, Visit())
                visit.note = words
                self._touch(session, visit)
                self._forget_old(session)
            raise

    def take_note(self, session: str) -> str | None:
        """The sentence kept by `noting`, once."""
        with self._lock:
            visit = self._fresh(session)
            if visit is None:
                return None
            words, visit.note = visit.note, None
            return words

    def forget(self, session: str) -> None:
        """Drop everything about a visitor whose page was closed."""
        with self._lock:
            self._visits.pop(session, None)

    def _fresh(self, session: str) -> Visit | None:
        visit = self._visits.get(session)
        if visit is None:
            return None
        if self._clock() - visit.seen > self._seconds_kept:
            del self._visits[session]
            return None
        self._touch(session, visit)
        return visit

    def _touch(self, session: str, visit: Visit) -> None:
        visit.seen = self._clock()
        self._visits.move_to_end(session)

    def _forget_old(self, current: str) -> None:
        now = self._clock()
        for session in [s for s, v in self._visits.items() if now - v.seen > self._seconds_kept]:
            del self._visits[session]
        while len(self._visits) > self._max_visits:
            self._visits.popitem(last=False)
        while sum(v.nbytes for v in self._visits.values()) > self._max_bytes:
            oldest = next(iter(self._visits))
            if oldest == current:  # never the one just computed, however large
                return
            del self._visits[oldest]


def _collect(value: Any, found: dict[int, int]) -> None:  # noqa: ANN401 - walks whatever an explanation holds
    """Add the bytes of every array below `value` to `found`, by identity."""
    if isinstance(value, np.ndarray):
        found[id(value)] = value.nbytes
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            _collect(getattr(value, part.name), found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)
    elif isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float, str)):
        for item in value:
            _collect(item, found)
