"""A clip's maps as a clip: photo and stages side by side, every frame in the same colour range, and a page to scrub.

Made from the table of an export: the range of each map is known only when the last frame is through, and the table then
holds all there is to draw. Maps are those of the table, float16.
"""

import io
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from attnviz.bulk.clip_frames import frame_rate, pyav, read_frames
from attnviz.bulk.prepare import reduced
from attnviz.bulk.sources import find_photos
from attnviz.bulk.table import arrow, parts
from attnviz.errors import ImageError, OptionError, quoted
from attnviz.inputs.preprocess import Preprocessing, plan
from attnviz.language import LANGUAGES, script_words, speaker
from attnviz.reduce.spread import log_floor
from attnviz.render.animation import label_font
from attnviz.render.caption import RANDOM_WEIGHTS
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import ALARM, INK, end_texts
from attnviz.render.panels import Panel
from attnviz.render.pictures import panel_pixels
from attnviz.render.scales import Scale, usual_opacity, usual_spread
from attnviz.render.viewer.bundle import bundle
from attnviz.results import ByteArray
from attnviz.save.atomic_files import write_files
from attnviz.save.file_names import safe_stem

MOST_MAPS = 6  # side by side: of a network with more, the deepest
MOST_ON_PAGE = 600  # frames of the page to scrub, each a picture of some 10 kB
_GAP, _STRIP = 4, 20  # white pixels between pictures, and below them for words
_WEBP_QUALITY = 80

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Clip:
    """What the table says about a clip.

    Attributes:
        file: Of the clip.
        times: When each frame is shown, in the clip's own unit.
        rows: Of the table, one for each frame.
        scales: Label of a map -> the one range it has over the whole clip.
        trained: Whether the network was.
    """

    file: str
    times: list[int]
    rows: list[Row]
    scales: dict[str, Scale]
    trained: bool = True


def read_clip(file: str, out: Path, *, trained: bool = True) -> Clip:
    """Read a clip's rows from the table of an export.

    Args:
        file: Of the clip.
        out: The folder of the export.
        trained: Whether the network was.

    Raises:
        OptionError: No frame of it is in the table, or the network has no map that can be drawn.
    """
    frames = {ref.path: ref for ref in find_photos([file])}
    start, found = f"{next(iter(frames), '').rpartition('::')[0]}::", list[Row]()
    for part in parts(out):
        table = arrow().parquet.read_table(part)
        # a map with a floor, which is what has focus numbers: gains, gates and shares, but no logits
        names = [name for name in table.column_names if f"focus.{name.removeprefix('map.')}" in table.column_names]
        wanted = table.select(["path", "width", "height", "prediction", "score", *names])
        focus = table.select([name for name in table.column_names if name.startswith("focus.")])
        for row, numbers in zip(wanted.to_pylist(), focus.to_pylist(), strict=True):
            if row["path"].startswith(start) and row["path"] in frames:
                found.append(row | numbers)
    if not found:
        raise OptionError(f"expected frames of {quoted(Path(file).name)} in the table, got none")
    found.sort(key=lambda row: frames[row["path"]].start)
    labels = [name.removeprefix("map.") for name in found[0] if name.startswith("map.")][-MOST_MAPS:]
    if not labels:
        raise OptionError("expected a network with a map that has a floor to draw a clip, got one without")
    scales = {label: _range(label, found) for label in labels}
    return Clip(file, [frames[row["path"]].time for row in found], found, scales, trained)


def _range(label: str, rows: list[Row]) -> Scale:
    maps = [row[f"map.{label}"] for row in rows]
    low, high = min(entry["low"] for entry in maps), max(entry["high"] for entry in maps)
    kind = "position_received" if label.endswith(".received") else label  # as `attnviz.results.received_map` names it
    floor = log_floor(low, high) if usual_spread(kind) == "log" else None
    below = floor is not None and low < floor
    return Scale(
        kind, "", low if floor is None else floor, high, (label,), floor is not None, usual_opacity(kind), below=below
    )


