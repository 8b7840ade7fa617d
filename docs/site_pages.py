"""Hooks of mkdocs.yml: pages that do not lie in docs/ as Markdown, and links that lead out of it.

The other pages of the repository appear under repository/, the tutorials as they come out when they are run, and a
reference of every public name for mkdocstrings to fill in.
"""

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # mkdocs loads hooks by their path

from docs.tutorial_pages import TUTORIALS, as_page  # noqa: E402 - after the path

PAGES = (
    *("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"),
    *("weights/README.md", "training/README.md", "space/README.md", "assets/LICENSES.md", "assets/figure.png"),
)
FOLDER = "repository"
_LINK = re.compile(r"(\]\(|(?:src|href)=\")(?![a-z]+:|#)([^)\"#\s]+)")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that docs/ does not hold."""
    for name in PAGES:
        files.append(File.generated(config, f"{FOLDER}/{name}", abs_src_path=str(ROOT / name)))
    files.append(File.generated(config, "reference.md", content=reference()))
    for notebook in TUTORIALS:
        text, pictures = as_page(notebook)
        files.append(File.generated(config, f"tutorials/{notebook.stem}.md", content=text))
        for picture, content in pictures.items():
            files.append(File.generated(config, f"tutorials/{picture}", content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to where the site has what they lead to in the repository."""
    here = page.file.src_uri
    in_repository = here.removeprefix(f"{FOLDER}/") if here.startswith(f"{FOLDER}/") else f"docs/{here}"

    def lead(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), match[2]))
        in_site = target.removeprefix("docs/") if target.startswith("docs/") else f"{FOLDER}/{target}"
        in_site = in_site.replace(".ipynb", ".md")
        return f"{match[1]}{posixpath.relpath(in_site, posixpath.dirname(here) or '.')}"

    return _LINK.sub(lead, _FRONT_MATTER.sub("", markdown))


def reference() -> str:
    """A page that names every public name by where it is defined, for mkdocstrings."""
    import attnviz

    names = [name for name in attnviz.__all__ if name != "__version__"]
    homes = [f"{attnviz._HOME[name]}.{name}" for name in names]
    parts = ["# Reference", "Every public name of `attnviz`, from its docstring.", *(f"::: {home}" for home in homes)]
    return "\n\n".join(parts) + "\n"


def on_post_build(*, config: MkDocsConfig, **_: Any) -> None:
    """Write llms.txt at the top of the site, where programs look for it, with the addresses that pages have there."""
    text = (ROOT / "docs" / "llms.txt").read_text(encoding="utf-8")
    text = re.sub(r"\]\((?!docs/)([\w./-]+)\.md\)", rf"]({FOLDER}/\1.html)", text)
    text = re.sub(r"\]\(docs/([\w./-]+)\.md\)", r"](\1.html)", text)
    text = text.replace("README.html", "index.html")
    (Path(config.site_dir) / "llms.txt").write_text(text, encoding="utf-8")
