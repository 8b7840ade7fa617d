"""What Gradio itself keeps of each visitor, held to what the page needs.

Gradio notes the last value of every part of a visitor's page, so that a link could open the page as it is. Here a value
is a whole payload. What is worse, a part that was left as it is (`gr.skip`) is made anew, under a new number, and what
it shows next is noted under that number too: each explanation leaves one more payload behind, for as long as a session
is remembered, and nothing of it goes when the page is closed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState

_SECONDS_BETWEEN_LOOKS = 0.1


def keep_no_values(demo: gr.Blocks) -> None:
    """Have Gradio note nothing of what its HTML parts show: no event reads it back."""
    original: Callable[..., Awaitable[list[Any]]] = demo.postprocess_data

    async def postprocess_data(block_fn: Any, predictions: Any, state: SessionState | None) -> list[Any]:  # noqa: ANN401
        shown = await original(block_fn, predictions, state)
        if state is not None:
            _drop_values(demo, state)
        return shown

    demo.postprocess_data = postprocess_data  # type: ignore[method-assign]


def _drop_values(demo: gr.Blocks, state: SessionState) -> None:
    blocks, noted = state.blocks_config.blocks, state.config_values
    for number in blocks.keys() - demo.default_config.blocks.keys():  # parts made anew
        del blocks[number]
        noted.pop(number, None)
    for number, block in demo.default_config.blocks.items():
        if isinstance(block, gr.HTML):
            blocks[number] = block
            noted.get(number, {}).get("props", {}).pop("value", None)


def note_files(demo: gr.Blocks, uploaded: Callable[[str, Iterable[str]], None]) -> None:
    """Have it told who asks for something with which files, before they wait for their turn.

    Args:
        demo: The page, with its queue.
        uploaded: Called with the visitor's session and the paths as the client sent them.
    """
    original: Callable[..., Awaitable[Any]] = demo._queue.push

    async def push(body: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if body.session_hash:
            uploaded(body.session_hash, _paths(body.data))
        return await original(body, *args, **kwargs)

    demo._queue.push = push  # type: ignore[method-assign]


def _paths(value: object) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        yield value["path"]
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _paths(part)


def place_of(demo: gr.Blocks, session: str) -> int | None:
    """How many requests come before a visitor's, those included that run now; None where none of theirs waits."""
    for line in demo._queue.event_queue_per_concurrency_id.values():
        for rank, event in enumerate(line.queue):
            if event.session_hash == session:
                return rank + int(line.current_concurrency)
    return None


async def forget_visitor(demo: gr.Blocks, session: str) -> None:
    """Drop what Gradio keeps of a visitor whose page was closed: requests, answers nobody will fetch, values.

    Comes back when nothing runs for the visitor any more: what runs now ends at its next step.

    Args:
        demo: The page, launched.
        session: By what Gradio knows the visitor.
    """
    queue = demo._queue
    await queue.clean_events(session_hash=session)
    while any(not event.alive and event.session_hash == session for job in queue.active_jobs for event in job or ()):
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
    queue.pending_messages_per_session.pop(session, None)
    queue.pending_event_ids_session.pop(session, None)
    holder = demo.state_holder
    holder.session_data.pop(session, None)
    holder.time_last_used.pop(session, None)
