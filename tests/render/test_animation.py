import io

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import OptionError
from attnviz.render.animation import animate
from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import resolve
from attnviz.render.pictures import panel_pixels
from attnviz.render.scales import find_scales
from tests.explanations import attention, bam, danet, untrained


def frames_of(content):
    with Image.open(io.BytesIO(content)) as film:
        found = []
        for index in range(film.n_frames):
            film.seek(index)
            film.load()
            found.append((np.asarray(film.convert("RGB")).astype(int), film.info["duration"]))
        return found, film.info.get("loop")


@pytest.mark.parametrize(("file_format", "tolerance"), [("gif", 12), ("webp", 12)])
def test_photo_and_stages_in_order_over_and_over(file_format, tolerance):
    explanation = bam(300, 400)
    frames, loop = frames_of(animate(explanation, file_format, fades=2))
    assert loop == 0
    assert [duration for _, duration in frames] == [1200, 60, 60] * 4
    panels = resolve(explanation, (), ())
    for panel, (pixels, _) in zip(panels, frames[::3], strict=True):
        scale = next(iter(find_scales([panel], "each")), None)
        expected = panel_pixels(
            panel, explanation.photo, explanation.geometry, scale=scale, options=FigureOptions()
        ).astype(int)
        assert np.abs(pixels[:300] - expected).mean() < tolerance
    assert all((pixels[300:] < 128).any() for pixels, _ in frames)  # labels below the picture


def test_between_two_stages_lies_their_mixture():
    frames, _ = frames_of(animate(bam(300, 400), "webp", fades=1))
    pictures = [pixels[:300] for pixels, _ in frames]
    middle = (pictures[0] + pictures[2]) / 2
    assert np.abs(pictures[1] - middle).mean() < 8 < np.abs(pictures[0] - pictures[2]).mean()


def test_without_motion_there_are_only_the_stages():
    frames, _ = frames_of(animate(bam(), "gif", fades=0))
    assert len(frames) == 4


@pytest.mark.parametrize("file_format", ["gif", "webp"])
def test_the_same_bytes_every_time(file_format):
    assert animate(bam(), file_format, fades=1) == animate(bam(), file_format, fades=1)


def test_random_weights_are_written_into_every_frame():
    plain, _ = frames_of(animate(bam(300, 400), "gif", fades=0))
    marked, _ = frames_of(animate(untrained(bam(300, 400)), "gif", fades=0))
    for (before, _), (after, _) in zip(plain, marked, strict=True):
        corner = after[4:22, -120:-10]
        red = (corner[..., 0] > corner[..., 1] + 100).sum()
        assert red > 50 > (before[4:22, -120:-10, 0] > before[4:22, -120:-10, 1] + 100).sum()


def test_other_attention_modules_play_too():
    maps = tuple(attention(f"stage{s}.gate", np.full((2, 2), s / 4), kind="spatial_gate") for s in (1, 2))
    frames, _ = frames_of(animate(bam(stages=(), other_maps=maps), fades=0))
    assert len(frames) == 3


@pytest.mark.parametrize("size", [(1, 700), (700, 1), (40, 30)])
def test_odd_photos_have_room_for_their_labels(size):
    frames, _ = frames_of(animate(bam(*size), fades=0))
    assert frames[0][0].shape[1] >= 220
    assert max(frames[0][0].shape[:2]) <= 512 + 74


def test_a_network_without_stages_is_refused():
    with pytest.raises(OptionError, match="expected a network with stages"):
        animate(danet())


@pytest.mark.parametrize("wrong", [{"file_format": "mp4"}, {"fades": -1}, {"fades": 31}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(OptionError, match="expected"):
        animate(bam(), **wrong)
