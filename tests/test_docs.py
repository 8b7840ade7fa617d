"""The documentation is true: its links lead somewhere, its Python runs, its commands exist."""

import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import attnviz

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "assets" / "LICENSES.md"])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SVG = "{http://www.w3.org/2000/svg}"
RUNNABLE = ("README.md", "docs/python-api.md")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.relative_to(ROOT).as_posix())
def test_every_link_inside_the_repository_leads_somewhere(document):
    broken = []
    for target in (a or b for a, b in LINK.findall(document.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://127.0.0.1")):
            continue
        path, _, anchor = target.partition("#")
        file = document if not path else document.parent / path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.relative_to(ROOT).as_posix())
def test_no_page_speaks_of_files_that_are_not_there(document):
    named = re.findall(
        r"`((?:attnviz|training|tests|docs|assets|weights|benchmarks)/[\w./-]+)`", document.read_text("utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_python_examples_of_a_page_run_one_after_the_other(name, tmp_path, photo_path):
    shutil.copy(photo_path, tmp_path / "photo.jpg")
    code = "\n".join(blocks(ROOT / name, "python"))
    assert "attnviz.explain(" in code
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


def test_the_reference_of_the_python_interface_says_what_the_docstrings_say():
    from docs import make_api_page

    assert make_api_page.PAGE.read_text(encoding="utf-8") == make_api_page.page(), "run `make docs`"


def test_the_reference_has_every_public_name_and_says_what_every_part_of_it_is():
    from docs.make_api_page import reference

    text = reference()
    for name in attnviz.__all__:
        assert name == "__version__" or f"\n#### attnviz.{name}\n" in text
    for name in ("ChannelGate", "FigureOptions", "LoadedModel", "ModelCard", "PositionAttention", "Preprocessing"):
        assert f"\n#### {name}\n" in text
    for name in ("overlay", "figure", "save"):
        assert f"\n##### Explanation.{name}\n" in text
    assert "|  |" not in text  # no attribute and no argument without a word


def test_the_picture_of_the_house_shows_the_rooms_as_they_are():
    from docs.make_house_picture import PICTURE, ROOMS, arrows, draw

    now, kept = ET.fromstring(draw()), ET.parse(PICTURE).getroot()
    assert rooms_in(now) == rooms_in(kept) == [name_of_room(room) for room in ROOMS], "run `make docs`"
    upwards = {pair for pair in arrows() if ROOMS.index(pair[0]) < ROOMS.index(pair[1])}
    assert upwards == {("results", "measure"), ("results", "render"), ("results", "save")}
    drawn = [element.get("class") for element in now.iter() if element.get("class") in ("arrow", "lazy")]
    assert (drawn.count("arrow"), drawn.count("lazy")) == (len(arrows()) - 3, 3)


def rooms_in(picture: ET.Element) -> list[str]:
    """Names of the rooms in a picture of the house, from top to bottom."""
    found = [element for element in picture.iter(f"{SVG}text") if element.get("class") == "room"]
    return [str(element.text) for element in sorted(found, key=lambda element: float(element.get("y")))]


def name_of_room(room: str) -> str:
    return f"{room}/" if (ROOT / "attnviz" / room).is_dir() else f"{room}.py"


def test_how_it_works_goes_through_the_rooms_in_their_order():
    from docs.make_house_picture import ROOMS

    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    told = re.findall(r"^## \d+\. (\w+):", text, re.MULTILINE)
    assert told == [room for room in ROOMS if (ROOT / "attnviz" / room).is_dir()]
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == 10  # one photo's walk, in ten lines
    contributing = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    assert ", ".join(f"`{room}`" for room in told) in contributing


def command_lines() -> list[str]:
    """Every `attnviz ...` or `python -m attnviz ...` line of the shell blocks."""
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.removeprefix(".venv/bin/").removeprefix("python -m ").split("#")[0].strip()
                if words.startswith("attnviz "):
                    found.append(words)
    return sorted(set(found))


@pytest.mark.parametrize("line", command_lines())
def test_a_command_of_the_docs_takes_the_options_that_it_is_shown_with(line):
    from typer.testing import CliRunner

    from attnviz.terminal import app as cli

    words = shlex.split(line)[1:]
    names = [word for word in words if not word.startswith("-")]
    command = names[:2] if names and names[0] == "weights" else names[:1]
    shown = CliRunner().invoke(cli.app, [*command, "--help"], terminal_width=200)
    assert shown.exit_code == 0, shown.output
    for option in (word.split("=")[0] for word in words if word.startswith("--")):
        assert option in shown.output


def test_the_targets_that_the_pages_name_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"`make (\w+)", page.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name} names `make {target}`"


def test_the_readme_names_every_shipped_model():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [card.stem for card in (ROOT / "weights").glob("*.json") if f"`{card.stem}`" not in text] == []


def test_the_licence_of_the_figure_names_the_photo_that_it_is_made_from():
    photo = re.search(r'^PHOTO = .*"([\w.]+)"$', (ROOT / "docs" / "make_pictures.py").read_text(), re.MULTILINE)[1]
    row = next(line for line in (ROOT / "assets" / "LICENSES.md").read_text().splitlines() if "`figure.png`" in line)
    assert set(re.findall(r"`([\w]+\.jpg)`", row)) == {photo}
