"""What pictures become: every mode, depth, orientation, profile and way to hand one in."""

import hashlib
import struct
import threading
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from attnviz.errors import ImageError
from attnviz.inputs.decode import decode
from tests.inputs import picture_files as files

GOOD = sorted(files.good_files())
LOSSLESS = ["png", "webp-lossless", "bmp", "tiff", "tiff-tiff_lzw", "tiff-tiff_adobe_deflate", "tiff-packbits", "ppm"]


def assert_picture(array):
    assert array.dtype == np.uint8
    assert array.ndim == 3
    assert array.shape[2] == 3
    assert array.flags.c_contiguous
    assert array.flags.owndata
    assert array.flags.writeable


def difference(a, b):
    return np.abs(a.astype(np.int16) - b.astype(np.int16)).mean()


def on_white(colors, alpha):
    """Alpha compositing by its definition."""
    a = alpha[..., None] / 255.0
    return np.rint(colors * a + 255.0 * (1.0 - a)).astype(np.uint8)


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


# --- alpha, palettes, colours -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_laid_on_white(kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = files.encoded(files.image("RGBA"), kind, **options)
    expected = on_white(files.photo(), files.photo()[..., 1])
    assert np.abs(decode(data).astype(int) - expected).max() <= 1


def test_alpha_in_grey_arrays_and_premultiplied_modes():
    expected = on_white(files.photo(), files.photo()[..., 1])
    array = np.dstack([files.photo(), files.photo()[..., 1]])
    assert np.abs(decode(array).astype(int) - expected).max() <= 1
    deep = array.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode(deep), decode(array))
    np.testing.assert_array_equal(decode(array / 255.0), decode(array))
    assert np.abs(decode(files.image("RGBA").convert("RGBa")).astype(int) - expected).max() <= 2
    grey = np.asarray(files.image("LA"))
    expected = on_white(np.repeat(grey[..., :1], 3, axis=2), grey[..., 1])
    assert np.abs(decode(files.image("LA")).astype(int) - expected).max() <= 1


def test_a_bmp_with_unset_alpha_is_opaque():
    """32 bits with an alpha mask: clear where some of it is set, opaque where none of it is, as Windows writes it."""
    header = struct.pack("<IiiHHIIiiII", 108, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    start = b"BM" + struct.pack("<IHHI", 14 + 108 + 8, 0, 0, 14 + 108) + header
    np.testing.assert_array_equal(decode(start + bytes([30, 20, 10, 0] * 2)), [[[10, 20, 30]] * 2])
    half_set = decode(start + bytes([30, 20, 10, 0, 30, 20, 10, 255]))
    np.testing.assert_array_equal(half_set, [[[255] * 3, [10, 20, 30]]])


def test_fully_transparent_is_white():
    assert decode(Image.new("RGBA", (3, 2), (10, 20, 30, 0))).min() == 255
    assert decode(Image.new("LA", (3, 2), (10, 0))).min() == 255


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 128])])
def test_palette_with_transparency(transparency):
    image = Image.new("P", (3, 1))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.putdata([0, 1, 2])
    half = 128 if isinstance(transparency, bytes) else 255
    expected = on_white(np.array([[[200, 0, 0], [0, 200, 0], [0, 0, 200]]]), np.array([[255, 0, half]]))
    data = files.encoded(image, "PNG", transparency=transparency)
    assert np.abs(decode(data).astype(int) - expected).max() <= 1
    assert np.abs(decode(Image.open(BytesIO(data))).astype(int) - expected).max() <= 1


