"""Tell a file's format by its content, and cut it down to its first picture before Pillow sees it.

Pillow reads all of a file's metadata eagerly, at a cost a small hostile file can make enormous (a TIFF directory whose
thousands of entries each point at the same megabytes, a GIF comment in a million blocks, a PNG's compressed texts), and
warns through `warnings`, whose filters are shared by all threads. So each walker here keeps what makes the first
picture's pixels, reads the orientation and the colour profile itself, and drops the rest. Sizes are checked on the way.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from attnviz.errors import ImageError
from attnviz.inputs.files.limits import MOST_CHUNKS, check_size
from attnviz.inputs.files.tiff import exif_orientation, first_page, looks_like_a_bomb

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PPM_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,10})")
_PPM_COMMENT = re.compile(rb"#[^\r\n]*")
_LARGEST_PROFILE = 16 * 1024 * 1024  # bytes; what JPEG's 255 segments can hold

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or PPM"


@dataclass(frozen=True)
class Container:
    """One picture's file, reduced.

    Attributes:
        kind: Pillow's name of the format.
        data: The file with nothing but its first picture.
        orientation: As in EXIF, 1 to 8; None where only the decoder will know.
        profile: ICC profile; None where there is none, or where only the decoder will know.
    """

    kind: str
    data: bytes
    orientation: int | None = 1
    profile: bytes | None = None


def open_container(data: bytes) -> Container:
    """Tell the format of a file's content and reduce the file to its first picture.

    Args:
        data: The whole file.

    Returns:
        The reduced file, of a format in `ACCEPTED`; its size is checked wherever the format allows.

    Raises:
        ImageError: Empty, not a picture, not of an accepted format, cut off, or over the size limits.
    """
    if not data:
        raise ImageError(f"expected a {ACCEPTED} picture, got an empty file")
    for pattern, walk in _WALKERS:
        if pattern.match(data):
            try:
                return walk(data)
            except (IndexError, struct.error) as error:
                raise ImageError("expected a complete picture, got a file that is cut off or damaged") from error
    for pattern, name in _REFUSED:
        if pattern.match(data[:8192]):
            raise ImageError(f"expected a {ACCEPTED} picture, got {name}")
    raise ImageError(f"expected a {ACCEPTED} picture, got something else")


def _jpeg(data: bytes) -> Container:
    """Keep the segments that describe the pixels; MPO is JPEG with more pictures behind the first."""
    kept, orientation = [b"\xff\xd8"], None
    profile_parts: dict[int, bytes] = {}
    for marker, start, stop in _jpeg_segments(data):
        body = data[start + 4 : stop]
        if marker == 0xDA:
            kept.append(data[start:])
            break
        if marker == 0xE1 and body.startswith(b"Exif\0") and orientation is None:  # the sixth byte varies
            orientation = exif_orientation(body[6:])
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            profile_parts.setdefault(body[12], body[14:])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", body[1:5])
            check_size(width, height)
        if marker in (0xE0, 0xEE) or not (0xE0 <= marker <= 0xEF or marker == 0xFE):  # JFIF and Adobe say what colours
            kept.append(data[start:stop])
    else:
        raise ImageError("expected a complete JPEG picture, got a file without pixels")
    profile = b"".join(profile_parts[i] for i in sorted(profile_parts))
    return Container("JPEG", b"".join(kept), orientation or 1, profile or None)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and stop of each segment up to the first scan; bytes between segments are skipped."""
    at = 2
    for _ in range(MOST_CHUNKS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # no length follows
            at += 2
        elif marker == 0xD9:
            return
        else:
            stop = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
            if stop > len(data):
                raise ImageError("expected a complete JPEG picture, got a file that is cut off")
            yield marker, at, stop
            at = stop


def _png(data: bytes) -> Container:
    """Keep the critical chunks and the transparency: no texts, no animation, no damaged extras."""
    kept, orientation, profile, at = [_PNG_SIGNATURE], 1, None, len(_PNG_SIGNATURE)
    header = b""
    for _ in range(MOST_CHUNKS):
        length, name = struct.unpack_from(">I4s", data, at)
        stop = at + 12 + length
        if stop > len(data):
            break
        body = memoryview(data)[at + 8 : stop - 4]
        if name == b"IHDR":
            header = bytes(body[:13])
            check_size(*struct.unpack_from(">II", header))
        if name == b"eXIf":
            orientation = exif_orientation(bytes(body[: 2**16]))
        elif name == b"iCCP":
            profile = _png_profile(bytes(body[:_LARGEST_PROFILE]))
        elif name == b"tRNS":
            kept.append(_png_transparency(bytes(body), depth=header[8], color=header[9]))
        elif not name[0] & 0x20:
            kept.append(data[at:stop])
        if name == b"IEND":
            return Container("PNG", b"".join(kept), orientation, profile)
        at = stop
    raise ImageError("expected a complete PNG picture, got a file that is cut off")


def _png_transparency(body: bytes, *, depth: int, color: int) -> bytes:
    """The chunk that names the clear colour, in the eight bits that Pillow's pixels have when it compares them."""
    if color == 0 and depth < 8:
        body = struct.pack(">H", (struct.unpack(">H", body)[0] & (1 << depth) - 1) * 255 // ((1 << depth) - 1))
    elif color == 2 and depth == 16:
        body = struct.pack(">3H", *(value >> 8 for value in struct.unpack(">3H", body)))
    return struct.pack(">I", len(body)) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))


