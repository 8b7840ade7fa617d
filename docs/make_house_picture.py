"""Draw docs/images/house.svg: the rooms of the package in their order, how large they are, and who uses whom.

Everything in it is counted: lines from the files, arrows from the imports. make docs
"""

import ast
import html
from collections import Counter
from pathlib import Path

from tests.test_layers import MODULES, ORDER, PACKAGE, imported_modules, room_of

PICTURE = Path(__file__).resolve().parent / "images" / "house.svg"
LEFT_OUT = ("errors", "extras", "__init__", "__main__")  # all use the first two; the last two only open the door
ROOMS = tuple(room for room in ORDER if room not in LEFT_OUT)
SCRIPTS = (".js", ".css")

WIDTH, PITCH, TOP = 1120, 66, 34
BOX_LEFT, BOX_WIDTH, BOX_HEIGHT = 96, 560, 50
LONGEST = 100  # characters that fit into a box
NOTES = (
    "Bars: lines of Python (blue), of scripts and style sheets (amber). Arrows: imports, with their number; dashed: "
    "loaded only when a result draws or saves itself.",
    "Not drawn: errors.py and extras.py, whose errors every room may raise.",
)
REACH = 48  # pixels to the right by which an arrow reaches further for each room that it passes
STYLE = """
svg { --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --box: #f3f5f7; --edge: #d0d7de; --lines: #3b6fb6;
  --scripts: #d99a2b; --arrow: #7d8896; --lazy: #b4388a; font-family: system-ui, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --paper: #14171c; --ink: #e8ebef; --soft: #a0a9b4; --box: #1f242b;
  --edge: #3a424c; --lines: #6ea3ea; --scripts: #e0ad55; --arrow: #838d99; --lazy: #ec7fc6; } }
text { fill: var(--ink); font-size: 13px; } .room { font-weight: 600; font-size: 15px; } .soft { fill: var(--soft); }
.small { font-size: 11px; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.paper { fill: var(--paper); } .box { fill: var(--box); stroke: var(--edge); }
.lines { fill: var(--lines); } .scripts { fill: var(--scripts); } .head { fill: var(--arrow); }
.lazyhead { fill: var(--lazy); } path { fill: none; } .arrow { stroke: var(--arrow); stroke-opacity: 0.75; }
.lazy { stroke: var(--lazy); stroke-dasharray: 5 4; stroke-width: 1.5; }
"""


def files_of(room: str) -> list[Path]:
    """All files of a room that somebody wrote: a folder's, or the one file at the root."""
    place = PACKAGE / room
    files = place.rglob("*") if place.is_dir() else [PACKAGE / f"{room}.py"]
    return sorted(file for file in files if file.suffix in (".py", *SCRIPTS))


def lines_of(room: str) -> tuple[int, int]:
    """Lines of Python, and of scripts and style sheets."""
    counts: Counter[bool] = Counter()
    for file in files_of(room):
        counts[file.suffix in SCRIPTS] += len(file.read_text(encoding="utf-8").splitlines())
    return counts[False], counts[True]


def purpose_of(room: str) -> str:
    """The first line of the room's docstring, or what stands before its colon where it is long."""
    source = MODULES.get(f"attnviz.{room}", PACKAGE / f"{room}.py")
    line = str(ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))).partition("\n")[0]
    return line if len(line) <= LONGEST else line.partition(":")[0] + "."


def arrows() -> Counter[tuple[str, str]]:
    """(room, room that it imports from) -> how many modules are imported by how many files, one by one."""
    found: Counter[tuple[str, str]] = Counter()
    for name, source in MODULES.items():
        found.update((room_of(name), room_of(used)) for used in imported_modules(source))
    return Counter({pair: n for pair, n in found.items() if pair[0] != pair[1] and set(pair) <= set(ROOMS)})


def draw() -> str:
    """The picture, as SVG with colours for light and dark pages."""
    rows = {room: TOP + number * PITCH for number, room in enumerate(ROOMS)}
    largest = max(sum(lines_of(room)) for room in ROOMS)
    height = TOP + PITCH * len(ROOMS) + 38
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>The rooms of attnviz, top to bottom the way of a photo: {', '.join(ROOMS)}</title>",
        f"<style>{STYLE}</style>",
        *(_marker(name) for name in ("head", "lazyhead")),
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="12"/>',
    ]
    counted = arrows()
    parts += [_arrow(rows, pair, counted[pair]) for pair in sorted(counted, key=_span, reverse=True)]
    parts += [_room(room, y, largest) for room, y in rows.items()]
    parts += [_text(BOX_LEFT, height - 26 + 16 * number, line, "soft small") for number, line in enumerate(NOTES)]
    return "\n".join([*parts, "</svg>", ""])


def _span(pair: tuple[str, str]) -> int:
    return ROOMS.index(pair[0]) - ROOMS.index(pair[1])


def _marker(name: str) -> str:
    shape = f'<path class="{name}" d="M0 0 L8 4 L0 8 z" style="fill: var(--{"arrow" if name == "head" else "lazy"})"/>'
    size = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse"'
    return f'<defs><marker id="{name}" {size} orient="auto">{shape}</marker></defs>'


def _arrow(rows: dict[str, int], pair: tuple[str, str], count: int) -> str:
    """To the right, from a room to an earlier one; to the left and dashed, to a later one."""
    start, end = (rows[room] + BOX_HEIGHT / 2 for room in pair)
    up = _span(pair) > 0
    start, end = (start - 5, end + 5) if up else (start + 5, end - 5)
    side = BOX_LEFT + BOX_WIDTH if up else BOX_LEFT
    bend = side + (REACH * _span(pair) if up else -14 * abs(_span(pair))) / 0.75
    middle = f"{(side + 3 * bend) / 4:.0f}", f"{(start + end) / 2:.0f}"
    kind, head = ("arrow", "head") if up else ("lazy", "lazyhead")
    width = f' stroke-width="{min(6.0, 0.8 + 0.45 * count**0.5):.1f}"' if up else ""
    curve = f'<path class="{kind}" d="M{side} {start} C{bend:.0f} {start} {bend:.0f} {end} {side} {end}"{width}'
    label = f'<circle class="paper" cx="{middle[0]}" cy="{middle[1]}" r="9"/>'
    number = _text(float(middle[0]), float(middle[1]) + 4, str(count), "soft small middle")
    return f'{curve} marker-end="url(#{head})"/>\n{label}{number}'


def _room(room: str, y: int, largest: int) -> str:
    python, scripts = lines_of(room)
    folder = (PACKAGE / room).is_dir()
    size = f"{python:,} lines" + (f" + {scripts:,}" if scripts else "")
    files = f" in {len(files_of(room))} files" if folder else ""
    scale = (BOX_WIDTH - 28) / largest
    bars = [(0, python, "lines"), (python, scripts, "scripts")]
    return "\n".join(
        [
            f'<rect class="box" x="{BOX_LEFT}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="7"/>',
            _text(BOX_LEFT + 14, y + 19, room + ("/" if folder else ".py"), "room"),
            _text(BOX_LEFT + BOX_WIDTH - 14, y + 19, size + files, "soft small end"),
            _text(BOX_LEFT + 14, y + 36, purpose_of(room), "soft small"),
            *(
                f'<rect class="{kind}" x="{BOX_LEFT + 14 + scale * left:.1f}" y="{y + 42}" '
                f'width="{scale * length:.1f}" height="3"/>'
                for left, length, kind in bars
                if length
            ),
        ]
    )


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{html.escape(words)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
