"""The page with many visitors at once, each with a photo of their own: whose each answer is, and what stays behind.

    python -m benchmarks.page_load                         # 32 visitors, 2,000 explanations
    python -m benchmarks.page_load --explanations 320 --model bam_resnet18_w32

A server of its own runs on a free port of 127.0.0.1. In each round all visitors come, hand in a photo at once, and go;
every answer is compared with what `attnviz.explain` says of that photo. Told are, every hundred explanations, what the
server holds (memory, open files, threads), and in the end the waits, the places and how many of their files are left.
"""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.pipeline import explain
from attnviz.render.viewer.payload import payload
from benchmarks.export_rate import make_photos
from benchmarks.processes import held_by
from benchmarks.visitor import Answer, Visitor, visitors

SECONDS_TO_START = 300
BETWEEN_LINES = 100  # explanations


@contextmanager
def served(files: Path) -> Iterator[tuple[str, int]]:
    """The page's address, and the number of its process.

    Args:
        files: The folder for what visitors bring and are given.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "attnviz", "serve", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "GRADIO_TEMP_DIR": str(files)}, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + SECONDS_TO_START
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError("expected the page to start, got a server that does not answer")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/", server.pid
    finally:
        server.terminate()
        server.wait()


def expected_answers(photos: Sequence[Path], model: str) -> list[tuple[Any, Any]]:
    """What the page must say of each photo: its mark, and its maps."""
    made = (payload(explain(photo, model, device="cpu"), on_demand=True) for photo in photos)
    return [(sent["photo_id"], sent["maps"]) for sent in made]


async def visit(visitor: Visitor, photo: Path, model: str) -> Answer:
    """One explanation."""
    return await visitor.explain(await visitor.upload(photo.name, photo.read_bytes()), model)


async def rounds(address: str, server: int, photos: Sequence[Path], model: str, total: int) -> None:
    """All visitors come, ask and go, until there were so many explanations."""
    expected, done, told = expected_answers(photos, model), 0, 0
    waits, worst, wrong = [], 0, 0
    print(f"{len(photos)} visitors at once, {model}\nafter     0: {held_by(server)}", flush=True)
    while done < total:
        async with visitors(address, len(photos)) as come:
            answers = await asyncio.gather(*(visit(v, photo, model) for v, photo in zip(come, photos, strict=True)))
        for answer, right in zip(answers, expected, strict=True):
            sent = answer.data[1] if answer.data else None
            wrong += sent is None or (sent["photo_id"], sent["maps"]) != right
            waits.append(answer.seconds)
            worst = max([worst, *answer.places])
        done += len(photos)
        await asyncio.sleep(1)  # those who left are forgotten
        if done - told >= BETWEEN_LINES or done >= total:
            told = done
            print(f"after {done:5}: {held_by(server)}", flush=True)
    print(f"{done} explanations, {wrong} wrong or missing answers")
    print(f"longest wait {max(waits):.1f} s, median {statistics.median(waits):.1f} s; last place told: {worst}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="benchmarks.page_load", description="the page with many visitors at once")
    parser.add_argument("--visitors", type=int, default=32, help="at once, 1 to 32 (default: %(default)s)")
    parser.add_argument("--explanations", type=int, default=2000, help="at least (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of the weights (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 1 <= options.visitors <= 32:
        parser.error(f"expected 1 to 32 visitors, which the page takes at once, got {options.visitors}")
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as files:
        make_photos(Path(made), options.visitors)
        photos = sorted(Path(made).glob("*.jpg"))
        with served(Path(files)) as (address, server):
            asyncio.run(rounds(address, server, photos, options.model, options.explanations))
            time.sleep(5)  # the last are forgotten on a busy machine too
            left = sum(path.is_file() and "samples" not in path.parts for path in Path(files).rglob("*"))
            print(f"files of visitors left when all have gone: {left}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
