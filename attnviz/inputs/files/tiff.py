"""TIFF directories, read with a bound on everything: for TIFF files and for the EXIF blocks of other formats.

TIFF 6.0, Adobe 1992, section 2; BigTIFF: https://libtiff.gitlab.io/libtiff/specification/bigtiff.html
"""

import itertools
import re
import struct
from dataclasses import dataclass

from attnviz.errors import ImageError
from attnviz.inputs.files.limits import check_size

_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MOST_ENTRIES = 4096
_MOST_HEADERS = 16
_SAMPLES, _MOST_SAMPLES = 277, 6  # what Pillow can read; it logs an error about more
_LONG, _LONG8 = 4, 16
_ORIENTATION, _PROFILE, _DNG_VERSION = 274, 34675, 50706
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_ONE_VALUE = {256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323}
# What a decoder needs: size, compression, colours, strips, tiles, palette, extra samples, JPEG and YCbCr parameters.
_NEEDED = _ONE_VALUE | {258, 273, 279, 292, 293, 301, 318, 319, 320, 324, 325, 332, 338, 339, 347, 512, 513, 514, 515}
_NEEDED |= {517, 518, 519, 520, 521, 529, 530, 531, 532}
_WRONG = "expected a complete TIFF picture, got a file that is cut off or damaged"


@dataclass(frozen=True)
class _Layout:
    """How this file writes its numbers: byte order, and 64-bit offsets in BigTIFF."""

    order: str
    big: bool

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))


@dataclass(frozen=True)
class _Entry:
    tag: int
    type: int
    count: int
    data: bytes | None  # None: it would lie outside the file

    def numbers(self, order: str) -> tuple[int, ...]:
        """The values, where they are bytes, shorts, longs or 64-bit longs."""
        code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(self.type)
        return struct.unpack(f"{order}{self.count}{code}", self.data) if self.data is not None and code else ()

    def first_number(self, order: str) -> int | None:
        """The first of the values, if there is one."""
        return next(iter(self.numbers(order)), None)


def exif_orientation(block: bytes) -> int:
    """What an EXIF block says about which way is up.

    Args:
        block: EXIF from its TIFF header on, without the six bytes before it.

    Returns:
        1 to 8 as in EXIF; 1, upright, where the block is damaged or says nothing.
    """
    try:
        layout, start = _header(block)
        entries = _directory(block, layout, start)
    except (ImageError, struct.error):
        return 1
    return _orientation(entries, layout)


def first_page(data: bytes) -> tuple[bytes, int, bytes | None]:
    """Reduce a TIFF file to its first page, with only the tags that make its pixels.

    Args:
        data: The whole file.

    Returns:
        A plain TIFF file with one short directory; the orientation, 1 to 8; the ICC profile.

    Raises:
        ImageError: Damaged, cut off, a camera's raw file, or over the size limits.
    """
    try:
        layout, start = _header(data)
        entries = _directory(data, layout, start)
    except struct.error as error:
        raise ImageError(_WRONG) from error
    by_tag = {entry.tag: entry for entry in entries}
    if _DNG_VERSION in by_tag:
        raise ImageError("expected a picture, got a camera's raw file, of which only the preview could be read")
    needed = [entry for entry in entries if entry.tag in _NEEDED]
    if any(e.data is None or (e.tag in _ONE_VALUE and len(e.numbers(layout.order)) != 1) for e in needed):
        raise ImageError(_WRONG)
    for width_tag, height_tag in ((_WIDTH, _HEIGHT), (_TILE_WIDTH, _TILE_HEIGHT)):
        sides = [by_tag[tag].first_number(layout.order) if tag in by_tag else None for tag in (width_tag, height_tag)]
        if sides[0] is not None and sides[1] is not None:
            check_size(sides[0], sides[1])
        elif width_tag == _WIDTH:
            raise ImageError(_WRONG)
    if _SAMPLES in by_tag and (by_tag[_SAMPLES].first_number(layout.order) or 0) > _MOST_SAMPLES:
        raise ImageError(f"expected a picture of at most {_MOST_SAMPLES} channels, got a TIFF file with more")
    if not _pixels_are_there(by_tag, layout.order, len(data)):
        raise ImageError("expected a complete TIFF picture, got a file that is cut off")
    profile = by_tag[_PROFILE].data if _PROFILE in by_tag else None
    try:
        return _rewritten(data, layout.order, needed), _orientation(entries, layout), profile
    except struct.error as error:  # an offset beyond 32 bits
        raise ImageError(_WRONG) from error


