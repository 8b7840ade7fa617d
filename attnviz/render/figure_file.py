"""A figure as the bytes of a file: fonts and settings of its own, and the same bytes every time.

Some of matplotlib's settings exist only globally (which fonts go into a PDF, whether SVG text stays text). They are the
same for all figures: several threads draw at once, the first sets them and the last puts back what was there.
"""

import io
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from attnviz.extras import needs
from attnviz.render.typesetting import FONT, families

with needs("matplotlib", extra="figures"):
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.text import Text

FigureFormat = Literal["png", "pdf", "svg"]

_SETTINGS = {
    "font.family": ["sans-serif"],
    "font.sans-serif": [FONT],
    "text.usetex": False,
    "text.hinting": "no_hinting",
    "text.antialiased": True,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "path.sketch": None,
    "path.effects": [],
    "image.interpolation": "none",
    "image.resample": False,
    "image.composite_image": False,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "pdf.use14corefonts": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "attnviz",
    "svg.image_inline": True,
    "savefig.bbox": None,
    "savefig.dpi": "figure",
    "savefig.facecolor": "white",
    "savefig.edgecolor": "none",
    "savefig.transparent": False,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
}

# Without these entries matplotlib would write the time of day into the files.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": "attnviz"},
    "pdf": {"Creator": "attnviz", "Producer": "matplotlib", "CreationDate": None},
    "svg": {"Creator": "attnviz", "Date": None},
}


class _SharedSettings:
    """`_SETTINGS` for as long as any thread draws."""

    def __init__(self) -> None:
        self._lock, self._drawing, self._before = threading.Lock(), 0, ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Within it figures are made and written with our settings."""
        with self._lock:
            if not self._drawing:
                self._before.enter_context(mpl.rc_context(_SETTINGS))  # type: ignore[arg-type]
            self._drawing += 1
        try:
            yield
        finally:
            with self._lock:
                self._drawing -= 1
                if not self._drawing:
                    self._before.close()


figure_settings = _SharedSettings()


def figure_file(figure: Figure, file_format: FigureFormat) -> bytes:
    """Any figure that was made within `figure_settings`, as a file.

    Args:
        figure: Its text is printable.
        file_format: ``"png"``; ``"pdf"`` with embedded TrueType fonts; ``"svg"`` with text as text.
    """
    with figure_settings():
        for part in figure.findobj(Text):
            if isinstance(part, Text) and len(fonts := families(part.get_text())) > 1:
                part.set_fontfamily(fonts)
        return encoded(figure, file_format)


def encoded(figure: Figure, file_format: FigureFormat) -> bytes:
    """The same within `figure_settings`."""
    buffer = io.BytesIO()
    if file_format == "png":
        figure.savefig(buffer, format="rgba", dpi="figure")
        return _packed(buffer.getvalue(), figure)
    figure.savefig(buffer, format=file_format, dpi="figure", metadata=_METADATA[file_format])
    return buffer.getvalue()


def _packed(rgba: bytes, figure: Figure) -> bytes:
    """Pixels as a PNG without matplotlib's alpha channel, packed in a tenth of the time and no larger."""
    info = PngInfo()
    for key, value in _METADATA["png"].items():
        info.add_text(key, str(value))
    width, height = (int(side) for side in figure.bbox.size)
    picture = Image.frombuffer("RGBA", (width, height), rgba, "raw", "RGBA", 0, 1).convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", dpi=(figure.dpi, figure.dpi), pnginfo=info, compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()
