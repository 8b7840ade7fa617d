"""The gallery of a large export in a browser: how soon a question's first photos stand there.

    python -m benchmarks.gallery_rows                     # 100,000 rows

The table is made up, in the files and columns of an export but for the maps; its photos are 200 crops of the sample
photos, 500 x 375 pixels. Told are how long the gallery takes to start, and, in the page, the time from a change of the
form (or the opening of the page) until the first tiles stand, and until their photos are drawn.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvicorn
from playwright.sync_api import Page, sync_playwright

from attnviz.bulk.export_folder import RECIPE
from attnviz.bulk.focus_numbers import FOCUS
from attnviz.bulk.index import TableIndex, read_index
from attnviz.bulk.settings import PHOTOS_PER_PART
from attnviz.bulk.table import write_part
from attnviz.serve.gallery import HOST, build_gallery
from benchmarks.export_rate import make_photos
from tests.page_watch import CHROMIUM_FLAGS, find_chromium

PHOTOS = 200
CATEGORIES = 1000
SITES = ("stage1.gain", "stage2.gain", "stage3.gain")

# Seconds until there are tiles that were not there, and until all that are on the screen show their photos.
TIMED = """async ([id, value]) => {
  const start = performance.now(), old = new Set(document.querySelectorAll("main a"));
  const part = document.getElementById(id);
  part.value = value;
  part.dispatchEvent(new Event("change", { bubbles: true }));
  const next = () => new Promise((done) => requestAnimationFrame(done));
  const shown = () => [...document.querySelectorAll("main a")].filter((tile) => !old.has(tile));
  while (!shown().length) await next();
  const tiles = performance.now() - start;
  const seen = (tile) => tile.getBoundingClientRect().top < innerHeight;
  await Promise.all(shown().filter(seen).map((tile) => tile.querySelector("img").decode()));
  return [tiles / 1000, (performance.now() - start) / 1000];
}"""

OPENED = """async () => {
  while (!document.querySelector("main a")) await new Promise((done) => requestAnimationFrame(done));
  const tiles = performance.now();
  const seen = [...document.querySelectorAll("main a")].filter((t) => t.getBoundingClientRect().top < innerHeight);
  await Promise.all(seen.map((tile) => tile.querySelector("img").decode()));
  return [tiles / 1000, performance.now() / 1000];
}"""


def make_table(out: Path, photos: Sequence[Path], count: int) -> None:
    """The table of an export of so many photos, without maps."""
    rng = np.random.default_rng(0)
    for start in range(0, count, PHOTOS_PER_PART):
        numbers = rng.random((PHOTOS_PER_PART, 1 + len(SITES) * len(FOCUS)))
        drawn = rng.integers(0, CATEGORIES, PHOTOS_PER_PART)
        rows = [
            {
                "path": str(photos[int(rng.integers(len(photos)))]),
                "prediction": f"category {category:04d}",
                "score": own[0],
                **{
                    f"focus.{site}": dict(zip(FOCUS, own[1 + len(FOCUS) * place :], strict=False))
                    for place, site in enumerate(SITES)
                },
            }
            for category, own in zip(drawn.tolist(), numbers.tolist(), strict=True)
        ]
        # Each file's name follows from its paths, and no two are alike.
        write_part(out, rows[: count - start])
    (out / RECIPE).write_text(json.dumps({"asked": {}}), encoding="utf-8")


@contextmanager
def serving(index: TableIndex) -> Iterator[str]:
    """The gallery on a free port of this machine."""
    server = uvicorn.Server(uvicorn.Config(build_gallery(index), host=HOST, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://{HOST}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def questions(page: Page, rounds: int) -> Iterator[tuple[str, Sequence[float]]]:
    """What is asked in each round, with the seconds it took."""
    for number in range(rounds):
        for sort in ("score", "stage1.gain gini", "stage3.gain entropy"):
            yield "sort", page.evaluate(TIMED, ["sort", sort])
        yield "order turned", page.evaluate(TIMED, ["descending", "1"])
        yield "bound", page.evaluate(TIMED, ["low", str(0.1 + number / 1000)])
        yield "prediction", page.evaluate(TIMED, ["prediction", f"category {37 * number + 1:04d}"])
        page.evaluate(TIMED, ["prediction", ""])
        page.evaluate(TIMED, ["low", ""])
        yield "sort by name", page.evaluate(TIMED, ["sort", "name"])
        page.evaluate(TIMED, ["descending", "0"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="benchmarks.gallery_rows", description="the gallery of a large export")
    parser.add_argument("--rows", type=int, default=100_000, help="photos of the table (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of all questions (default: %(default)s)")
    options = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        print("No Chromium: the gallery is not measured.")
        return 0
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        make_photos(Path(made), PHOTOS)
        make_table(Path(made), sorted(Path(made).glob("*.jpg")), options.rows)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        start = time.perf_counter()
        index = read_index(Path(made))
        print(f"{len(index.paths)} rows read in {time.perf_counter() - start:.1f} s")
        with serving(index) as address:
            times: dict[str, list[Sequence[float]]] = {}
            for name in ("first opening", *["opening again"] * options.rounds):
                page.goto(address)
                times.setdefault(name, []).append(page.evaluate(OPENED))
            for name, seconds in questions(page, options.rounds):
                times.setdefault(name, []).append(seconds)
            browser.close()
    print(f"{'seconds, medians':18}{'tiles':>8}{'photos':>8}{'slowest':>8}")
    for name, all_seconds in times.items():
        tiles, photos = (statistics.median(column) for column in zip(*all_seconds, strict=True))
        print(f"{name:18}{tiles:8.2f}{photos:8.2f}{max(photos for _, photos in all_seconds):8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
