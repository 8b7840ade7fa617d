"""From photo to network input: sizes, the exact normalisation, and the geometry that goes with them."""

import io
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from attnviz.errors import ImageError, OptionError
from attnviz.inputs.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    normalise,
    plan,
    preprocess,
    reduced_size,
)
from attnviz.models.torchvision_ops import torchvision
from tests.inputs import picture_files as files


def test_the_whole_photo_is_kept_in_its_proportions():
    x, seen, geometry = preprocess(files.photo(300, 500), Preprocessing(size=96, multiple=32))
    assert geometry.crop == (0, 0, 500, 300)
    assert geometry.whole
    assert geometry.network_size == (96, 160)
    assert seen.shape == (96, 160, 3)
    assert x.shape == (1, 3, 96, 160)
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    assert x.device.type == "cpu"


@pytest.mark.parametrize(
    ("photo", "options", "expected"),
    [
        ((480, 640), {"size": 224, "multiple": 32}, (224, 288)),  # 298.67 is nearest to 288
        ((640, 480), {"size": 224, "multiple": 32}, (288, 224)),
        ((480, 640), {"size": 224, "multiple": 1}, (224, 299)),
        ((100, 100), {"size": 100, "multiple": 32}, (96, 96)),
        ((100, 100), {"size": 112, "multiple": 32}, (128, 128)),  # exactly half way: up
        ((100, 100), {"size": 8, "multiple": 32}, (32, 32)),  # never nothing
        ((100, 800), {"size": 64, "multiple": 1}, (64, 512)),  # eight to one, just kept
        ((100, 1600), {"size": 64, "multiple": 1}, (32, 512)),  # beyond eight to one, the short side gives
        ((1600, 100), {"size": 64, "multiple": 1}, (512, 32)),
        ((480, 640), {"size": 224, "multiple": 32, "resize_mode": "stretch"}, (224, 224)),
        ((480, 640), {"size": 100, "multiple": 32, "resize_mode": "stretch"}, (96, 96)),
        ((480, 640), {"size": 224, "multiple": 32, "resize_mode": "center_crop"}, (224, 224)),
    ],
)
def test_network_sizes_by_hand(photo, options, expected):
    assert plan(photo, Preprocessing(**options)).network_size == expected


def test_the_central_square():
    photo = files.photo(100, 161)
    _, seen, geometry = preprocess(photo, Preprocessing(size=100, multiple=1, resize_mode="center_crop"))
    assert geometry.crop == (30, 0, 130, 100)
    assert not geometry.whole
    np.testing.assert_array_equal(seen, photo[:, 30:130])  # same size: no pixel changes
    assert geometry.photo_to_cell(29.9, 50, (5, 5)) is None
    assert geometry.photo_to_cell(30.0, 50, (5, 5)) == (2, 0)


def test_nothing_is_resampled_at_its_own_size():
    photo = files.photo(64, 96)
    _, seen, _ = preprocess(photo, Preprocessing(size=64))
    np.testing.assert_array_equal(seen, photo)
    assert not np.shares_memory(seen, photo)


def test_reduction_does_not_alias():
    """A one-pixel chequerboard becomes even grey; picking pixels would give black or white."""
    y, x = np.mgrid[0:512, 0:512]
    board = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    _, seen, _ = preprocess(board, Preprocessing(size=64))
    inner = seen[2:-2, 2:-2].astype(int)
    assert abs(inner - 127.5).max() <= 1


def test_the_input_derives_from_what_was_seen_bit_for_bit():
    x, seen, _ = preprocess(files.photo(77, 130), Preprocessing(size=64))
    functional = torchvision.transforms.functional
    expected = functional.normalize(functional.to_tensor(seen), IMAGENET_MEAN, IMAGENET_STD)[None]
    assert torch.equal(x, expected)


def test_normalisation_by_hand():
    seen = np.array([[[0, 51, 255]]], np.uint8)
    x = normalise(seen, Preprocessing(size=1, multiple=1, mean=(0.5, 0.0, 0.25), std=(0.5, 0.1, 0.25)))
    assert x.flatten().tolist() == pytest.approx([-1.0, 2.0, 3.0], rel=1e-6)