def _png_profile(body: bytes) -> bytes | None:
    name, _, packed = body.partition(b"\0")
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed[1:], _LARGEST_PROFILE)
    except zlib.error:
        return None
    return profile if unpacker.eof and name else None


def _gif(data: bytes) -> Container:
    """Keep the screen, the first frame and its graphic control; the other frames must be there, as blocks."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _gif_table(flags)
    kept, control, first = data[:at], b"", b""
    for _ in range(MOST_CHUNKS):
        start, block = at, data[at]
        if block == 0x21:
            at = _end_of_sub_blocks(data, at + 2)
            if data[start + 1] == 0xF9 and not first:
                control = data[start:at]
        elif block == 0x2C:
            left, top, frame_width, frame_height, flags = struct.unpack_from("<4HB", data, at + 1)
            at = _end_of_sub_blocks(data, at + 11 + _gif_table(flags))
            if not first:
                check_size(max(width, left + frame_width), max(height, top + frame_height))
                first = data[start:at]
        elif block == 0x3B:
            break
        else:
            at += 1
    if not first:
        raise ImageError("expected a GIF picture, got a GIF file without a frame")
    return Container("GIF", kept + control + first + b";")


def _gif_table(flags: int) -> int:
    """Bytes of the colour table that follows."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _end_of_sub_blocks(data: bytes, at: int) -> int:
    for _ in range(2 * MOST_CHUNKS):
        length = data[at]
        at += 1 + length
        if length == 0:
            return at
    raise ImageError("expected a GIF picture, got one in an absurd number of blocks")


def _webp(data: bytes) -> Container:
    """Leave the file as it is; libwebp hands out metadata unread."""
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise ImageError("expected a complete WebP picture, got a file that is cut off")
    orientation, profile, at = 1, None, 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + min(length, _LARGEST_PROFILE)]
        if name == b"VP8X":
            check_size(1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
        elif name == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            check_size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif name == b"VP8 ":
            width, height = struct.unpack_from("<HH", body, 6)
            check_size(width & 0x3FFF, height & 0x3FFF)
        elif name == b"EXIF":
            orientation = exif_orientation(body[6:] if body.startswith(b"Exif\0\0") else body)
        elif name == b"ICCP":
            profile = body
        at += 8 + length + (length & 1)
    return Container("WEBP", data, orientation, profile)


def _tiff(data: bytes) -> Container:
    reduced, orientation, profile = first_page(data)
    return Container("TIFF", reduced, orientation, profile)


def _ppm(data: bytes) -> Container:
    """Write the header anew without comments, over which Pillow spends time that grows with their square."""
    plain, numbers, at = data[1:2] in b"123", [], 2
    for _ in range(2 if data[1:2] in b"14" else 3):
        found = _PPM_NUMBER.match(data, at)
        if found is None:
            raise ImageError("expected a complete PPM picture, got a file with a damaged header")
        numbers.append(int(found[1]))
        at = found.end()
    check_size(numbers[0], numbers[1])
    pixels = _PPM_COMMENT.sub(b" ", data[at:]) if plain else data[at + 1 :]  # one blank goes before binary pixels
    return Container("PPM", b"%b\n%b\n" % (data[:2], b" ".join(b"%d" % n for n in numbers)) + pixels)


def _avif(data: bytes) -> Container:
    if looks_like_a_bomb(data):
        raise ImageError("expected a picture, got an AVIF file with absurd metadata")
    return Container("AVIF", data, orientation=None)


def _at_start(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


_WALKERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], Container]], ...] = (
    (_at_start(rb"\xff\xd8\xff"), _jpeg),
    (_at_start(re.escape(_PNG_SIGNATURE)), _png),
    (_at_start(rb"GIF8[79]a"), _gif),
    (_at_start(rb"RIFF....WEBP"), _webp),
    (_at_start(rb"II[*+]\0|MM\0[*+]"), _tiff),
    (_at_start(rb"....ftyp(avi[fs]|(mif1|msf1|miaf).{4,64}?avi[fs])"), _avif),
    (_at_start(rb"BM.{12}"), lambda data: Container("BMP", data)),
    (_at_start(rb"P[1-6][\s#]"), _ppm),
)
_REFUSED = (
    (_at_start(rb"....ftyp(heic|heix|hevc|hevx|mif1|msf1|heim|heis)"), "a HEIC picture"),
    (_at_start(rb"....ftyp"), "a video or another file of the MP4 family"),
    (_at_start(rb"%PDF"), "a PDF document"),
    (_at_start(rb"%!PS|\xc5\xd0\xd3\xc6"), "a PostScript document"),
    (_at_start(rb"(\xef\xbb\xbf)?\s*<(!DOCTYPE html|html|head|body)"), "a web page"),
    (_at_start(rb"(\xef\xbb\xbf)?\s*<(.*<)?svg"), "an SVG drawing"),
    (_at_start(rb"\x1f\x8b|PK\x03\x04|7z\xbc\xaf|Rar!"), "a packed archive"),
    (_at_start(rb"8BPS"), "a Photoshop document"),
    (_at_start(rb"(\xff\x0a|\0\0\0\x0cJXL )"), "a JPEG XL picture"),
    (_at_start(rb"(\xff\x4f\xff\x51|\0\0\0\x0cjP  )"), "a JPEG 2000 picture"),
    (_at_start(rb"\0\0[\x01\x02]\0"), "an icon or cursor"),
)
