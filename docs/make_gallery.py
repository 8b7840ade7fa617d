"""Draw the pictures of docs/gallery.md, each by the code that stands beside it there, and write the page: make docs."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.pipeline import explain
from attnviz.results import Explanation
from docs.make_questions.bench import ASSETS, Bench, first_danet
from docs.make_questions.pages import SHORT

PAGE = Path(__file__).resolve().parent / "gallery.md"
PICTURES = PAGE.parent / "images" / "gallery"
WIDTH = 420  # pixels
BEGINNING = """# Gallery

Every picture here is made by the line under it, from a sample photo and weights that come
with the program (`make docs`).
"""


def entries() -> list[tuple[str, str, str, str]]:
    """(photo, model, label of a map, what it shows), in the order of the page."""
    danet, scene = first_danet().name, Bench().scene
    stages = [
        ("stage1.gain", "What a BAM does after the first stage: small things, edges, texture"),
        ("stage2.gain", "After the second stage"),
        ("stage3.gain", "After the third: what the features are multiplied by, averaged over channels"),
        ("stage3.spatial_logit", "The spatial branch alone, before the sigmoid"),
        ("gate:3:0", "The gate of one channel after the third stage"),
    ]
    positions = [
        ("row:1", "Position attention of DANet: where one location looks"),
        ("column:1", "Who looks at that location"),
        ("position.received", "How much each location is looked at on average"),
        ("segmentation", "The classes that come out"),
    ]
    found = [("coffee", DEFAULT_MODEL, label, words) for label, words in stages]
    found.append(("cat", DEFAULT_MODEL, "stage3.gain", "The same on another photo"))
    return found + [(scene, danet, label, words) for label, words in positions]


def name_of(photo: str, label: str) -> str:
    """File of a picture."""
    return f"{photo}-{label.replace(':', '-').replace('.', '-')}.png"


def draw(explanation: Explanation, label: str, file: Path) -> None:
    """One map over its photo, small, with the hash of the weights inside."""
    with Image.fromarray(explanation.overlay(label)) as whole:
        small = whole.resize((WIDTH, round(WIDTH * whole.height / whole.width)), Image.Resampling.LANCZOS)
    note = PngInfo()
    note.add_text("Weights", str(explanation.model.sha256)[:SHORT])
    small.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True, pnginfo=note)


def page() -> str:
    """The page."""
    parts = [BEGINNING]
    for photo, model, label, words in entries():
        code = f'attnviz.explain("{photo}.jpg", "{model}").overlay("{label}")'
        parts.append(f"## {words}\n\n![{words}](images/gallery/{name_of(photo, label)})\n\n```text\n{code}\n```\n")
    return "\n".join(parts)


def main() -> None:
    """Pictures and page; pictures that the page no longer shows are removed."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    explained: dict[tuple[str, str], Explanation] = {}
    for photo, model, label, _ in entries():
        if (photo, model) not in explained:
            explained[photo, model] = explain(ASSETS / f"{photo}.jpg", model, device="cpu")
        draw(explained[photo, model], label, PICTURES / name_of(photo, label))
    for stray in {p.name for p in PICTURES.iterdir()} - {name_of(photo, label) for photo, _, label, _ in entries()}:
        (PICTURES / stray).unlink()
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