def test_squashing_moves_points_with_the_pixels():
    """A bright dot at a known place of the photo is where the geometry says in what was seen."""
    photo = np.zeros((120, 400, 3), np.uint8)
    photo[88:96, 296:312] = 255
    for resize_mode in ("keep", "stretch", "center_crop"):
        _, seen, geometry = preprocess(photo, Preprocessing(size=64, multiple=8, resize_mode=resize_mode))
        u, v = geometry.photo_to_network(304, 92)
        if geometry.photo_to_cell(304, 92, (1, 1)) is None:
            assert resize_mode == "center_crop"
            assert seen.max() == 0
            continue
        rows, columns = np.nonzero(seen[..., 0] > seen.max() / 2)
        assert rows.mean() + 0.5 == pytest.approx(v, abs=0.6)
        assert columns.mean() + 0.5 == pytest.approx(u, abs=0.6)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 6000),
    st.integers(1, 6000),
    st.integers(1, 600),
    st.sampled_from([1, 8, 32]),
    st.sampled_from(["keep", "stretch", "center_crop"]),
)
@example(1389, 1389, 112, 32, "keep")  # 1389 * (112 / 1389) is a little less than 112
def test_any_plan_is_sound(height, width, size, multiple, resize_mode):
    geometry = plan((height, width), Preprocessing(size=size, multiple=multiple, resize_mode=resize_mode))
    h, w = geometry.network_size
    assert h % multiple == w % multiple == 0
    assert min(h, w) >= multiple
    assert max(h, w) <= 8 * size + multiple
    if resize_mode != "center_crop":
        assert geometry.whole
    if resize_mode == "keep" and max(height, width) <= 8 * min(height, width):
        assert min(h, w) == plan((9, 9), Preprocessing(size=size, multiple=multiple)).network_size[0]
        assert abs(max(h, w) - size * max(height, width) / min(height, width)) <= max(multiple / 2, multiple)


@pytest.mark.parametrize("shape", [(31, 200), (200, 31), (1, 1)])
def test_a_photo_smaller_than_the_network_takes_is_refused_with_both_sizes(shape):
    photo = np.zeros((*shape, 3), np.uint8)
    with pytest.raises(ImageError, match=f"at least 32 x 32 pixels.+, got {shape[1]} x {shape[0]}$"):
        preprocess(photo, Preprocessing(size=64), min_size=32)
    _, seen, _ = preprocess(photo, Preprocessing(size=64), min_size=min(shape))
    assert min(seen.shape[:2]) >= 32


def test_a_small_photo_may_be_enlarged():
    _, seen, geometry = preprocess(files.photo(33, 40), Preprocessing(size=128), min_size=32)
    assert seen.shape == (128, 160, 3)
    assert geometry.photo_size == (33, 40)


def test_a_strip_whose_short_side_gets_too_short_is_refused():
    photo = np.zeros((40, 2000, 3), np.uint8)
    with pytest.raises(ImageError, match=r"picture of 2000 x 40 pixels that becomes at least 32 x 32 .+, got 512 x 10"):
        preprocess(photo, Preprocessing(size=64, multiple=1), min_size=32)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((3, 8, 8), np.uint8),
        torch.zeros(8, 8, 3, dtype=torch.uint8),
        None,
    ],
)
def test_anything_but_an_rgb_array_is_refused(image):
    with pytest.raises(ImageError, match=r"expected an RGB array, uint8 of shape \(H, W, 3\), got "):
        preprocess(image, Preprocessing(size=64))


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": -5},
        {"size": 64.0},
        {"size": True},
        {"size": "64"},
        {"size": 64, "multiple": 0},
        {"size": 64, "resize_mode": "bend"},
        {"size": 64, "resize_mode": None},
        {"size": 64, "mean": (0.5, 0.5)},
        {"size": 64, "mean": (0.5, 0.5, float("nan"))},
        {"size": 64, "mean": 0.5},
        {"size": 64, "std": (0.5, 0.5, 0.0)},
        {"size": 64, "std": (0.5, 0.5, -1.0)},
        {"size": 64, "std": "abc"},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(OptionError, match=r"^expected .+, got "):
        Preprocessing(**options)


