"""How large a picture may be, checked from its header before anything is decoded."""

from attnviz.errors import ImageError

MOST_PIXELS = 50_000_000
LONGEST_SIDE = 65_535  # JPEG's own limit; keeps a picture of few pixels from claiming a row of millions
MOST_BYTES = 400 * 1024 * 1024  # 50 megapixels at eight bytes each, uncompressed
MOST_CHUNKS = 1_000_000  # parts of one file: chunks, segments, blocks


def check_size(width: int, height: int) -> None:
    """Refuse a picture without pixels or with too many.

    Args:
        width: In pixels.
        height: In pixels.

    Raises:
        ImageError: A side is under 1 or over 65,535 pixels, or there are over 50 million pixels.
    """
    if min(width, height) < 1:
        raise ImageError(f"expected a picture of at least 1 x 1 pixels, got {width} x {height}")
    if width * height > MOST_PIXELS:
        raise ImageError(
            f"expected a picture of at most {MOST_PIXELS // 10**6} megapixels, "
            f"got {width} x {height} ({width * height / 1e6:.1f} megapixels)"
        )
    if max(width, height) > LONGEST_SIDE:
        raise ImageError(f"expected a picture with sides of at most {LONGEST_SIDE} pixels, got {width} x {height}")