def _png(size, depth, color, row, transparent):
    header = struct.pack(">IIBBBBB", *size, depth, color, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(files.png_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize(
    ("depth", "row", "clear", "expected"),
    [
        (1, [0b01000000], 1, [0, 255, 0, 0]),
        (1, [0b01000000], 0, [255, 255, 255, 255]),
        (2, [0b00011011], 1, [0, 255, 170, 255]),
        (4, [0x5A, 0x0F], 5, [255, 170, 0, 255]),
        (8, [5, 6, 7, 8], 6, [5, 255, 7, 8]),
        (16, [3, 232, 117, 48, 0, 0, 255, 255], 1000, [255, 117, 0, 255]),
    ],
)
def test_one_clear_grey_at_every_depth(depth, row, clear, expected):
    data = _png((4, 1), depth, 0, bytes(row), struct.pack(">H", clear))
    np.testing.assert_array_equal(decode(data)[0, :, 0], expected)


def test_one_clear_color():
    row = bytes([1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(decode(_png((2, 1), 8, 2, row, struct.pack(">3H", 1, 2, 3)))[0, 0], [255] * 3)
    row = struct.pack(">6H", 0x1234, 0x2222, 0x3333, 0x8000, 0x9000, 0xA000)
    decoded = decode(_png((2, 1), 16, 2, row, struct.pack(">3H", 0x1234, 0x2222, 0x3333)))
    np.testing.assert_array_equal(decoded[0], [[255] * 3, [0x80, 0x90, 0xA0]])


def test_cmyk():
    assert difference(decode(files.encoded(files.image("CMYK"), "TIFF")), files.photo()) == 0
    assert difference(decode(files.good_files()["jpeg-cmyk"]), files.photo()) < 4  # Adobe's inverted values
    assert difference(decode(files.image("CMYK")), files.photo()) == 0


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBX"])
def test_other_color_modes(mode):
    assert difference(decode(files.image(mode)), files.photo()) < 3


def test_lab():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(files.image(), srgb, lab, outputMode="LAB")
    assert difference(decode(files.encoded(image, "TIFF")), files.photo()) < 3


def test_black_and_white():
    bits = np.array([[True, False, True]])
    for source in (bits, Image.fromarray(bits), files.encoded(Image.fromarray(bits), "PNG")):
        np.testing.assert_array_equal(decode(source)[0, :, 0], [255, 0, 255])


# --- colour profiles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_a_profile_is_converted_to_srgb(kind):
    if kind == "AVIF" and "avif" not in GOOD:
        pytest.skip("this Pillow cannot write AVIF")
    exchanged = files.photo()[..., [1, 0, 2]]
    options = {"icc_profile": files.wide_profile()} | ({} if kind in ("PNG", "TIFF") else {"quality": 95})
    decoded = decode(files.encoded(files.image(), kind, **options))
    assert difference(decoded, exchanged) < 6
    assert difference(decode(files.encoded(files.image(), kind)), exchanged) > 40


def test_a_profile_of_a_pillow_image_counts_too():
    image = files.image()
    image.info["icc_profile"] = files.wide_profile()
    assert difference(decode(image), files.photo()[..., [1, 0, 2]]) < 6


def test_srgbs_own_profile_leaves_the_pixels_alone():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(decode(files.encoded(files.image(), "PNG", icc_profile=profile)), files.photo())


@pytest.mark.parametrize(("shift", "converted"), [(0x20, False), (0x100, True)])
def test_profiles_that_differ_from_srgb_by_rounding_leave_the_pixels_alone(shift, converted):
    """Many devices write their own rounding of sRGB; red's X is shifted here by some 65536ths."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = struct.unpack_from(">I", profile, profile.index(b"rXYZ") + 4)[0] + 8
    struct.pack_into(">i", profile, at, struct.unpack_from(">i", profile, at)[0] + shift)
    shifted = ImageCms.ImageCmsProfile(BytesIO(bytes(profile)))
    moved = ImageCms.profileToProfile(files.image(), shifted, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert not np.array_equal(np.asarray(moved), files.photo())
    decoded = decode(files.encoded(files.image(), "PNG", icc_profile=bytes(profile)))
    np.testing.assert_array_equal(decoded, np.asarray(moved) if converted else files.photo())


@pytest.mark.parametrize(
    "profile", [b"", b"nonsense", files.wide_profile()[:200], files.wide_profile()[:-40], bytes(5000)]
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_damaged_profile_is_ignored(profile, kind):
    decoded = decode(files.encoded(files.image(), kind, icc_profile=profile))
    assert min(difference(decoded, files.photo()), difference(decoded, files.photo()[..., [1, 0, 2]])) < 6


def test_a_profile_for_other_colors_is_ignored():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for image in (files.image(), files.image("L"), files.image("CMYK")):
        plain = decode(files.encoded(image, "TIFF"))
        np.testing.assert_array_equal(decode(files.encoded(image, "TIFF", icc_profile=lab)), plain)


def test_alpha_survives_a_profile():
    data = files.encoded(files.image("RGBA"), "PNG", icc_profile=files.wide_profile())
    expected = on_white(files.photo()[..., [1, 0, 2]], files.photo()[..., 1])
    assert difference(decode(data), expected) < 6


# --- which way is up ----------------------------------------------------------------------------------------------

TURNED = {  # what a camera stores so that the orientation makes it upright again
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_applied_once(orientation, kind):
    if kind == "AVIF" and "avif" not in GOOD:
        pytest.skip("this Pillow cannot write AVIF")
    stored = Image.fromarray(np.ascontiguousarray(TURNED[orientation](files.photo())))
    options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
    data = files.encoded(stored, kind, exif=files.exif(orientation), **options)
    assert decode(data).shape == files.photo().shape
    assert difference(decode(data), files.photo()) < 5
    lazy = Image.open(BytesIO(data))
    assert difference(decode(lazy), files.photo()) < 5
    assert difference(decode(lazy), files.photo()) < 5  # and again: loading changes TIFF images of Pillow


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_orientations_that_do_not_exist_change_nothing(orientation):
    data = files.encoded(files.image(), "PNG", exif=files.exif(orientation))
    np.testing.assert_array_equal(decode(data), files.photo())


@pytest.mark.parametrize(
    "block", [b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(60)]
)
def test_damaged_exif_changes_nothing(block):
    plain = files.good_files()["jpeg"]
    np.testing.assert_array_equal(decode(files.with_jpeg_segments(plain, (0xE1, block))), decode(plain))


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
