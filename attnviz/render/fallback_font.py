"""A font for letters that the figures' own font lacks, Chinese, Japanese and Korean above all, where one is installed.

It is looked for once, and only when such a letter comes: figures without one are the same on every machine.
"""

import functools
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

# Families with all three scripts, as systems name them: Linux, macOS, Windows. The first that is there is taken.
FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "SimHei",
)
# Noto Sans CJK SC, under the SIL Open Font License, as a package brings it (the extra `cjk`); it is not imported.
PACKAGE, PACKAGED = "mplfonts", Path("fonts") / "NotoSansCJKsc-Regular.otf"
_BOLD = 700


@dataclass(frozen=True)
class FallbackFont:
    """A font of this machine.

    Attributes:
        family: As matplotlib knows it.
        file: Where it is.
        characters: Code points that it can draw.
    """

    family: str
    file: Path
    characters: frozenset[int]


@functools.cache
def fallback_font() -> FallbackFont | None:
    """The font, or None where there is none: from the extra ``cjk`` of the package, else from the system."""
    from matplotlib.font_manager import fontManager

    packaged = _packaged_file()
    if packaged is not None:
        return use(packaged)
    installed = {entry.name: entry.fname for entry in reversed(fontManager.ttflist)}
    found = next((installed[family] for family in FAMILIES if family in installed), None)
    return None if found is None else use(Path(found))


def use(file: Path) -> FallbackFont:
    """A font's file, made known to matplotlib, also as the bold one of its family: it would complain of none."""
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    font = FT2Font(str(file))
    if all(entry.name != font.family_name for entry in fontManager.ttflist):
        fontManager.addfont(str(file))
    faces = [entry for entry in fontManager.ttflist if entry.name == font.family_name]
    if all(entry.weight != _BOLD for entry in faces):
        fontManager.ttflist.append(replace(faces[0], weight=_BOLD))
    return FallbackFont(font.family_name, file, frozenset(font.get_charmap()))


def _packaged_file() -> Path | None:
    spec = find_spec(PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return next((Path(folder) / PACKAGED for folder in folders if (Path(folder) / PACKAGED).is_file()), None)
