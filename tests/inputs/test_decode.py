"""What pictures become: every mode, depth, orientation, profile and way to hand one in."""

import hashlib
import struct
import threading
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from attnviz.errors import ImageError
from attnviz.inputs.decode import decode
from tests.inputs import picture_files as files
from tests.inputs.picture_files import assert_picture, difference

GOOD = sorted(files.good_files())
LOSSLESS = ["png", "webp-lossless", "bmp", "tiff", "tiff-tiff_lzw", "tiff-tiff_adobe_deflate", "tiff-packbits", "ppm"]


# --- formats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_every_format_decodes(name):
    array = decode(files.good_files()[name])
    assert_picture(array)
    assert array.shape == (files.HEIGHT, files.WIDTH, 3)


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_the_very_pixels(name):
    np.testing.assert_array_equal(decode(files.good_files()[name]), files.photo())


@pytest.mark.parametrize(
    "name", ["jpeg", "jpeg-progressive", "webp", "avif", "mpo", "apng", "webp-animated", "tiff-pages"]
)
def test_lossy_and_animated_formats_give_the_first_picture(name):
    if name not in GOOD:
        pytest.skip(f"this Pillow cannot write {name}")
    assert difference(decode(files.good_files()[name]), files.photo()) < 4


def test_an_animated_gif_gives_its_first_frame():
    data = files.good_files()["gif-animated"]
    np.testing.assert_array_equal(decode(data), np.asarray(Image.open(BytesIO(data)).convert("RGB")))


