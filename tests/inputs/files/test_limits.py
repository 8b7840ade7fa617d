"""Files that claim, hold or unpack too much are refused, in little time and memory."""

import resource
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from attnviz.inputs.decode import decode
from attnviz.inputs.files.containers import open_container
from tests.inputs import picture_files as files
from tests.inputs.files.test_hostile_files import GOOD, picture_or_sentence, refused

# --- too large ----------------------------------------------------------------------------------------------------


def _patched(name, at, value):
    data = bytearray(files.good_files()[name])
    data[at : at + len(value)] = value
    return bytes(data)


def _huge():
    png = files.png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8000, 8000, 8, 2, 0, 0, 0))
    jpeg, gif, tiff = (files.good_files()[name] for name in ("jpeg", "gif", "tiff"))
    yield "png", files.good_files()["png"][:8] + png + files.good_files()["png"][33:]
    yield "jpeg", _patched("jpeg", jpeg.index(b"\xff\xc0") + 5, struct.pack(">HH", 8000, 8000))
    yield (
        "progressive",
        _patched(
            "jpeg-progressive",
            files.good_files()["jpeg-progressive"].index(b"\xff\xc2") + 5,
            struct.pack(">HH", 8000, 8000),
        ),
    )
    yield "gif screen", _patched("gif", 6, struct.pack("<HH", 8000, 8000))
    yield "gif frame", _patched("gif", gif.index(b",\0\0\0\0") + 5, struct.pack("<HH", 8000, 8000))
    yield "bmp", _patched("bmp", 18, struct.pack("<II", 8000, 8000))
    yield "tiff", _patched("tiff", tiff.index(struct.pack("<HHI", 256, 4, 1)) + 8, struct.pack("<I", 2_000_000))
    yield "ppm", b"P6\n8000 8000\n255\n" + bytes(300)
    yield "webp", _patched("webp", 26, struct.pack("<HH", 8000, 8000))
    yield "webp lossless", _patched("webp-lossless", 21, struct.pack("<I", 7999 | 7999 << 14))
    yield "webp canvas", _patched("webp-animated", 24, struct.pack("<I", 7999)[:3] + struct.pack("<I", 7999)[:3])
    if "avif" in GOOD:
        avif = files.good_files()["avif"]
        yield "avif", _patched("avif", avif.index(b"ispe") + 8, struct.pack(">II", 8000, 8000))


@pytest.mark.parametrize(("name", "data"), list(_huge()), ids=[name for name, _ in _huge()])
def test_pictures_over_fifty_megapixels_are_refused_from_their_header(name, data):
    refused(data, "at most 50 megapixels|sides of at most 65535")


def test_the_limit_is_fifty_megapixels_and_not_less():
    """A real decoding of the largest picture there may be; and one pixel row more."""
    most = np.zeros((5000, 10_000), np.uint8)
    assert decode(files.encoded(Image.fromarray(most), "PNG", compress_level=1)).shape == (5000, 10_000, 3)
    refused(np.zeros((5001, 10_000), np.uint8), "at most 50 megapixels, got 10000 x 5001")
    refused(Image.new("1", (10_000, 5001)), "at most 50 megapixels")
    refused(np.zeros((2, 70_000), np.uint8), "sides of at most 65535")


