"""Coarse to fine as a moving picture: the photo, then each stage's map over it, with its name, range and colour bar."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from attnviz.errors import OptionError
from attnviz.render.caption import RANDOM_WEIGHTS
from attnviz.render.figure_language import figure_speaker
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import ALARM, INK, LOG_MARK, MUTED, end_texts
from attnviz.render.panels import Panel, deepest_of_stages, resolve
from attnviz.render.pictures import panel_pixels, photo_at, scale_bar
from attnviz.render.scales import Scale, find_scales
from attnviz.render.typesetting import label_file, printable, text_width, wrap
from attnviz.results import ByteArray, Explanation

AnimationFormat = Literal["gif", "webp"]

_LONG_SIDE = 512  # pixels of the photo in the animation
_NARROWEST = 220  # pixels of the animation, so that the labels have room
_HOLD_MS = 1200
_FADE_MS = 60
_FADES = 5  # frames between two stages
_FONT = 15
_MARGIN = 10
_STRIP = 74  # pixels below the photo for labels
_WEBP_QUALITY = 88


@dataclass(frozen=True, eq=False)
class _Step:
    """One stage: its picture and what is written below it."""

    pixels: ByteArray
    title: str
    scale: Scale | None


def animate(
    explanation: Explanation,
    file_format: AnimationFormat = "gif",
    options: FigureOptions | None = None,
    *,
    fades: int = _FADES,
) -> bytes:
    """Play the photo and its stages, one after the other, for ever.

    Each stage stands still for 1.2 s. The frames between two stages are mixtures of the two pictures, not maps of
    anything, and show no numbers.

    Args:
        explanation: Of a network whose attention has stages.
        file_format: ``"gif"`` (256 colours per frame) or ``"webp"``.
        options: Colour map, scaling, opacity and interpolation; the rest is ignored. None: the defaults.
        fades: Frames between two stages, from 0 (hard cuts, for people who want less motion) to 30.

    Returns:
        The file; the same bytes every time.

    Raises:
        OptionError: The network has no stages, or an option is impossible.
    """
    if file_format not in get_args(AnimationFormat):
        raise OptionError(f"expected an animation as {' or '.join(get_args(AnimationFormat))}, got {file_format!r}")
    if not 0 <= fades <= 30:
        raise OptionError(f"expected 0 to 30 frames between stages, got {fades}")
    steps = _steps(explanation, options or FigureOptions())
    frames: list[Image.Image] = []
    durations: list[int] = []
    for number, step in enumerate(steps):
        frames.append(_frame(step, number, len(steps), explanation, options or FigureOptions()))
        durations.append(_HOLD_MS)
        following = steps[(number + 1) % len(steps)]
        for fade in range(1, fades + 1):
            mixture = _mixture(step, following, fade / (fades + 1))
            frames.append(_frame(mixture, None, len(steps), explanation, options or FigureOptions()))
            durations.append(_FADE_MS)
    return _encode(frames, durations, file_format)


def _steps(explanation: Explanation, options: FigureOptions) -> list[_Step]:
    names = [stage.gain.label for stage in explanation.stages]
    if not names:
        names = deepest_of_stages(explanation.other_maps)
    if not names:
        raise OptionError(f"expected a network with stages to animate, got {explanation.model.name}, which has none")
    say = figure_speaker(options.language)
    panels = [replace(panel, title=say(panel.title)) for panel in resolve(explanation, ("photo", *names), ())]
    scales = {
        name: scale
        for scale in find_scales(panels, options.scaling, spread=options.spread, opacity_by=options.opacity_by)
        for name in scale.panels
    }
    photo = photo_at(explanation.photo, _size(explanation.photo))
    return [_step(panel, photo, explanation, options, scales.get(panel.name)) for panel in panels]


def _step(
    panel: Panel, photo: ByteArray, explanation: Explanation, options: FigureOptions, scale: Scale | None
) -> _Step:
    pixels = panel_pixels(panel, photo, explanation.geometry, scale=scale, options=options)
    return _Step(pixels, printable(panel.title, 60), scale)


def _size(photo: ByteArray) -> tuple[int, int]:
    height, width = photo.shape[:2]
    zoom = min(1.0, _LONG_SIDE / max(height, width))
    return max(1, round(height * zoom)), max(1, round(width * zoom))


def _mixture(one: _Step, other: _Step, share: float) -> _Step:
    mixed = (1.0 - share) * one.pixels.astype(np.float32) + share * other.pixels
    return _Step(
        np.floor(mixed + 0.5).astype(np.uint8), f"{one.title.split(' ·')[0]} → {other.title.split(' ·')[0]}", None
    )


def _frame(
    step: _Step, number: int | None, count: int, explanation: Explanation, options: FigureOptions
) -> Image.Image:
    height, photo_width = step.pixels.shape[:2]
    width = max(photo_width, _NARROWEST)
    canvas = Image.new("RGB", (width, height + _STRIP), "white")
    canvas.paste(Image.fromarray(step.pixels), ((width - photo_width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    top = height + 6
    _dots(draw, number, count, (width - _MARGIN, top + 9))
    room = width - 2 * _MARGIN - 16 * count
    title = _fitting(step.title, room, _FONT)
    draw.text((_MARGIN, top), title, fill=INK if number is not None else MUTED, font=label_font(text=title))
    if step.scale is not None:
        _scale_bar(canvas, draw, step.scale, options, (_MARGIN, top + 24))
    elif number == 0:
        name = _fitting(explanation.model.name, room, 12)
        draw.text((_MARGIN, top + 22), name, fill=MUTED, font=label_font(12, text=name))
    if not explanation.model.trained:
        notice = figure_speaker(options.language)(RANDOM_WEIGHTS)
        x = width - _MARGIN - text_width(notice, 12, bold=True)
        draw.rectangle((x - 4, 4, width - _MARGIN + 4, 22), fill="white")
        draw.text((x, 5), notice, fill=ALARM, font=label_font(12, True, notice))
    return canvas


def _scale_bar(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, scale: Scale, options: FigureOptions, corner: tuple[int, int]
) -> None:
    width = canvas.width - 2 * _MARGIN
    canvas.paste(Image.fromarray(scale_bar(scale, options, (8, width))), corner)
    low, high = end_texts(scale)
    y = corner[1] + 11
    draw.text((corner[0], y), low, fill=MUTED, font=label_font(12, text=low))
    if not scale.flat:
        draw.text((corner[0] + width, y), high, fill=MUTED, font=label_font(12, text=high), anchor="ra")
    if scale.log:
        mark = figure_speaker(options.language)(LOG_MARK)
        draw.text((corner[0] + width / 2, y), mark, fill=MUTED, font=label_font(12, text=mark), anchor="ma")


def _dots(draw: ImageDraw.ImageDraw, number: int | None, count: int, right: tuple[int, int]) -> None:
    """A row of dots that tells how far it is; the present one is filled."""
    for index in range(count):
        x = right[0] - 14 * (count - index) + 8
        box = (x - 4, right[1] - 4, x + 4, right[1] + 4)
        draw.ellipse(box, fill=INK if index == number else None, outline=INK if number is not None else MUTED)


def _fitting(text: str, room: float, size: int) -> str:
    return wrap(printable(text, one_font=True), room, size=size, lines=1)[0]


def label_font(size: int = _FONT, bold: bool = False, text: str = "") -> ImageFont.FreeTypeFont:
    """The figures' font for labels drawn by Pillow, or another that can draw the text; size in pixels."""
    return _truetype(str(label_file(text, bold)), size)


@cache
def _truetype(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


def _encode(frames: Sequence[Image.Image], durations: Sequence[int], file_format: AnimationFormat) -> bytes:
    buffer = io.BytesIO()
    if file_format == "gif":
        reduced = [_reduce(frame) for frame in frames]
        reduced[0].save(
            buffer, "GIF", save_all=True, append_images=reduced[1:], duration=list(durations), loop=0, optimize=False
        )
        return buffer.getvalue()
    if not features.check("webp"):
        raise OptionError("expected a Pillow that can write WebP, got one that cannot; use GIF")
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=list(durations),
        loop=0,
        quality=_WEBP_QUALITY,
        method=4,
    )
    return buffer.getvalue()


def _reduce(frame: Image.Image) -> Image.Image:
    """A frame in 256 colours of its own; diffusing the error keeps small details (an eye) in their own colour."""
    sample = frame.resize((frame.width // 2, frame.height // 2), Image.Resampling.NEAREST)  # a quarter of the work
    palette = sample.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)
    return frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