def clip_pictures(clip: Clip, preprocessing: Preprocessing, *, min_size: int = 1) -> Iterator[ByteArray]:
    """Every frame with its maps beside it, at most 256 pixels a picture, and below each its name and range.

    Args:
        clip: From `read_clip`.
        preprocessing: Of the network: which part of a frame it saw.
        min_size: Shortest side that the network takes, pixels.

    Raises:
        ImageError: The clip is not what it was when the table was made.
    """
    for row, pixels in zip(clip.rows, read_frames(clip.file, clip.times), strict=True):
        if isinstance(pixels, ImageError):
            raise pixels
        geometry = plan((row["height"], row["width"]), preprocessing, min_size=min_size)
        photo = reduced(pixels)
        pictures = [photo]
        for label, scale in clip.scales.items():
            entry = row[f"map.{label}"]
            values = np.array(entry["values"], np.float32).reshape(entry["rows"], entry["columns"])
            # float16 may round a value out of the range of the float32 values
            panel = Panel(label, label, values=values.clip(scale.low, scale.high))
            pictures.append(panel_pixels(panel, photo, geometry, scale=scale, options=FigureOptions()))
        yield _with_words(pictures, clip)


def _with_words(pictures: list[ByteArray], clip: Clip) -> ByteArray:
    height, width = pictures[0].shape[:2]
    step = width + _GAP
    size = (len(pictures) * step - _GAP, height + _STRIP)
    canvas = Image.new("RGB", (size[0] + size[0] % 2, size[1] + size[1] % 2), "white")  # H.264 wants even sides
    draw = ImageDraw.Draw(canvas)
    words = ["photo" if clip.trained else RANDOM_WEIGHTS]
    words += [f"{label}  {' to '.join(end_texts(scale))}{', log' * scale.log}" for label, scale in clip.scales.items()]
    for number, (picture, text) in enumerate(zip(pictures, words, strict=True)):
        canvas.paste(Image.fromarray(picture), (number * step, 0))
        color = ALARM if text == RANDOM_WEIGHTS else INK
        draw.text((number * step + 2, height + 3), text, fill=color, font=label_font(12))
    return np.asarray(canvas)


def write_clip(clip: Clip, out: Path, preprocessing: Preprocessing, *, min_size: int = 1) -> list[Path]:
    """Write the MP4 and the page to scrub, in one pass over the clip: whole files, or none.

    Args:
        clip: From `read_clip`.
        out: The folder of the export.
        preprocessing: Of the network.
        min_size: Shortest side that the network takes, pixels.

    Returns:
        The paths of both files.

    Raises:
        ImageError: The clip is not what it was when the table was made.
        ExportError: They cannot be written.
    """
    av, buffer = pyav(), io.BytesIO()
    every = -(-len(clip.rows) // MOST_ON_PAGE)
    shown: list[str] = []
    stream = None
    with av.open(buffer, "w", format="mp4") as video:
        for number, pixels in enumerate(clip_pictures(clip, preprocessing, min_size=min_size)):
            if stream is None:
                stream = video.add_stream("libx264", rate=Fraction(frame_rate(clip.file)).limit_denominator(1001))
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt, stream.options = "yuv420p", {"crf": "18"}
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            if number % every == 0:
                shown.append(_webp(pixels))
        if stream is not None:
            video.mux(stream.encode())
    name = safe_stem(clip.file)
    files = {f"{name}.maps.mp4": buffer.getvalue(), f"{name}.scrub.html": _page(clip, shown, every).encode("utf-8")}
    return write_files(out, files)


def _webp(pixels: ByteArray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=_WEBP_QUALITY, method=0)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode('ascii')}"


def _page(clip: Clip, shown: list[str], every: int) -> str:
    rows = clip.rows[::every]
    predictions = [row["prediction"] for row in rows]
    data = {
        "name": Path(clip.file).name,
        "frames": shown,
        "numbers": list(range(0, len(clip.rows), every)),
        "total": len(clip.rows),
        "rate": frame_rate(clip.file),
        "predictions": predictions,
        "scores": [row["score"] for row in rows],
        "focus": {
            label: [(row.get(f"focus.{label}") or {}).get("gini") for row in rows] for label in clip.scales
        },
        "languages": [_told(code, set(predictions) - {None}) for code in LANGUAGES],
    }  # fmt: skip
    text = json.dumps(data).replace("<", "\\u003c")  # no name of a file ends the script
    page = Path(__file__).with_name("clip_page.html").read_text(encoding="utf-8")
    return page.replace("$script", bundle(Path(__file__).with_name("clip_page.js"))).replace("$data", text)


def _told(language: str, categories: set[str]) -> dict[str, Any]:
    """A language as the page's script reads it: what it says, and what the categories in the clip are called."""
    say = speaker(language)
    return {
        "code": language,
        "name": LANGUAGES[language],
        "words": dict(script_words(language, ("small pages",))),
        "categories": {name: say.category(name) for name in sorted(categories)},
    }
