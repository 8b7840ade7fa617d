import re

import av
import numpy as np
import pytest

from attnviz.bulk.clip import clip_pictures, read_clip, write_clip
from attnviz.bulk.clip_frames import frame_times, read_frames
from attnviz.bulk.export import export_photos
from attnviz.errors import ImageError, OptionError
from attnviz.models.weights.registry import load_model
from tests.bulk.made import SMALL, make_photos, rows, settings
from tests.bulk.made_clip import make_clip


def decoded(path):
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


@pytest.fixture(scope="session")
def clip(tmp_path_factory, photo):
    return make_clip(tmp_path_factory.mktemp("clip") / "moving <cat>.mp4", photo)


@pytest.fixture(scope="session")
def exported(clip, tmp_path_factory):
    out = tmp_path_factory.mktemp("export")
    state = export_photos([clip], out, settings())
    assert (state.done, state.refused) == (20, [])
    return out


@pytest.fixture(scope="session")
def written(clip, exported):
    loaded = load_model(SMALL, "cpu")
    return write_clip(read_clip(str(clip), exported), exported, settings().preprocessing(loaded.card))


def test_every_frame_is_found_again_by_its_time(clip):
    times, frames = frame_times(str(clip)), decoded(clip)
    assert len(times) == len(frames) == 20
    for start, stop in ((0, 20), (3, 4), (9, 17), (19, 20)):
        found = list(read_frames(str(clip), times[start:stop]))
        assert all((one == other).all() for one, other in zip(found, frames[start:stop], strict=True))
    assert isinstance(next(iter(read_frames(str(clip), [times[-1] + 1000]))), ImageError)


def test_frames_of_a_clip_that_was_cut_off_are_refused_one_by_one(clip, tmp_path):
    times = frame_times(str(clip))
    short = tmp_path / "short.mp4"
    short.write_bytes(clip.read_bytes()[:200])
    found = list(read_frames(str(short), times))
    assert len(found) == 20
    assert all(isinstance(frame, ImageError) for frame in found)


def test_every_frame_is_a_row(clip, exported):
    found = rows(exported)
    assert [row["path"] for row in sorted(found, key=lambda r: r["path"])] == [
        f"{clip}::frame {number:06d}" for number in range(20)
    ]
    assert len({row["sha256"] for row in found}) == 20


def test_the_whole_clip_has_one_range_and_the_colors_follow_it(clip, exported):
    read = read_clip(str(clip), exported)
    found = rows(exported)
    assert list(read.scales) == ["stage1.gain", "stage2.gain", "stage3.gain"]
    for label, scale in read.scales.items():
        assert scale.low == min(row[f"map.{label}"]["low"] for row in found)
        assert scale.high == max(row[f"map.{label}"]["high"] for row in found)
    pictures = list(clip_pictures(read, settings().preprocessing(load_model(SMALL, "cpu").card)))
    assert len(pictures) == 20
    for picture, frame in zip(pictures, decoded(clip), strict=True):
        assert picture.shape == (64 + 20, 4 * 96 + 3 * 4, 3)
        assert (picture[:64, :96] == frame).all()
    assert len({picture[:64, 300:].tobytes() for picture in pictures}) == 20


def test_the_mp4_holds_every_frame_with_the_stages_beside_it(clip, written):
    frames = decoded(written[0])
    assert [frame.shape for frame in frames] == [(84, 396, 3)] * 20
    assert np.abs(frames[7][:64, :96].astype(int) - decoded(clip)[7]).mean() < 6  # it went through H.264 again
    with av.open(str(written[0])) as video:
        assert float(video.streams.video[0].average_rate) == 10.0


def test_the_page_is_scrubbed_with_the_keyboard_alone(page, written):
    page.goto(written[1].as_uri())
    slider, said, picture = page.get_by_role("slider"), page.locator("#said"), page.locator("#picture")
    assert page.locator("h1").inner_text() == "moving <cat>.mp4"
    assert said.inner_text().startswith("frame 0 of 20 · 0.00 s · ")
    first = picture.get_attribute("src")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert said.inner_text().startswith("frame 5 of 20 · 0.50 s · ")
    assert picture.get_attribute("src") != first
    assert page.evaluate("document.querySelector('#picture').naturalWidth") == 396
    legend = page.locator("#legend li").all_inner_texts()
    assert [line.split(":")[0].strip() for line in legend] == ["stage1.gain", "stage2.gain", "stage3.gain"]
    assert all(0 < float(line.split()[-1]) < 1 for line in legend)


def test_a_clip_that_is_not_in_the_table_is_refused(tmp_path, clip, photo, exported):
    other = make_clip(tmp_path / "other.mp4", photo, 3)
    with pytest.raises(OptionError, match=r"expected frames of 'other\.mp4' in the table"):
        read_clip(str(other), exported)
    make_photos(tmp_path / "photos", 2)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    with pytest.raises(OptionError, match="in the table, got none"):
        read_clip(str(clip), tmp_path / "out")


def test_the_page_speaks_chinese_and_can_be_switched(new_context, written):
    page = new_context(locale="zh-CN").new_page()
    page.goto(written[1].as_uri())
    said = page.locator("#said")
    assert re.match("第 0 帧.共 20 帧 · 0.00 s · ", said.inner_text())
    assert re.search("[一-鿿]", said.inner_text().split(" · ")[2])  # the category
    assert page.locator("#play").inner_text() == "播放"
    page.get_by_role("button", name="English").click()
    assert said.inner_text().startswith("frame 0 of 20 · 0.00 s · ")
    assert not re.search("[一-鿿]", said.inner_text() + page.locator("#legend").inner_text())
    assert page.locator("#play").inner_text() == "Play"
