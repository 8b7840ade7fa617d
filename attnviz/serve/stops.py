"""Long work of visitors that they can stop, and that ends when they leave."""

import threading


class Stops:
    """A flag per visitor that ends their work of one kind at its next step."""

    def __init__(self) -> None:
        self._flags: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def begin(self, session: str) -> threading.Event:
        """A new flag, which ends the visitor's earlier work if it still runs."""
        with self._lock:
            self._stop(session)
            return self._flags.setdefault(session, threading.Event())

    def stop(self, session: str) -> None:
        """End the visitor's work, if there is any."""
        with self._lock:
            self._stop(session)

    def _stop(self, session: str) -> None:
        flag = self._flags.pop(session, None)
        if flag is not None:
            flag.set()
