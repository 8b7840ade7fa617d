"""The documentation as a site: it builds offline without a warning, asks nobody for anything, and is current."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from PIL import Image

import attnviz
from attnviz.models.weights.registry import list_models
from docs import make_gallery, make_llms
from docs.tutorial_pages import TUTORIALS
from tests.test_packaging import EXTRAS, by_name, pins_for

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built as `make docs` builds it: the tutorials are run on the way."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Links(HTMLParser):
    """What a page loads, and where it leads."""

    def __init__(self, page):
        super().__init__()
        self.loads, self.leads = [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("script", "img", "iframe", "source") and found.get("src"):
            self.loads.append(found["src"])
        if tag == "link" and {"stylesheet", "preload", "icon"} & set(str(found.get("rel")).split()):
            self.loads.append(found["href"])
        if tag == "a" and found.get("href"):
            self.leads.append(found["href"])


def test_the_site_has_the_pages_and_nothing_that_is_no_page(site):
    for name in ("gallery.html", "reference.html", "questions/index.html", "questions/gamma.zh-CN.html", "llms.txt"):
        assert (site / name).is_file()
    for notebook in TUTORIALS:
        assert (site / "tutorials" / f"{notebook.stem}.html").is_file()
    assert [path for path in site.rglob("*") if path.suffix in (".py", ".jinja", ".ipynb", ".md")] == []


def test_no_page_loads_anything_from_another_machine(site):
    for page in site.rglob("*.html"):
        assert [address for address in Links(page).loads if urlsplit(address).netloc] == []


def test_every_link_inside_the_site_leads_somewhere(site):
    broken = []
    for page in site.rglob("*.html"):
        for address in Links(page).leads:
            parts = urlsplit(address)
            target = page.parent / unquote(parts.path)
            if not parts.scheme and parts.path and page.name != "404.html" and not target.exists():
                broken.append((page.relative_to(site).as_posix(), address))
    assert broken == []


def test_tutorials_show_what_came_out_when_they_were_run(site):
    first = (site / "tutorials" / "first_look.html").read_text(encoding="utf-8")
    assert "stage3.gain" in first
    assert re.search(r"first_look-\d+\.png", first)
    for picture in re.findall(r'src="(first_look-\d+\.png)"', first):
        with Image.open(site / "tutorials" / picture) as shown:
            assert shown.width > 100
    assert "random weights" in "".join(
        path.read_text(encoding="utf-8") for path in (site / "tutorials").glob("own_network.html")
    ).replace("weights are random", "random weights")


def test_the_reference_has_every_public_name(site):
    page = (site / "reference.html").read_text(encoding="utf-8")
    for name in attnviz.__all__:
        assert name == "__version__" or re.search(rf'id="attnviz\.[\w.]*\.{name}"', page)


def test_links_of_llms_txt_lead_to_pages_of_the_site(site):
    found = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text(encoding="utf-8"))
    assert len(found) > 15
    assert [name for name in found if not (site / name).is_file()] == []


def test_llms_txt_is_current():
    assert make_llms.FILE.read_text(encoding="utf-8") == make_llms.text(), "run `make docs`"


@pytest.mark.parametrize("notebook", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_kept_without_results(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    assert cells[0].source.startswith("# ")
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_the_gallery_is_what_its_script_writes_and_of_the_current_weights():
    assert make_gallery.PAGE.read_text(encoding="utf-8") == make_gallery.page(), "run `make docs`"
    models = list_models()
    expected = {
        make_gallery.name_of(photo, label): models[model].sha256 for photo, model, label, _ in make_gallery.entries()
    }
    assert {picture.name for picture in make_gallery.PICTURES.iterdir()} == set(expected)
    for name, sha256 in expected.items():
        with Image.open(make_gallery.PICTURES / name) as picture:
            assert sha256.startswith(picture.info["Weights"]), "run `make docs`"


def test_what_the_extra_docs_names_is_pinned_inside_its_ranges():
    pinned = pins_for("3.11", "requirements-test.txt")
    for name, wanted in by_name(EXTRAS["docs"]).items():
        assert wanted.specifier.contains(next(iter(pinned[name][0].specifier)).version)


def test_the_chinese_readme_has_the_pictures_commands_and_models_of_the_english_one():
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    pictures = (r"!\[[^\]]*\]\(([^)]+)\)", r'<img src="([^"]+)"')
    for pattern in (*pictures, r"^\| `(\w+)` \|", r"^(make \w+|python -m [^#\n]+?) *(?:#|$)"):
        assert re.findall(pattern, english, re.MULTILINE) == re.findall(pattern, chinese, re.MULTILINE)
    for language in ("sh", "python"):
        blocks = [
            re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for text in (english, chinese)
        ]
        bare = [[re.sub(r" *# .*$", "", block, flags=re.MULTILINE) for block in found] for found in blocks]
        assert bare[0] == bare[1]
    assert english.count("\n## ") == chinese.count("\n## ")
    assert "(README.zh-CN.md)" in english
    assert "(README.md)" in chinese
