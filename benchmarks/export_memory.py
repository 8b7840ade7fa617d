"""The memory of `attnviz export` over many photos, and what is there in the end when it is killed on the way.

    python -m benchmarks.export_memory                    # 10,000 photos, killed at a third and at two thirds
    python -m benchmarks.export_memory --photos 2000 --kills 0

The export is a process of its own, ended with signal 9 once so many photos stand in the table, and started again with
the same command. Told are its memory after each tenth, and whether every photo stands in the table exactly once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attnviz.bulk.settings import PHOTOS_PER_PART
from attnviz.bulk.table import parts, paths_done
from benchmarks.export_rate import make_photos
from benchmarks.processes import resident

SECONDS_BETWEEN_LOOKS = 0.05


@contextmanager
def exporting(folder: Path, out: Path, model: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`attnviz export` as a process, which is not left behind."""
    command = [sys.executable, "-m", "attnviz", "export", str(folder), "--out", str(out), "--model", model]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def watched_until(process: "subprocess.Popen[bytes]", out: Path, count: int) -> list[tuple[int, int]]:
    """Photos in the table and memory (MB), whenever a file of the table came; until there are so many, or it ended."""
    seen: list[tuple[int, int]] = []
    while process.poll() is None and (not seen or seen[-1][0] < count):
        done = len(parts(out)) * PHOTOS_PER_PART
        if not seen or done > seen[-1][0]:
            seen.append((done, resident(process.pid)))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return seen[1:]  # when it was first looked at, it had only just started


def tenths(seen: Sequence[tuple[int, int]], photos: int) -> str:
    """One line of what was seen: at most one number for each tenth of all photos."""
    first = {done * 10 // photos: f"{memory} after {done}" for done, memory in reversed(seen)}
    return ", ".join(first[tenth] for tenth in sorted(first))


def main(arguments: Sequence[str] | None = None) -> int:
    """Export, kill, go on, and count."""
    parser = argparse.ArgumentParser(prog="benchmarks.export_memory", description="memory of an export that is killed")
    parser.add_argument("--model", default="bam_resnet18_w32", help="name of the weights (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=10_000, help="photos (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=2, help="how often it is killed (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        folder, out = Path(made, "photos"), Path(made, "out")
        folder.mkdir()
        make_photos(folder, options.photos)
        for kill in range(options.kills + 1):
            with exporting(folder, out, options.model) as process:
                goal = options.photos * (kill + 1) // (options.kills + 1)
                seen = watched_until(process, out, goal if kill < options.kills else sys.maxsize)
                print(f"memory, MB: {tenths(seen, options.photos)}", flush=True)
            print(f"process ended with {process.returncode}; {len(parts(out))} files in the table", flush=True)
        times = Counter(paths_done(out))
        right = times == Counter(map(str, folder.iterdir()))
        print(f"{len(times)} photos of {options.photos} in the table, each once: {right}")
        print(f"files half written: {len(list(out.rglob('*.tmp')))}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