def test_content_counts_and_not_the_name(tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(files.good_files()["png"])
    np.testing.assert_array_equal(decode(path), files.photo())
    text = tmp_path / "words.png"
    text.write_text("not a picture at all")
    with pytest.raises(ImageError, match="got something else"):
        decode(text)


@pytest.mark.parametrize(
    "data",
    [
        b"P3 # made by hand\n2 1 # wide\n255\n1 2 3 # first\n4 5 6\n",
        b"P3#\n#\n2\r1\t255 1 2 3\n4 5 6",
        b"P6 2 # wide\n# and one high\n1\n255\n\1\2\3\4\5\6",
    ],
)
def test_comments_in_ppm(data):
    np.testing.assert_array_equal(decode(data), [[[1, 2, 3], [4, 5, 6]]])


def test_every_kind_of_portable_map():
    for data, expected in (
        (b"P1 3 1 0 1 0", [255, 0, 255]),
        (b"P1 3 1\n010", [255, 0, 255]),
        (b"P2 3 1 9 0 9 3", [0, 255, 85]),
        (b"P4 3 1\n\x40", [255, 0, 255]),
        (b"P5 3 1 255\n\0\xff\x07", [0, 255, 7]),
        (b"P5 3 1 65535\n\0\0\xff\xff\x01\x01", [0, 255, 1]),
        (b"P5 3 1 100\n\0\x64\x14", [0, 255, 51]),
    ):
        np.testing.assert_array_equal(decode(data)[0, :, 0], expected, err_msg=repr(data))


# --- depth and range ----------------------------------------------------------------------------------------------


def test_sixteen_bit_grey_is_scaled_not_clipped():
    grey = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
    expected = np.array([0, 0, 1, 128, 255])  # v / 257, rounded
    for kind in ("PNG", "TIFF", "PPM"):
        data = files.encoded(Image.fromarray(grey), kind)
        np.testing.assert_array_equal(decode(data)[0, :, 0], expected, err_msg=kind)
    np.testing.assert_array_equal(decode(grey)[0, :, 1], expected)
    np.testing.assert_array_equal(decode(grey.astype(">u2"))[0, :, 1], expected)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I"])
def test_pillows_deep_greys(mode):
    raw = np.array([[0, 257, 65535]], dtype={"I;16B": ">u2", "I": "<i4"}.get(mode, "<u2"))
    image = Image.frombytes(mode, (3, 1), raw.tobytes())
    np.testing.assert_array_equal(decode(image)[0, :, 0], [0, 1, 255])


def test_big_endian_tiff():
    raw = np.array([[0, 257 * 7, 65535]], dtype=">u2")
    image = Image.frombytes("I;16B", (3, 1), raw.tobytes())
    np.testing.assert_array_equal(decode(files.encoded(image, "TIFF"))[0, :, 0], [0, 7, 255])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", [1, 2])
def test_big_tiff(order, orientation):
    """Two pixels of RGB, written by hand."""
    tags = [
        (256, 2),
        (257, 1),
        (258, 8),
        (259, 1),
        (262, 2),
        (273, 16),
        (274, orientation),
        (277, 3),
        (278, 1),
        (279, 6),
    ]
    entries = b"".join(struct.pack(order + "HHQHxxxxxx", tag, 3, 1, value) for tag, value in tags)
    header = (b"II+\0" if order == "<" else b"MM\0+") + struct.pack(order + "HHQ", 8, 0, 24)
    data = header + bytes([1, 2, 3, 4, 5, 6, 0, 0]) + struct.pack(order + "Q", len(tags)) + entries + bytes(8)
    expected = np.array([[[1, 2, 3], [4, 5, 6]]])
    np.testing.assert_array_equal(decode(data), expected[:, :: 1 if orientation == 1 else -1])


@pytest.mark.parametrize("values", [[-1, 5], [0, 65536], [0, 2**31 - 1]])
def test_mode_i_outside_of_sixteen_bits_is_refused(values):
    image = Image.frombytes("I", (2, 1), np.array(values, dtype="<i4").tobytes())
    with pytest.raises(ImageError, match=r"in \[0, 65535\], got values from"):
        decode(image)


def test_a_dark_deep_picture_stays_dark():
    """The range is the type's, not the data's."""
    assert decode(np.full((2, 2), 300, dtype=np.uint16)).max() == 1
    assert decode(np.full((2, 2), 0.01, dtype=np.float32)).max() == 3
    assert decode(np.full((2, 2), 1, dtype=np.uint8)).max() == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_floats_in_the_unit_interval(dtype):
    array = np.array([[[0.0, 0.5, 1.0], [0.25, 0.75, 1 / 255]]], dtype=dtype)
    np.testing.assert_array_equal(decode(array), [[[0, 128, 255], [64, 191, 1]]])


@pytest.mark.parametrize("bad", [-0.001, 1.001, 255.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_outside_are_refused(bad, dtype):
    array = np.full((3, 3, 3), 0.5, dtype=dtype)
    array[1, 1, 1] = bad
    with pytest.raises(ImageError, match=r"in \[0, 1\], got values from"):
        decode(array)
    with pytest.raises(ImageError, match=r"in \[0, 1\]"):
        decode(Image.fromarray(array[..., 0].astype(np.float32) * 0 + np.float32(array[1, 1, 1])))


def test_tiff_with_zero_as_white():
    """Photometric interpretation 0; Pillow turns it for eight bits only."""
    for raw, kind, bits in (
        (np.array([[0, 100, 255]], np.uint8), "L", 8),
        (np.array([[0, 25700, 65535]], np.uint16), "I;16", 16),
        (np.array([[0, 100 / 255, 1]], np.float32), "F", 32),
    ):
        data = bytearray(files.encoded(Image.fromarray(raw), "TIFF"))
        assert Image.open(BytesIO(bytes(data))).mode == kind
        at = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
        assert data[at] == 1
        data[at] = 0
        np.testing.assert_array_equal(decode(bytes(data))[0, :, 0], [255, 155, 0], err_msg=f"{bits} bits")


# --- sources ------------------------------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same(tmp_path):
    data = files.good_files()["png"]
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    sources = [path, str(path), data, bytearray(data), memoryview(data), Image.open(path), files.image(), files.photo()]
    for source in sources:
        np.testing.assert_array_equal(decode(source), files.photo())


def test_odd_arrays():
    strided = np.zeros((20, 30, 8), np.uint8)[::2, ::-3, 1:7:2]
    strided[...] = np.arange(300).reshape(10, 10, 3) % 256
    np.testing.assert_array_equal(decode(strided), strided)
    locked = files.photo()
    locked.flags.writeable = False
    assert_picture(decode(locked))
    np.testing.assert_array_equal(decode(np.asfortranarray(files.photo())), files.photo())


def test_the_result_is_not_the_callers_memory():
    array = files.photo()
    decoded = decode(array)
    decoded[:] = 0
    np.testing.assert_array_equal(array, files.photo())
    assert not np.shares_memory(decoded, array)


def test_the_callers_image_is_not_changed():
    for mode in ("RGB", "RGBA", "P", "CMYK", "I;16", "F", "LA", "1"):
        image = files.image(mode)
        image.info.update(icc_profile=files.wide_profile(), exif=b"Exif\0\0" + files.exif(6))
        before = (image.mode, image.size, dict(image.info), image.tobytes(), image.getpalette())
        decode(image)
        assert (image.mode, image.size, dict(image.info), image.tobytes(), image.getpalette()) == before


def test_the_current_frame_of_a_pillow_image_is_used_and_kept():
    image = Image.open(BytesIO(files.good_files()["webp-animated"]))
    image.seek(2)
    assert difference(decode(image), np.roll(files.photo(), 18, axis=1)) < 4
    assert image.tell() == 2


def test_nothing_global_changes():
    def state():
        return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters), dict(Image.OPEN)

    before = state()
    for data in files.good_files().values():
        decode(data)
    with pytest.raises(ImageError):
        decode(b"no picture")
    assert state() == before


def test_many_threads_decode_alike():
    names = GOOD * 2
    expected = {name: hashlib.sha256(decode(files.good_files()[name]).tobytes()).digest() for name in GOOD}
    wrong = []

    def work():
        for name in names:
            if hashlib.sha256(decode(files.good_files()[name]).tobytes()).digest() != expected[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_may_share_a_lazy_pillow_image():
    data = files.encoded(Image.fromarray(files.photo(900, 900)), "JPEG", quality=95)
    expected = decode(data)
    wrong = []

    def work(shared, barrier):
        barrier.wait()
        try:
            if not np.array_equal(decode(shared), expected):
                wrong.append("other pixels")
        except ImageError as error:
            wrong.append(str(error))

    for _ in range(10):
        arguments = Image.open(BytesIO(data)), threading.Barrier(4)
        threads = [threading.Thread(target=work, args=arguments) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_the_sample_pictures_decode():
    found = sorted((Path(__file__).parents[2] / "assets").glob("*.jpg"))
    assert found
    for path in found:
        with Image.open(path) as image:
            assert decode(path).shape == (image.height, image.width, 3)
