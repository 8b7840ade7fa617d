"""Colours of every kind come out as sRGB on white, and every picture the right way up."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from attnviz.inputs.decode import decode
from tests.inputs import picture_files as files
from tests.inputs.picture_files import difference, on_white

GOOD = sorted(files.good_files())


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
