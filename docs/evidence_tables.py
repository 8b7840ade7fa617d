"""The tables of docs/evidence.md, read back from the page: by set and network, and by column."""

import re

Number = tuple[float, float, float]  # a mean, and both ends of its 95 % interval

_NUMBER = re.compile(r"(-?[\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)")
_PART = re.compile(r"^\*\*`([^`]+)`\*\*.*\n", re.MULTILINE)
_WEIGHTS = re.compile(r"^<!-- weights (\w+) -->\n+", re.MULTILINE)


def section(page: str, name: str) -> str:
    """What stands on the page between the marks of a set; empty where there are none."""
    return page.partition(f"<!-- {name}: ")[2].partition("-->")[2].partition(f"<!-- end of {name} -->")[0]


def filled(page: str, name: str, text: str) -> str:
    """The page with other words between the marks of a set.

    Raises:
        ValueError: It has no such marks.
    """
    start, end = f"<!-- {name}: written by docs/make_evidence.py -->", f"<!-- end of {name} -->"
    if start not in page or end not in page:
        raise ValueError(f"expected a place for {name} in evidence.md, got none")
    head, _, rest = page.partition(start)
    return f"{head}{start}\n\n{text}\n{end}{rest.partition(end)[2]}"


def parts_of(text: str) -> dict[str, tuple[str | None, str]]:
    """A set's networks -> the first digits of their weights' hash, where they are told, and their tables."""
    names = _PART.split(text)[1:]
    found = {}
    for name, part in zip(names[::2], names[1::2], strict=True):
        weights = _WEIGHTS.search(part)
        found[name] = (weights and weights[1], _WEIGHTS.sub("", part).strip())
    return found


def part_as_text(name: str, words: str, weights: str | None, tables: str) -> str:
    """What `parts_of` reads: a network with a sentence on it, and its tables."""
    lines = [
        f"**`{name}`**: {words}",
        *([f"<!-- weights {weights} -->"] if weights else []),
        *([tables] if tables else []),
    ]
    return "\n\n".join(lines) + "\n"


def column(tables: str, title: str) -> dict[str, tuple[str, str, str]]:
    """A column of one of the tables: its rows' names -> value and both ends of its 95 % interval, as written."""
    found, place = {}, None
    for line in tables.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| |"):
            place = cells.index(title) if title in cells else None
        elif place is not None and len(cells) > place and (number := _NUMBER.fullmatch(cells[place])):
            found[cells[0]] = (number[1], number[2], number[3])
    return found


def numbers(tables: str, title: str) -> dict[str, Number]:
    """The same as numbers."""
    return {name: (float(a), float(b), float(c)) for name, (a, b, c) in column(tables, title).items()}


def photos(tables: str) -> str:
    """How many photos a network's tables are of, as written."""
    found = re.search(r"\(([\d,]+) photos?\)", tables)
    return found[1] if found else "some"
