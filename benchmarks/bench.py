"""What explaining a photo costs, beside the bare forward pass of the same network in the same run.

    make bench                               # or: python -m benchmarks.bench --repeats 15 --json
    make bench BENCH_ARGS="--threads 1 --photo-size 640x480"

Absolute times belong to one machine on one day; the ratios are what this program answers for. Every round runs each
case once, one after the other, so that whatever else slows the machine falls on all of them; shown are medians over
the rounds, and the middle half of the ratios as their spread.
"""

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from attnviz.inputs.decode import decode
from attnviz.inputs.preprocess import preprocess
from attnviz.models.weights.registry import LoadedModel, list_models, load_model
from attnviz.observe.recorder import record
from attnviz.pipeline import explain, forecast
from attnviz.reduce.normalise import normalise
from attnviz.reduce.upsample import upsample
from attnviz.render.overlay import overlay
from attnviz.render.viewer.page import standalone_html
from attnviz.render.viewer.payload import payload
from attnviz.results import Explanation, FloatArray

PHOTO = Path(__file__).resolve().parent.parent / "assets" / "cat.jpg"
WARM_UP_ROUNDS = 2
BARE = "bare forward pass"

Case = tuple[str, Callable[[], object]]


@dataclass(frozen=True)
class Line:
    """One measured case.

    Attributes:
        model: Name of the weights.
        case: What was run.
        milliseconds: Median over the rounds.
        ratio: Median over the rounds of its time over that of the bare forward pass in the same round.
        low: First quartile of that ratio.
        high: Third quartile of that ratio.
    """

    model: str
    case: str
    milliseconds: float
    ratio: float
    low: float
    high: float


def photo_of(size: tuple[int, int] | None) -> Path | bytes:
    """The sample photo: its file, or a JPEG of it in a size, (width, height) in pixels."""
    if size is None:
        return PHOTO
    file = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.convert("RGB").resize(size).save(file, "JPEG", quality=90)
    return file.getvalue()


def cases(loaded: LoadedModel, size: int | None = None, file: Path | bytes = PHOTO) -> list[Case]:
    """What is compared for one network; the bare forward pass comes first."""
    photo = decode(file)
    ready = forecast(photo, loaded, size=size)
    x, _, _ = preprocess(photo, ready.preprocessing, min_size=loaded.card.min_size)
    x = x.to(loaded.device)
    shown = explain(photo, loaded, size=size)

    def bare() -> None:
        with torch.no_grad():
            loaded.net(x)
        _wait(loaded)

    def hooked() -> None:
        record(loaded.net, x)
        _wait(loaded)

    return [
        (BARE, bare),
        ("forward pass with every site recorded", hooked),
        ("explain(), photo decoded already", lambda: explain(photo, loaded, size=size)),
        ("explain(), from the file", lambda: explain(file, loaded, size=size)),
        ("explain(inside=True), photo decoded", lambda: explain(photo, loaded, size=size, inside=True)),
        ("payload for the viewer", lambda: payload(shown)),
        ("self-contained HTML file", lambda: standalone_html(shown)),
        *_drawing_cases(shown),
    ]


def _drawing_cases(shown: Explanation) -> list[Case]:
    def draw(values: FloatArray) -> None:
        (spread,) = normalise([values])
        overlay(shown.photo, upsample(spread.values, shown.geometry, how="bilinear"))

    found: list[Case] = []
    if shown.maps:  # a network whose gates are of channels alone has none
        deepest = next(reversed(shown.maps.values())).values
        found.append(("one overlay on the whole photo", lambda: draw(deepest)))
    position = shown.position
    if position is not None:
        row, column = (side // 2 for side in position.grid)
        found.append(("one row of position attention", lambda: position.row(row, column)))
    return found


def _wait(loaded: LoadedModel) -> None:
    """An accelerator computes behind the caller's back: wait until it is done."""
    if loaded.device.type == "cuda":
        torch.cuda.synchronize(loaded.device)
    elif loaded.device.type == "mps":
        torch.mps.synchronize()


def measure(run: Sequence[Case], rounds: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, list[float]]:
    """Case -> seconds of each round by a clock; every round runs each case once, in order."""
    seconds: dict[str, list[float]] = {name: [] for name, _ in run}
    for number in range(-WARM_UP_ROUNDS, rounds):
        for name, work in run:
            start = clock()
            work()
            if number >= 0:
                seconds[name].append(clock() - start)
    return seconds


def lines(model: str, seconds: dict[str, list[float]], base: str = BARE) -> list[Line]:
    """Medians, and ratios taken round by round."""
    found = []
    for case, times in seconds.items():
        ratios = [mine / bare for mine, bare in zip(times, seconds[base], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        found.append(Line(model, case, 1000 * statistics.median(times), middle, low, high))
    return found


def table(measured: Sequence[Line]) -> str:
    """The lines for people, one block per model."""
    text: list[str] = []
    for model in dict.fromkeys(line.model for line in measured):
        text += ["", model, f"  {'':<40}{'median':>12}{'x bare':>10}   middle half"]
        for line in measured:
            if line.model == model:
                spread = f"{line.low:.3f} to {line.high:.3f}"
                text.append(f"  {line.case:<40}{line.milliseconds:>9.2f} ms{line.ratio:>10.3f}   {spread}")
    return "\n".join(text[1:])


def _width_and_height(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every shipped model."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description="explain() beside the bare forward pass")
    parser.add_argument("--repeats", type=int, default=15, help="rounds that count (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=None, help="torch's threads (default: torch's own choice)")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, mps (default: %(default)s)")
    parser.add_argument("--model", action="append", help="only this one; may be repeated")
    parser.add_argument("--size", type=int, default=None, help="shorter side of the input (default: as trained)")
    parser.add_argument(
        "--photo-size", type=_width_and_height, default=None, help="WIDTHxHEIGHT of the photo (default: its own)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    if options.repeats < 2:
        parser.error(f"expected at least 2 repeats, got {options.repeats}")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    shipped = [name for name, entry in list_models().items() if entry.status == "shipped"]
    measured: list[Line] = []
    file = photo_of(options.photo_size)
    for name in options.model or shipped:
        measured += lines(name, measure(cases(load_model(name, options.device), options.size, file), options.repeats))
    machine: dict[str, Any] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": options.device,
        "repeats": options.repeats,
    }
    if options.json:
        print(json.dumps({"machine": machine, "lines": [asdict(line) for line in measured]}, indent=1))
    else:
        print(", ".join(f"{key} {value}" for key, value in machine.items()), table(measured), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
