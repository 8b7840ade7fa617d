"""Draw the pictures of docs/inside.md and write its tables, in English and Chinese, from what the program says.

make docs
"""

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from attnviz.language import translated
from attnviz.models.build import build_model
from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.module_steps import ModuleSteps, Step
from attnviz.observe.step_watch import formulas_of
from attnviz.pipeline import explain
from attnviz.reduce.normalise import normalise
from attnviz.render.overlay import overlay
from docs.make_questions.bench import ASSETS, Bench, first_danet
from docs.make_questions.pages import SHORT

FOLDER = Path(__file__).resolve().parent
PAGES = {"en": FOLDER / "inside.md", "zh": FOLDER / "inside.zh-CN.md"}
PICTURES = FOLDER / "images" / "inside"
WIDTH, COLUMNS, GAP = 210, 4, 6  # pixels, pictures, pixels
TITLES = {
    "en": ("tensor", "what it is", "formula", "shape", "range"),
    "zh": ("张量", "是什么", "公式", "形状", "范围"),
}
BLOCKS = {"CBAM": "cbam", "SE": "se", "SGE": "sge"}  # families without shipped weights: formulas only
MARK = "<!-- From here on written by docs/make_inside.py. -->"  # what stands before it is written by hand
HEADINGS = {
    "en": {
        "bam": "## BAM, after the third stage of {model}",
        "position": "## Position attention of {model}",
        "channel": "## Channel attention of {model}",
        "blocks": "## {name}, in every block",
        "alt": "The tensors of this module that have locations, over the photo",
        "order": "From the left, row by row: {symbols}. Of features and gates: length or mean over all channels.",
    },
    "zh": {
        "bam": "## {model} 第三阶段之后的 BAM",
        "position": "## {model} 的位置注意力",
        "channel": "## {model} 的通道注意力",
        "blocks": "## 每个残差块里的 {name}",
        "alt": "这个模块中有位置的张量叠加在照片上",
        "order": "从左到右、逐行为 {symbols}。特征和门控显示所有通道上的长度或平均。",
    },
}


def modules() -> dict[str, tuple[str, str, str]]:
    """Part of the page -> (photo, model, label of the module)."""
    danet, scene = first_danet().name, Bench().scene
    return {
        "bam": ("coffee", DEFAULT_MODEL, "stage3"),
        "position": (scene, danet, "position"),
        "channel": (scene, danet, "channel"),
    }


def draw(image: np.ndarray, steps: ModuleSteps, sha256: str, file: Path) -> None:
    """The pictures of a module's tensors over the photo, in rows; the hash of the weights inside."""
    height = round(WIDTH * image.shape[0] / image.shape[1])
    small = np.asarray(Image.fromarray(image).resize((WIDTH, height), Image.Resampling.LANCZOS))
    shown = pictured(steps)
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for number, step in enumerate(shown):
        spread = normalise([step.values[0]])[0].values
        cells = np.asarray(Image.fromarray(spread).resize((WIDTH, height), Image.Resampling.NEAREST))
        picture = overlay(small, cells, map_opacity=0.75)
        sheet.paste(
            Image.fromarray(picture), ((number % COLUMNS) * (WIDTH + GAP), (number // COLUMNS) * (height + GAP))
        )
    note = PngInfo()
    note.add_text("Weights", sha256[:SHORT])
    sheet.quantize(160, dither=Image.Dither.NONE).save(file, optimize=True, pnginfo=note)


def pictured(steps: ModuleSteps) -> list[Step]:
    """The tensors that have locations."""
    return [step for step in steps if step.kind in ("features", "maps", "row")]


def table(steps: ModuleSteps, language: str) -> str:
    """The table of a module, as Markdown."""
    rows = [TITLES[language], ("---",) * len(TITLES[language])]
    for _, title, formula, shape, extent in (row[:5] for row in steps.table()[1:]):
        rows.append(("", translated(title, language), translated(formula, language), shape, extent))
    symbols = [f"**{step.symbol}**" for step in steps]
    lines = [f"| {' | '.join(row)} |" for row in rows[:2]]
    lines += [f"| {symbol} | {' | '.join(row[1:])} |" for symbol, row in zip(symbols, rows[2:], strict=True)]
    return "\n".join(lines)


def formulas(kind: str, language: str) -> str:
    """The tensors of a family without weights: what they are and how they are made."""
    trunk = {"depth": 18, "width": 16, "attention": {"kind": kind, "groups": 8}}
    net = build_model({"architecture": "AttentionResNet", "trunk": trunk, "num_classes": 2})
    rows = ["| " + " | ".join(TITLES[language][:3]) + " |", "| --- | --- | --- |"]
    for symbol, title, formula in formulas_of(net):
        rows.append(f"| **{symbol}** | {translated(title, language)} | {translated(formula, language) or '-'} |")
    return "\n".join(rows)


def page(language: str, tables: dict[str, ModuleSteps]) -> str:
    """The page in a language."""
    words = HEADINGS[language]
    beginning = PAGES[language].read_text(encoding="utf-8").partition(MARK)[0]
    parts = [f"{beginning}{MARK}\n"]
    for name, (_, model, _) in modules().items():
        steps = tables[name]
        order = words["order"].format(symbols=", ".join(step.symbol for step in pictured(steps)))
        heading = words[name].format(model=f"`{model}`")
        parts.append(
            f"{heading}\n\n![{words['alt']}](images/inside/{name}.png)\n\n{order}\n\n{table(steps, language)}\n"
        )
    for name, kind in BLOCKS.items():
        parts.append(f"{words['blocks'].format(name=name)}\n\n{formulas(kind, language)}\n")
    return "\n".join(parts)


def main() -> None:
    """Pictures and pages."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    tables = {}
    for name, (photo, model, label) in modules().items():
        found = explain(ASSETS / f"{photo}.jpg", model, device="cpu", inside=True)
        tables[name] = found.inside(label)
        draw(found.network_image, tables[name], str(found.model.sha256), PICTURES / f"{name}.png")
    for language, file in PAGES.items():
        file.write_text(page(language, tables), encoding="utf-8")


if __name__ == "__main__":
    main()