def test_pillows_own_warning_never_shows(monkeypatch):
    """Even where the program around has lowered Pillow's limit."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name in GOOD:
        picture_or_sentence(files.good_files()[name])


def test_cut_off_png_is_refused_even_where_pillow_is_told_to_bear_it(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = files.good_files()["png"]
    refused(data[: len(data) * 3 // 4], "cut off")


# --- made to hurt -------------------------------------------------------------------------------------------------


def _directory_bomb(entries, size):
    """A small EXIF block whose entries all point at the same bytes."""
    body = b"".join(struct.pack("<HHII", 60_000 - i, 7, size, 8) for i in range(entries))
    block = b"II*\0" + struct.pack("<I", 8 + size) + bytes(size) + struct.pack("<H", entries) + body
    return block + struct.pack("<I", 0)


def test_texts_that_unpack_to_gigabytes_are_left_packed():
    text = zlib.compress(bytes(80_000_000), 9)
    chunks = [files.png_chunk(b"zTXt", b"Comment\0\0" + text), files.png_chunk(b"iTXt", b"A\0\1\0\0\0" + text)]
    data = files.with_png_chunks(files.good_files()["png"], *chunks)
    np.testing.assert_array_equal(decode(data), files.photo())
    assert len(open_container(data).data) <= len(files.good_files()["png"])


def test_a_profile_that_unpacks_to_gigabytes_is_ignored():
    chunk = files.png_chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(40_000_000), 9))
    np.testing.assert_array_equal(decode(files.with_png_chunks(files.good_files()["png"], chunk)), files.photo())


def test_damaged_extras_of_a_png_do_no_harm():
    chunks = [b"\0\0\0\x04tEXtabcd\0\0\0\0", files.png_chunk(b"acTL", b"\xff" * 8), files.png_chunk(b"iCCP", b"\xff")]
    data = files.with_png_chunks(files.good_files()["png"], *chunks)
    np.testing.assert_array_equal(decode(data), files.photo())


def test_comments_of_a_gif_are_dropped():
    plain = files.good_files()["gif"]
    comment = b"!\xfe" + (b"\xff" + b"x" * 255) * 40_000 + b"\0"
    at = 13 + (3 << (plain[10] & 7) + 1)
    data = plain[:at] + comment + plain[at:]
    np.testing.assert_array_equal(decode(data), decode(plain))
    assert len(open_container(data).data) <= len(plain)


def test_segments_of_a_jpeg_are_dropped():
    plain = files.good_files()["jpeg"]
    segments = [
        (0xE1, b"Exif\0\0" + b"\xff" * 65_000),
        (0xED, b"Photoshop 3.0\0" + b"8BIM" * 1000),
        (0xFE, b"c" * 65_000),
    ]
    data = files.with_jpeg_segments(plain, *segments * 50)
    np.testing.assert_array_equal(decode(data), decode(plain))
    assert len(open_container(data).data) <= len(plain)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_an_exif_block_that_claims_more_than_it_holds_is_ignored(kind):
    options = {"quality": 95} if kind != "PNG" else {}
    plain = decode(files.encoded(files.image(), kind, **options))
    bomb = _directory_bomb(3000, 20_000)
    np.testing.assert_array_equal(decode(files.encoded(files.image(), kind, exif=bomb, **options)), plain)


@pytest.mark.skipif("avif" not in GOOD, reason="this Pillow cannot write AVIF")
def test_an_exif_block_that_claims_more_than_it_holds_is_not_given_to_pillow():
    refused(files.encoded(files.image(), "AVIF", exif=_directory_bomb(4000, 500_000)), "absurd metadata")


def test_tiff_directories_that_claim_more_than_the_file_are_refused():
    refused(_directory_bomb(3000, 20_000), "absurd metadata")
    refused(_directory_bomb(5000, 8), "at most 4096 tags")
    refused(b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 4, 2**32 - 1, 8) + bytes(4), "cut off or damaged")
    big = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + struct.pack("<Q", 2**63) + bytes(100)
    refused(big, "expected .+, got ")


def test_bmp_runs_cannot_jump_over_gigabytes():
    """A jump in run-length coding is up to 255 rows, and a row may be as long as the header says."""
    header = struct.pack("<IiiHHIIiiII", 40, 49_000_000, 1, 1, 8, 1, 0, 0, 0, 256, 0)
    data = (
        b"BM" + struct.pack("<IHHI", 2000, 0, 0, 14 + 40 + 1024) + header + bytes(1024) + b"\0\2\xff\xff" * 3 + b"\0\1"
    )
    refused(data, "sides of at most 65535")


def test_run_length_coded_bmp():
    header = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, 0, 0, 0, 2, 0)
    palette, runs = bytes([0, 0, 0, 0, 30, 20, 10, 0]), b"\4\1\0\0\2\0\2\1\0\1"
    data = b"BM" + struct.pack("<IHHI", 54 + 8 + len(runs), 0, 0, 54 + 8) + header + palette + runs
    np.testing.assert_array_equal(decode(data), np.array([[[0] * 3] * 2 + [[10, 20, 30]] * 2, [[10, 20, 30]] * 4]))


_MEMORY_PROBE = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from attnviz.errors import ImageError
from attnviz.inputs.decode import decode
from tests.inputs.files.test_limits import _directory_bomb, _huge
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in [d for _, d in _huge()] + [_directory_bomb(3000, 2_000_000)]:
    try:
        decode(data)
    except ImageError:
        pass
    else:
        raise SystemExit("decoded")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
def test_refusing_takes_no_memory():
    """Decoding any one of them would take 190 MB or more; refusing all of them must not take 60."""
    assert resource.getpagesize()
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", _MEMORY_PROBE, root], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60


def test_hostile_files_are_refused_without_long_work():
    """Generous by a factor of a hundred: what this guards against takes minutes or for ever."""
    start = time.monotonic()
    picture_or_sentence(b"\x89PNG\r\n\x1a\n" + files.png_chunk(b"aaAa", b"") * 300_000)
    picture_or_sentence(b"\xff\xd8\xff" + b"\xff" * 3_000_000)
    picture_or_sentence(b"\xff\xd8\xff" + b"\xff\x01" * 1_000_000)
    picture_or_sentence(b"GIF89a" + bytes(7) + b"!\xfe\1x\0" * 300_000)
    picture_or_sentence(b" " * 3_000_000 + b"<svg")
    picture_or_sentence(b"\0\0\0\x1cftypavif" + b"II*\0" * 500_000)
    picture_or_sentence(b"P3 300 300 255 " + b"# comment\n" * 300_000)
    assert time.monotonic() - start < 60