def _rewritten(data: bytes, order: str, entries: list[_Entry]) -> bytes:
    """The file with a new directory behind it; BigTIFF becomes plain TIFF, as Pillow reads only half of its kinds."""
    start = len(data) + len(data) % 2
    behind = start + 2 + 12 * len(entries) + 4
    directory, values = b"", b""
    for entry in entries:
        kind, value = entry.type, entry.data or b""
        if kind == _LONG8:
            kind, value = _LONG, struct.pack(f"{order}{entry.count}I", *entry.numbers(order))
        field = value.ljust(4, b"\0")
        if len(value) > 4:
            field = struct.pack(order + "I", behind + len(values))
            values += value + bytes(len(value) % 2)
        directory += struct.pack(order + "HHI", entry.tag, kind, entry.count) + field
    header = data[:2] + struct.pack(order + "HI", 42, start)
    count, end = struct.pack(order + "H", len(entries)), bytes(4)
    return b"".join((header, data[8:], bytes(start - len(data)), count, directory, end, values))


def _pixels_are_there(by_tag: dict[int, _Entry], order: str, length: int) -> bool:
    """Whether every strip or tile ends within the file; libtiff would find out halfway, and say so on stderr."""
    for offsets, counts in ((273, 279), (324, 325)):
        if offsets in by_tag and counts in by_tag:
            pairs = zip(by_tag[offsets].numbers(order), by_tag[counts].numbers(order), strict=False)
            if any(start + count > length for start, count in pairs):
                return False
    return True


def looks_like_a_bomb(data: bytes) -> bool:
    """Whether any TIFF header within a file leads to a directory that claims more bytes than the file has.

    For formats whose EXIF block is handed to Pillow inside of the file.
    """
    found = [match.start() for match in itertools.islice(re.finditer(rb"II\*\0|MM\0\*", data), _MOST_HEADERS + 1)]
    for at in found[:_MOST_HEADERS]:
        try:
            block = data[at:]
            _directory(block, *_header(block))
        except ImageError:
            return True
        except struct.error:
            continue  # four bytes of pixels that only look like a header
    return len(found) > _MOST_HEADERS


def _header(data: bytes) -> tuple[_Layout, int]:
    order = "<" if data[:2] == b"II" else ">"
    magic = struct.unpack_from(order + "H", data, 2)[0]
    if data[:2] not in (b"II", b"MM") or magic not in (42, 43):
        raise ImageError(_WRONG)
    layout = _Layout(order, big=magic == 43)
    return layout, layout.offset.unpack_from(data, 8 if layout.big else 4)[0]


def _directory(data: bytes, layout: _Layout, start: int) -> list[_Entry]:
    """All entries; together they may not claim more bytes than there are, which no honest file does."""
    if start >= len(data):  # also keeps the offsets below within what struct accepts
        raise struct.error("directory outside of the data")
    count = layout.count.unpack_from(data, start)[0]
    if count > _MOST_ENTRIES:
        raise ImageError(f"expected a picture with at most {_MOST_ENTRIES} tags, got {count}")
    entries, first, claimed = [], start + layout.count.size, 0
    for number in range(count):
        tag, kind, values, inline = layout.entry.unpack_from(data, first + number * layout.entry.size)
        size = _BYTES_OF_TYPE.get(kind, 0) * values
        value: bytes | None = inline[:size]
        if size > len(inline):
            (offset,) = layout.offset.unpack(inline)
            claimed += size if offset + size <= len(data) else 0
            if claimed > len(data):
                raise ImageError("expected a picture, got a file with absurd metadata")
            value = data[offset : offset + size] if offset + size <= len(data) else None
        entries.append(_Entry(tag, kind, values, value))
    return entries


def _orientation(entries: list[_Entry], layout: _Layout) -> int:
    for entry in entries:
        if entry.tag == _ORIENTATION:
            number = entry.first_number(layout.order)
            return number if number is not None and 1 <= number <= 8 else 1
    return 1
