import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnviz.errors import ImageError, OptionError
from attnviz.render import overlay as module
from attnviz.render.colormaps import table
from attnviz.render.overlay import colorize, overlay


def picture(*colors):
    return np.array([list(colors)], dtype=np.uint8)


def test_the_blend_by_hand():
    # viridis begins with (68, 1, 84) and ends with (253, 231, 36); 0.5 has colour number 128: (32, 144, 140)
    result = overlay(picture((10, 20, 30), (10, 20, 30), (255, 0, 255)), np.array([[0.0, 1.0, 0.5]]), map_opacity=0.25)
    # 0.75 * 10 + 0.25 * 68 = 24.5 -> 25; 0.75 * 20 + 0.25 * 1 = 15.25 -> 15; 0.75 * 30 + 0.25 * 84 = 43.5 -> 44
    assert result[0, 0].tolist() == [25, 15, 44]
    # 70.75 -> 71; 72.75 -> 73; 31.5 -> 32
    assert result[0, 1].tolist() == [71, 73, 32]
    # 191.25 + 8 = 199.25 -> 199; 36; 191.25 + 35 = 226.25 -> 226
    assert table("viridis")[128].tolist() == [32, 144, 140]
    assert result[0, 2].tolist() == [199, 36, 226]


def test_opacity_zero_is_the_photo_and_one_the_bare_colors():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    values = rng.random((9, 7), dtype=np.float32)
    assert (overlay(photo, values, map_opacity=0) == photo).all()
    assert (overlay(photo, values, "magma", 1) == colorize(values, table("magma"))).all()


def test_a_dark_map_does_not_brighten_a_black_photo_beyond_its_color():
    black = np.zeros((2, 2, 3), np.uint8)
    assert (overlay(black, np.zeros((2, 2)), "gray", 0.5) == 0).all()


def test_pixels_without_a_map_stay_as_they_are():
    photo = picture((1, 2, 3), (4, 5, 6))
    result = overlay(photo, np.array([[np.nan, 1.0]]), map_opacity=1.0)
    assert result[0].tolist() == [[1, 2, 3], [253, 231, 36]]


def test_the_photo_itself_is_not_touched():
    photo = picture((1, 2, 3))
    photo.flags.writeable = False
    overlay(photo, np.array([[1.0]]))
    assert photo.tolist() == [[[1, 2, 3]]]


def test_bands_of_a_large_photo_meet_without_a_seam(monkeypatch):
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (23, 11, 3), dtype=np.uint8)
    values = rng.random((23, 11))
    whole = overlay(photo, values, map_opacity=0.3)
    monkeypatch.setattr(module, "_PIXELS_PER_BAND", 25)
    assert (overlay(photo, values, map_opacity=0.3) == whole).all()


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 255))
def test_a_blend_lies_between_the_photo_and_the_color(value, opacity, grey):
    color = colorize(np.array([value]), table("inferno"))[0]
    result = overlay(picture((grey, grey, grey)), np.array([[value]]), "inferno", opacity)[0, 0]
    for channel in range(3):
        low, high = sorted((grey, int(color[channel])))
        assert low <= result[channel] <= high


def test_numbers_of_colors():
    colors = np.arange(768, dtype=np.int64).reshape(256, 3).astype(np.uint8)
    values = np.array([0.0, 0.00390624, 0.00390625, 0.5, np.nextafter(1.0, 0.0), 1.0])
    expected = colors[[0, 0, 1, 128, 255, 255]]
    assert (colorize(values, colors) == expected).all()


@pytest.mark.parametrize("image", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)), "x"])
def test_what_is_no_rgb_image_is_refused(image):
    with pytest.raises(ImageError, match="expected an RGB uint8 image"):
        overlay(image, np.zeros((2, 2)))


@pytest.mark.parametrize(
    "values", [np.zeros((2, 3)), np.zeros((2, 2), np.uint8), np.full((2, 2), 1.01), np.full((2, 2), -0.1), [[0.0]]]
)
def test_values_that_do_not_fit_are_refused(values):
    with pytest.raises(OptionError, match="expected"):
        overlay(np.zeros((2, 2, 3), np.uint8), values)


@pytest.mark.parametrize("opacity", [-0.01, 1.01, float("nan"), float("inf"), "0.5", None, True])
def test_opacities_out_of_range_are_refused(opacity):
    with pytest.raises(OptionError, match="expected map_opacity"):
        overlay(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1)), map_opacity=opacity)


def test_an_opacity_that_follows_the_value_by_hand():
    # viridis ends with (253, 231, 36); 0.5 has colour number 128: (32, 144, 140)
    values = np.array([[0.0, 1.0, 0.5, np.nan]])
    photo = picture((10, 20, 30), (10, 20, 30), (255, 0, 255), (1, 2, 3))
    result = overlay(photo, values, map_opacity=0.8, opacity_by="value")
    assert result[0, 0].tolist() == [10, 20, 30]  # nothing of the colour at the low end
    assert result[0, 1].tolist() == [204, 189, 35]  # 0.2 * 10 + 0.8 * 253 = 204.4; 188.8; 34.8
    assert result[0, 2].tolist() == [166, 58, 209]  # 0.4 of it: 0.6 * 255 + 0.4 * 32 = 165.8; 57.6; 209
    assert result[0, 3].tolist() == [1, 2, 3]


def test_a_photo_in_bands_fades_like_a_photo_as_a_whole(monkeypatch):
    rng = np.random.default_rng(2)
    photo, values = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8), rng.random((9, 7))
    whole = overlay(photo, values, opacity_by="value")
    monkeypatch.setattr(module, "_PIXELS_PER_BAND", 20)
    assert (overlay(photo, values, opacity_by="value") == whole).all()


def test_an_unknown_opacity_is_refused():
    with pytest.raises(OptionError, match="expected opacity_by to be even or value, got 'values'"):
        overlay(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1)), opacity_by="values")
