"""What the server remembers of each visitor, apart from every other visitor, for a while and within a bound."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from cachetools import TTLCache

from attnviz.results import Explanation

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

MAX_SESSIONS = 64
MAX_BYTES = 2_000_000_000  # of all explanations together
SECONDS_KEPT = 4 * 3600.0


@dataclass
class Session:
    """One open page.

    Attributes:
        explanation: What was last computed for it; None before the first.
        photo: Whose explanation it is.
        choice: The network, and how the photo was given to it, as the page names them; None: that is not known.
        evidence: What was measured of it; None before that.
        sent: Id of what the browser was sent -> what it was made from; it may ask for more of it.
        beside: The same, of the two sides of a comparison.
        families: Family of attention -> its explanation, where families were compared last.
        notes: Part of the page -> why its last request was refused, until that is read.
    """

    explanation: Explanation | None = None
    photo: Path | None = None
    choice: object = None
    evidence: "Evidence | None" = None
    sent: dict[str, Explanation] = field(default_factory=dict)
    beside: dict[str, Explanation] = field(default_factory=dict)
    families: dict[str, Explanation] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, each array once, those included that were computed on demand."""
        found: dict[int, int] = {}
        _collect([self.explanation, self.sent, self.beside, self.families], found)
        return sum(found.values())


class SessionStore:
    """Sessions by what Gradio calls them, the least recently used forgotten first; safe to use from many threads.

    Args:
        max_sessions: Pages remembered at once.
        max_bytes: Bytes of arrays remembered at once; one session alone may hold more.
        seconds_kept: A session idle for longer is forgotten.
        clock: Seconds that only grow; a test brings its own.
    """

    def __init__(
        self,
        *,
        max_sessions: int = MAX_SESSIONS,
        max_bytes: int = MAX_BYTES,
        seconds_kept: float = SECONDS_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_sessions = max_sessions
        # No session weighs more than all may: the one just computed stays, and all others go.
        self._sessions: TTLCache[str, Session] = TTLCache(
            max_bytes, seconds_kept, timer=clock, getsizeof=lambda session: min(session.nbytes, max_bytes)
        )
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._sessions)

    def keep(
        self,
        name: str,
        explanation: Explanation,
        photo: Path | None = None,
        *,
        choice: object = None,
        sent_as: str | None = None,
    ) -> None:
        """Remember the explanation, and the photo where one is given, of a session; all of the one before goes.

        Args:
            name: Of the session.
            explanation: What was computed.
            photo: Whose explanation it is.
            choice: What it was made with, for `known`.
            sent_as: Id of what the browser was sent of it.
        """
        with self._used(name) as session:
            if session.explanation is not explanation:
                session.evidence = None
            session.explanation = explanation
            session.photo = photo or session.photo
            session.choice = choice
            session.sent = {} if sent_as is None else {sent_as: explanation}
            session.beside, session.families = {}, {}

    def known(self, name: str, photo: Path, choice: object) -> Explanation | None:
        """What was last computed for a session, if it was of this photo with this choice, as for `keep`."""
        with self._used(name) as session:
            return session.explanation if (session.photo, session.choice) == (photo, choice) else None

    def copy(self, name: str, to: str) -> Path | None:
        """Remember what a session has of its photo under another name, too; its photo, or None where it has none."""
        with self._used(name) as session:
            kept = replace(session, sent={}, beside={}, notes={})
        if kept.explanation is None or kept.photo is None:
            return None
        with self._lock:
            self._sessions[to] = kept
        return kept.photo

    def move(self, name: str, to: str) -> Path | None:
        """Give one session what another has, which is forgotten; its photo, or None where it has none."""
        with self._lock:
            kept = self._sessions.pop(name, None)
            if kept is None:
                return None
            self._sessions[to] = kept
            return kept.photo

    def keep_beside(self, name: str, sides: Mapping[str, Explanation]) -> None:
        """Remember the two sides of a comparison by the ids under which they were sent."""
        with self._used(name) as session:
            session.beside, session.families = dict(sides), {}

    def keep_families(self, name: str, families: Mapping[str, Explanation]) -> None:
        """Remember the families that were compared, by their names; nothing of them is left to ask for."""
        with self._used(name) as session:
            session.beside, session.families = {}, dict(families)

    def families(self, name: str) -> dict[str, Explanation]:
        """The families that were compared last, or nothing where something else was, or it is forgotten."""
        with self._used(name) as session:
            return session.families

    def sent(self, name: str, sent_as: str) -> Explanation | None:
        """What the browser was sent under an id, or None where that is forgotten."""
        with self._used(name) as session:
            return session.sent.get(sent_as) or session.beside.get(sent_as)

    def explanation(self, name: str) -> Explanation | None:
        """What was last computed for a session, or None where there is nothing, or no longer."""
        with self._used(name) as session:
            return session.explanation

    def photo(self, name: str) -> Path | None:
        """The photo that was last explained for a session, or None."""
        with self._used(name) as session:
            return session.photo

    def keep_evidence(self, name: str, explanation: Explanation, found: "Evidence") -> None:
        """Remember what was measured of an explanation, if that is still the session's."""
        with self._used(name) as session:
            if session.explanation is explanation:
                session.evidence = found

    def evidence(self, name: str) -> "Evidence | None":
        """What was measured of the explanation that was last computed for a session, or None."""
        with self._used(name) as session:
            return session.evidence

    def note(self, name: str, part: str, words: str) -> None:
        """Keep why a part of the page could not do what it was asked for, until `take_note`."""
        with self._used(name) as session:
            session.notes[part] = words

    def take_note(self, name: str, part: str) -> str | None:
        """The words kept by `note`, once."""
        with self._used(name) as session:
            return session.notes.pop(part, None)

    def forget(self, name: str) -> None:
        """Drop everything about a visitor whose page was closed."""
        with self._lock:
            self._sessions.pop(name, None)

    @contextmanager
    def _used(self, name: str) -> Iterator[Session]:
        """A session to read and to change, a new one where there is none.

        It is taken out and put back: so it weighs what it holds by now, is the last to go, and its idle time starts.
        """
        with self._lock:
            session = self._sessions.pop(name, None) or Session()
            yield session
            if session.explanation is not None or session.notes:
                self._sessions[name] = session
            while len(self._sessions) > self._max_sessions:
                self._sessions.popitem()


def _collect(value: object, found: dict[int, int]) -> None:
    """Add the bytes of every array below `value` to `found`, by identity."""
    if isinstance(value, np.ndarray):
        found[id(value)] = value.nbytes
    elif is_dataclass(value) and not isinstance(value, type):
        _collect(vars(value), found)  # with what its cached properties hold
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect(item, found)
    elif isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float, str)):
        for item in value:
            _collect(item, found)
