import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.render.colormaps import COLORMAPS, DEFAULT, colormap, names, table


def lightness(colors):
    """CIE L* of sRGB colours, by the textbook."""
    channels = colors / 255.0
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * 24389 / 27)


def test_the_default_is_viridis_with_its_published_ends():
    assert DEFAULT == "viridis"
    assert table("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 36]]


@pytest.mark.parametrize("name", names())
def test_a_table_has_256_colors_and_cannot_be_written_to(name):
    colors = table(name)
    assert (colors.shape, colors.dtype) == ((256, 3), np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        colors[0] = 0


@pytest.mark.parametrize("name", [n for n, c in COLORMAPS.items() if c.perceptual and c.kind == "sequential"])
def test_perceptual_maps_grow_lighter_all_the_way(name):
    steps = np.diff(lightness(table(name))[::8])
    assert steps.min() > 0


@pytest.mark.parametrize("name", ["jet", "turbo"])
def test_uneven_maps_are_marked_and_carry_a_warning(name):
    assert not colormap(name).perceptual
    assert "not perceptually uniform" in colormap(name).note
    assert name in names()[-2:]  # after all that need no warning
    assert np.diff(lightness(table(name))[::8]).min() < 0  # the reason


@pytest.mark.parametrize("name", [n for n, c in COLORMAPS.items() if c.kind == "diverging"])
def test_diverging_maps_are_lightest_in_the_middle(name):
    light = lightness(table(name))
    assert 112 <= int(light.argmax()) <= 143
    assert light.max() - max(light[0], light[-1]) > 40


@pytest.mark.parametrize("name", ["Viridis", "", None, ["viridis"], "hot"])
def test_other_names_are_refused(name):
    with pytest.raises(OptionError, match="expected a colour map out of viridis"):
        colormap(name)
