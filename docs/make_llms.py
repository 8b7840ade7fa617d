"""Write docs/llms.txt: for programs that read, what there is to read, with the first sentences of each page.

make docs
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "llms.txt"
PAGES = {
    "Use it": (
        "README.md",
        "docs/install.md",
        "docs/page.md",
        "docs/cli.md",
        "docs/python-api.md",
        "docs/http-api.md",
        "docs/hosting.md",
    ),
    "Understand it": (
        "docs/what-the-maps-mean.md",
        "docs/colors-and-cells.md",
        "docs/inside.md",
        "docs/evidence.md",
        "docs/own-networks.md",
        "docs/how-it-works.md",
        "docs/training.md",
        "docs/faq.md",
    ),
}
LONGEST = 200  # characters of a description


def text() -> str:
    """The file, in the form of llmstxt.org."""
    parts = [
        "# attnviz",
        "> See where the attention of vision models looks: attention maps of a photo, stage by stage, in the browser, "
        "from Python and from the command line, on one's own machine.",
        "A map is plain float32 data with its raw range. `attnviz.explain(photo, model)` gives all maps of one forward "
        "pass; `attnviz.find_attention(net, x)` finds the attention of any PyTorch network.",
    ]
    questions = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs" / "questions").glob("*[a-z].md"))
    english = tuple(name for name in questions if "zh-CN" not in name)
    for heading, pages in {**PAGES, "Questions": english}.items():
        parts.append(f"## {heading}")
        parts.append("\n".join(_line(name) for name in pages))
    return "\n\n".join(parts) + "\n"


def _line(name: str) -> str:
    page = (ROOT / name).read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", page, re.MULTILINE)
    body = re.search(r"^(?![#\s|>!<-])(.+(?:\n(?!\n).+)*)", page.split("\n", 1)[1], re.MULTILINE)
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(body[1].split())) if body else ""
    if len(words) > LONGEST:
        words = words[: LONGEST - 1].rsplit(" ", 1)[0] + "…"
    return f"- [{title[1] if title else name}]({name}): {words}"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
