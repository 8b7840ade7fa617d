"""Files that are broken, huge, or made to hurt: a picture or one sentence, and never anything else."""

import errno
import os
import re
import socket
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from attnviz.errors import ImageError
from attnviz.inputs import decode as decoding
from attnviz.inputs.decode import decode
from tests.inputs import picture_files as files

GOOD = sorted(files.good_files())
SEVERAL_PICTURES = {"mpo", "tiff-pages"}  # what is behind the first picture may be missing


def picture_or_sentence(data):
    """The picture, or None where it was refused in one sentence; fails on anything else."""
    try:
        array = decode(data)
    except ImageError as error:
        message = str(error)
        assert re.fullmatch(r"expected [^\n]+, got [^\n]+", message), message
        assert len(message) < 400
        return None
    assert array.dtype == np.uint8
    assert array.ndim == 3
    assert array.shape[2] == 3
    assert array.size
    return array


def refused(data, pattern):
    with pytest.raises(ImageError, match=pattern):
        decode(data)


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_cut_off_files_are_refused(name):
    data = files.good_files()[name]
    for sixteenths in range(16):
        cut = data[: len(data) * sixteenths // 16]
        if picture_or_sentence(cut) is not None:
            assert name in SEVERAL_PICTURES
            np.testing.assert_array_equal(decode(cut), decode(data))


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("tiff")])
def test_cut_off_tiff_is_refused_before_libtiff_complains(name, capfd):
    """libtiff writes to stderr, where the command line promises one line per refusal."""
    data = files.good_files()[name]
    for sixteenths in range(16):
        picture_or_sentence(data[: len(data) * sixteenths // 16])
    strip = struct.pack("<HHI", 273, 4, 1) if struct.pack("<HHI", 273, 4, 1) in data else struct.pack("<HHI", 273, 3, 1)
    beyond = bytearray(data)
    struct.pack_into("<I", beyond, data.index(strip) + 8, len(data) - 3 & 0xFFFF)
    refused(bytes(beyond), "cut off")
    assert capfd.readouterr() == ("", "")


@st.composite
def damaged(draw, data):
    """A file with bits flipped, bytes exchanged, a piece lost, a piece put in, or a piece of itself repeated."""
    spoiled = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        near = draw(st.booleans())  # headers hold the interesting bytes
        at = draw(st.integers(0, min(len(spoiled) - 1, 120 if near else len(spoiled))))
        how = draw(st.sampled_from(["flip", "byte", "lose", "insert", "repeat"]))
        if how == "flip" and at < len(spoiled):
            spoiled[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "byte" and at < len(spoiled):
            spoiled[at] = draw(st.sampled_from([0, 1, 127, 128, 254, 255]))
        elif how == "lose" and len(spoiled) > 40:
            del spoiled[at : at + draw(st.integers(1, 30))]
        elif how == "insert":
            spoiled[at:at] = draw(st.binary(min_size=1, max_size=20))
        elif how == "repeat":
            spoiled[at:at] = spoiled[max(0, at - 40) : at]
    return bytes(spoiled)


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_files_give_a_picture_or_a_sentence(name, data):
    picture_or_sentence(data.draw(damaged(files.good_files()[name])))


SIGNATURES = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\x40\0\0\0WEBPVP8 ",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
    b"BM",
    b"P6\n",
    b"P1 ",
    b"P5#",
    b"\0\0\0\x1cftypavif",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_noise_behind_a_signature_gives_a_picture_or_a_sentence(signature, noise):
    picture_or_sentence(signature + noise)


def test_trailing_bytes_do_no_harm():
    for name in ("jpeg", "png", "gif", "bmp", "tiff", "ppm", "webp"):
        data = files.good_files()[name]
        np.testing.assert_array_equal(decode(data + b"<?php trailing ?>" * 9), decode(data))


# --- not a picture ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "an empty file"),
        (b" ", "something else"),
        (bytes(1000), "something else"),
        (b"plain words", "something else"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<!DOCTYPE svg><svg/>', "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
        (b"\xc5\xd0\xd3\xc6 binary", "a PostScript document"),
        (b"<!doctype html><html>", "something else|a web page"),
        (b"PK\x03\x04", "a packed archive"),
        (b"\x1f\x8b\x08 svgz", "a packed archive"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"\0\0\0\x18ftypheic", "a HEIC picture"),
        (b"\0\0\0\x18ftypisom", "a video"),
        (b"\xff\x0a\xfa", "a JPEG XL picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
        (b"\0\0\1\0\1\0", "an icon"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "something else"),
        (b"/* XPM */", "something else"),
        (b"FORM\0\0\0\x04ILBM", "something else"),
        (b"v4\nspam", "something else"),
        (b"qoif\0\0", "something else"),
    ],
)
def test_what_is_no_accepted_picture_is_named(data, what):
    refused(data, f"^expected a JPEG, PNG, .* picture, got ({what})")


@pytest.mark.parametrize(
    "kind", ["ICO", "TGA", "PCX", "SGI", "DDS", "EPS", "IM", "SPIDER", "MSP", "XBM", "PDF", "JPEG2000"]
)
def test_pillows_other_formats_are_refused(kind):
    mode = {"SPIDER": "F", "MSP": "1", "XBM": "1"}.get(kind, "RGB")
    refused(files.encoded(files.image(mode), kind), "^expected a JPEG, PNG, ")


def test_a_cameras_raw_file_is_not_taken_for_its_preview():
    data = files.encoded(files.image(), "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    refused(data, "camera's raw file")


@pytest.mark.parametrize("source", [None, 5, [1, 2], {"a": 1}, ("x",), object(), BytesIO(b""), np.float32(1)])
def test_other_types_are_refused(source):
    refused(source, "expected a path, bytes, a Pillow image or a NumPy array, got ")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((), np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.float32),
        np.zeros((4, 4), np.int64),
        np.zeros((4, 4), np.int8),
        np.zeros((4, 4), np.uint32),
        np.zeros((4, 4), np.complex64),
        np.zeros((4, 4), "datetime64[s]"),
        np.zeros((4, 4), object),
        np.zeros((4, 4), "U1"),
        np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (8000, 8000), (0, 0)),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array):
    refused(array, "^expected .+, got ")


def test_pillow_images_that_cannot_be_loaded_are_refused():
    data = files.good_files()["png"]
    refused(Image.open(BytesIO(data[: len(data) // 2])), "cut off, damaged or unusual")
    refused(Image.new("RGB", (0, 5)), "at least 1 x 1")
    refused(Image.open(BytesIO(files.encoded(files.image(), "EPS"))), "an EPS drawing")
    closed = Image.open(BytesIO(data))
    closed.close()
    refused(closed, "cut off, damaged or unusual")


# --- files that are no files --------------------------------------------------------------------------------------


def test_names_that_lead_nowhere(tmp_path):
    for name in ("missing.png", "https://example.org/cat.jpg", "data:image/png;base64,AAAA", "file:///etc/passwd", ""):
        refused(tmp_path / name if name == "missing.png" else name, "no such file")
    refused(tmp_path, "got the folder")
    (tmp_path / "file").write_bytes(b"x")
    refused(tmp_path / "file" / "below.png", "no such file")
    refused(str(tmp_path / ("long" * 200)), "the name is too long")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    refused(tmp_path / "circle", "circle")
    refused("nul\0byte.png", "expected the name of a picture file")
    refused("lone\udc80surrogate\ud800.png", "expected the name of a picture file")


def test_a_long_or_odd_name_stays_one_short_line():
    for name in ("x" * 5000, "two\nlines\r.png", "escape\x1b[31m.png", "left\u202eright.png"):
        with pytest.raises(ImageError) as caught:
            decode(name)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400


def test_pipes_sockets_and_devices_are_not_waited_for(tmp_path):
    pipe, door = tmp_path / "pipe", tmp_path / "door"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(door))
        for path in (pipe, door, Path("/dev/zero"), Path("/dev/null"), Path("/dev/stdin")):
            if path.name != "stdin" or not path.resolve().is_file():
                refused(path, "a device or a pipe")
    (tmp_path / "link.png").symlink_to(pipe)
    refused(tmp_path / "link.png", "a device or a pipe")


def test_a_file_exchanged_for_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    """Between the look at the name and its opening, the file may have been exchanged."""
    plain, pipe = tmp_path / "plain", tmp_path / "pipe"
    plain.write_bytes(b"x")
    os.mkfifo(pipe)
    real = os.open
    monkeypatch.setattr(decoding.os, "open", lambda path, flags: real(pipe, flags))
    refused(plain, "a device or a pipe")


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "no permission"), (errno.EPERM, "no permission"), (errno.EIO, "error")]
)
def test_files_that_cannot_be_read_say_why(tmp_path, monkeypatch, number, words):
    path = tmp_path / "picture.png"
    path.write_bytes(files.good_files()["png"])

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(decoding.os, "open", fail)
    refused(path, words)


def test_a_file_larger_than_any_picture_is_not_read(tmp_path):
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(2**40)
    refused(path, "at most 400 MiB")
