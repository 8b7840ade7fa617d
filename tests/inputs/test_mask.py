"""Masks and label pictures as people have them: depths, palettes, layers, files that are none."""

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import ImageError, InputError
from attnviz.inputs.mask import check_mask_size, class_numbers, object_mask

INSIDE = np.zeros((6, 9), bool)
INSIDE[1:4, 2:7] = True
LABELS = np.arange(54).reshape(6, 9) % 5


def saved(tmp_path, image, name="mask.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def with_palette(numbers, palette):
    image = Image.fromarray(numbers.astype(np.uint8), mode="P")
    image.putpalette(palette)
    return image


def painted():
    """White on the object, on an empty layer whose hidden colour is white too."""
    pixels = np.full((6, 9, 4), 255, np.uint8)
    pixels[..., 3] = INSIDE * 255
    return Image.fromarray(pixels)


PICTURES = {
    "0 and 1": Image.fromarray(INSIDE.astype(np.uint8)),
    "0 and 255": Image.fromarray(INSIDE.astype(np.uint8) * 255),
    "one bit": Image.fromarray(INSIDE),
    "sixteen bits": Image.fromarray(INSIDE.astype(np.uint16) * 40000),
    "sixteen bits, 0 and 1": Image.fromarray(INSIDE.astype(np.uint16)),
    "colour": Image.fromarray(np.dstack([INSIDE * 0, INSIDE * 0, INSIDE * 200]).astype(np.uint8)),
    "painted on a layer": painted(),
    "palette of greys": with_palette(~INSIDE, [255, 255, 255, 0, 0, 0]),
    "palette of classes": with_palette(INSIDE * np.where(np.arange(9) < 4, 1, 2), [0, 0, 0, 64, 0, 0, 224, 224, 192]),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_mask_says_the_same_however_it_is_saved(tmp_path, kind):
    found = object_mask(saved(tmp_path, PICTURES[kind]))
    assert found.dtype == np.bool_
    assert np.array_equal(found, INSIDE)


def test_floats_and_blurred_masks_too(tmp_path):
    floats = Image.fromarray((INSIDE * 0.9).astype(np.float32))
    assert np.array_equal(object_mask(saved(tmp_path, floats, "mask.tif")), INSIDE)
    large = Image.fromarray(np.kron(INSIDE, np.ones((16, 16))).astype(np.uint8) * 255)
    found = object_mask(saved(tmp_path, large, "mask.jpg", quality=30))
    assert np.array_equal(found, np.kron(INSIDE, np.ones((16, 16), bool)))


def test_a_mask_on_its_side_is_turned_as_its_photo_is(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # a quarter to the right until it is upright
    file = saved(tmp_path, Image.fromarray(np.rot90(INSIDE).astype(np.uint8) * 255), exif=exif)
    assert np.array_equal(object_mask(file), INSIDE)


def test_a_dark_mask_is_nowhere(tmp_path):
    assert not object_mask(saved(tmp_path, Image.new("L", (9, 6)))).any()


@pytest.mark.parametrize("kind", ["L", "P", "RGB", "I;16"])
def test_class_numbers_are_those_in_the_file(tmp_path, kind):
    image = Image.fromarray(LABELS.astype(np.uint8))
    if kind == "P":
        image = with_palette(LABELS, [0, 0, 0, 200, 0, 0, 0, 200, 0, 9, 9, 9, 255, 255, 255])
    elif kind == "I;16":
        image = Image.fromarray(LABELS.astype(np.uint16))
    elif kind == "RGB":
        image = image.convert("RGB")
    found = class_numbers(saved(tmp_path, image))
    assert found.dtype == np.int64
    assert np.array_equal(found, LABELS)


def test_colours_are_no_class_numbers(tmp_path):
    with pytest.raises(ImageError, match="expected class numbers as grey or a palette, got a picture of mode 'RGB'"):
        class_numbers(saved(tmp_path, PICTURES["colour"]))


def test_what_is_no_mask_is_one_sentence(tmp_path):
    cut = saved(tmp_path, PICTURES["0 and 255"], "cut.png")
    cut.write_bytes(cut.read_bytes()[:40])
    (tmp_path / "text.png").write_text("no picture")
    nan = saved(tmp_path, Image.fromarray(np.full((6, 9), np.nan, np.float32)), "nan.tif")
    for file in (cut, tmp_path / "text.png", tmp_path / "missing.png", tmp_path, nan):
        for read in (object_mask, class_numbers):
            if file != nan or read is object_mask:
                with pytest.raises(ImageError, match=r"^expected a mask[^\n]*$"):
                    read(file)


def test_a_mask_that_claims_to_be_enormous_is_not_decoded(tmp_path):
    file = saved(tmp_path, Image.new("1", (30_000, 30_000)))
    with pytest.raises(ImageError, match="at most 50 megapixels"):
        object_mask(file)


def test_a_mask_lies_on_its_photo():
    check_mask_size(INSIDE, (6, 9))
    for mask in (INSIDE.T, INSIDE[:5], np.zeros((6, 9, 3), bool)):
        with pytest.raises(InputError, match="expected a mask of the photo's size, 9 × 6 pixels, got"):
            check_mask_size(mask, (6, 9))
