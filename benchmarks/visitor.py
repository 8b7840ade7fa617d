"""A visitor of the page without a browser: opens it, hands in photos, reads every message, and leaves."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import httpx

SLOW = httpx.Timeout(600.0)  # seconds: the last of many visitors waits for all others


@dataclass
class Answer:
    """What one request came to.

    Attributes:
        data: One value for each output of the event; None where it was refused.
        words: Of the status line, in order.
        places: How many were before it each time that was told, 0 for the next.
        seconds: From handing it in until the last message.
    """

    data: list[Any] | None = None
    words: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    seconds: float = 0.0


class Visitor:
    """One open page.

    Args:
        http: Whose address is the page's.
        events: From `events_of`.
    """

    def __init__(self, http: httpx.AsyncClient, events: Sequence[dict[str, Any]]) -> None:
        self.http, self._events = http, events
        self.session = uuid.uuid4().hex[:12]
        self._beat: asyncio.Task[None] | None = None

    async def arrive(self) -> None:
        """Open the connection by which the server knows that the page is still open."""
        opened = asyncio.Event()

        async def beat() -> None:
            async with self.http.stream("GET", f"gradio_api/heartbeat/{self.session}") as stream:
                opened.set()
                async for _ in stream.aiter_bytes():
                    pass

        self._beat = asyncio.create_task(beat())
        await opened.wait()

    async def leave(self) -> None:
        """Close the page."""
        if self._beat is not None:
            self._beat.cancel()
            with suppress(asyncio.CancelledError):
                await self._beat

    async def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Hand in a file; the value that an event takes for it."""
        answer = await self.http.post("gradio_api/upload", files={"files": (name, content)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    async def explain(self, photo: dict[str, Any], model: str, size: str = "0") -> Answer:
        """What pressing *Explain* does."""
        return await self.ask("explain", [photo, model, "keep", size])

    async def ask(self, event: str | int, data: list[Any]) -> Answer:
        """One event of the page, until it is answered.

        Args:
            event: Its public name, or its number.
            data: A value for each of its inputs.
        """
        number = event if isinstance(event, int) else next(e["id"] for e in self._events if e["api_name"] == event)
        start, answer = perf_counter(), Answer()
        body = {"data": data, "fn_index": number, "session_hash": self.session}
        joined = await self.http.post("gradio_api/queue/join", json=body)
        if joined.is_error:
            answer.words.append(joined.text)
            return answer
        async with self.http.stream("GET", "gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            async for message in _messages(stream):
                if message.get("event_id") not in (None, joined.json()["event_id"]):
                    continue
                if _told(message, answer):
                    break
        answer.seconds = perf_counter() - start
        return answer

    async def ask_at_once(self, event: int, data: list[Any]) -> list[Any]:
        """One event of those that do not wait in the queue: what it came to."""
        body = {"data": data, "fn_index": event, "session_hash": self.session}
        answer = await self.http.post("gradio_api/run/predict", json=body)
        answer.raise_for_status()
        found: list[Any] = answer.json()["data"]
        return found


def _told(message: dict[str, Any], answer: Answer) -> bool:
    """Take down one message; whether it was the last."""
    kind, output = message["msg"], message.get("output") or {}
    if kind == "estimation":
        answer.places.append(message["rank"])
    status = (output.get("data") or [None])[0]
    if kind == "process_generating" and isinstance(status, dict) and "text" in status:
        answer.words.append(status["text"])
    if kind == "process_completed":
        if message["success"]:
            answer.data = output["data"]
        else:
            answer.words.append(output.get("error") or "")
    return kind in ("process_completed", "unexpected_error", "close_stream")


async def _messages(stream: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in stream.aiter_lines():
        if line.startswith("data:"):
            message: dict[str, Any] = json.loads(line[5:])
            yield message


async def events_of(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The page's events, as its browser is told them."""
    answer = await http.get("config")
    answer.raise_for_status()
    events: list[dict[str, Any]] = answer.json()["dependencies"]
    return events


@asynccontextmanager
async def visitors(address: str, count: int) -> AsyncIterator[list[Visitor]]:
    """So many open pages, all closed in the end."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)  # none that the server just closes
    async with httpx.AsyncClient(base_url=address, timeout=SLOW, limits=limits, trust_env=False) as http:
        events = await events_of(http)
        come = [Visitor(http, events) for _ in range(count)]
        await asyncio.gather(*(visitor.arrive() for visitor in come))
        try:
            yield come
        finally:
            await asyncio.gather(*(visitor.leave() for visitor in come))