def test_an_input_beyond_all_memory_is_refused():
    with pytest.raises(OptionError, match="at most 50 megapixels"):
        plan((100, 100), Preprocessing(size=20_000))


def test_options_survive_json():
    options = Preprocessing(size=96, resize_mode="center_crop", multiple=8)
    assert Preprocessing(**json.loads(json.dumps(asdict(options)))) == options
    odd = Preprocessing(
        size=np.int64(96), resize_mode="center_crop", multiple=np.uint8(8), mean=np.array(options.mean, np.float64)
    )
    assert json.loads(json.dumps(asdict(odd))) == json.loads(json.dumps(asdict(options)))


def test_detail_is_taken_out_before_the_size_is_reached():
    photo = files.photo(300, 500)
    options = Preprocessing(size=128, multiple=32, detail=0.5)
    x, seen, geometry = preprocess(photo, options)
    reduced = Image.fromarray(photo).resize((112, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(seen, np.asarray(reduced.resize((224, 128), Image.Resampling.BILINEAR)))
    assert torch.equal(x, normalise(seen, options))
    assert geometry == plan((300, 500), Preprocessing(size=128, multiple=32))


@pytest.mark.parametrize(("detail", "size"), [(1, (64, 96)), (0.5, (32, 48)), (0.001, (1, 1))])
def test_reduced_sizes_by_hand(detail, size):
    assert reduced_size((64, 96), detail) == size


@pytest.mark.parametrize("detail", [0, -0.5, 1.01, float("nan"), float("inf"), "half", None, True, [1]])
def test_an_impossible_detail_is_refused(detail):
    with pytest.raises(OptionError, match="expected detail to be a number over 0 and up to 1"):
        Preprocessing(size=64, detail=detail)


def test_the_reduced_photo_passes_through_jpeg():
    photo = files.photo(300, 500)
    options = Preprocessing(size=128, multiple=32, detail=0.5, jpeg_quality=75)
    _, seen, _ = preprocess(photo, options)
    stream = io.BytesIO()
    Image.fromarray(photo).resize((112, 64), Image.Resampling.BILINEAR).save(stream, "JPEG", quality=75)
    with Image.open(stream) as reduced:
        np.testing.assert_array_equal(seen, np.asarray(reduced.resize((224, 128), Image.Resampling.BILINEAR)))
    _, clean, _ = preprocess(photo, Preprocessing(size=128, multiple=32, detail=0.5))
    assert 0 < np.abs(seen.astype(int) - clean).mean() < 30


def test_an_aliased_reduction_keeps_what_an_antialiased_one_blurs():
    noise = np.random.default_rng(0).integers(0, 256, (256, 384, 3), dtype=np.uint8)
    spread = {}
    for aliased in (False, True):
        _, seen, _ = preprocess(noise, Preprocessing(size=64, multiple=32, aliased=aliased))
        assert seen.shape == (64, 96, 3)
        spread[aliased] = seen.std()
    assert spread[True] > 1.5 * spread[False]


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_an_aliased_reduction_does_not_shift_the_photo(factor):
    ramp = np.repeat(np.repeat(np.arange(96)[None], 64, 0).astype(np.uint8)[..., None], 3, 2) * 2
    photo = ramp.repeat(factor, 0).repeat(factor, 1)
    _, seen, _ = preprocess(photo, Preprocessing(size=32, multiple=16, aliased=True))
    means = ramp.reshape(32, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(seen[:, 2:-2].astype(float) - means[:, 2:-2]).max() <= 1.5


@pytest.mark.parametrize("aliased", [None, 0, 1, "yes"])
def test_aliased_is_a_truth_value(aliased):
    with pytest.raises(OptionError, match="aliased to be true or false"):
        Preprocessing(size=64, aliased=aliased)


@pytest.mark.parametrize("quality", [0, -1, 101, 75.5, "high", True])
def test_an_impossible_quality_is_refused(quality):
    with pytest.raises(OptionError, match="jpeg_quality"):
        Preprocessing(size=64, jpeg_quality=quality)
