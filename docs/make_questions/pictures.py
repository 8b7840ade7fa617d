"""Plain pictures for the questions: small PNG files that carry the hash of the weights they were made of."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

FOLDER = Path(__file__).resolve().parents[1] / "questions" / "images"
SMALL = 8  # points
INK = "#1b1f24"


def sheet(columns: int, rows: int = 1, *, width: float = 8.6, height: float | None = None) -> tuple[Figure, list[Axes]]:
    """A white figure and its axes, row by row.

    Args:
        columns: Panels beside each other.
        rows: Panels above each other.
        width: In inches; 110 pixels each.
        height: In inches; None: panels about square.
    """
    figure = Figure(figsize=(width, height or width / columns * rows * 1.08), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.tick_params(labelsize=SMALL - 1)
    return figure, list(axes.flat)


def heat(
    panel: Axes,
    values: NDArray[np.generic],
    title: str,
    *,
    limits: tuple[float, float] | None = None,
    colormap: str = "viridis",
    bar: bool = True,
    square: bool = True,
) -> None:
    """Numbers as colours with hard cells, which are square unless that is not wanted, and a bar with the raw range."""
    low, high = limits or (float(np.min(values)), float(np.max(values)))
    aspect: Literal["equal", "auto"] = "equal" if square else "auto"
    drawn = panel.imshow(values, cmap=colormap, vmin=low, vmax=high, interpolation="nearest", aspect=aspect)
    panel.set(xticks=[], yticks=[])
    panel.set_title(title, fontsize=SMALL)
    if bar:
        panel.figure.colorbar(drawn, ax=panel, shrink=0.8).ax.tick_params(labelsize=SMALL - 2)


def over_uniform(panel: Axes, shares: NDArray[np.float64], title: str) -> None:
    """Shares that add up to 1, in powers of ten over and under the uniform share, four each way."""
    values = np.log10(np.maximum(shares * shares.size, 1e-4))
    heat(panel, values, f"{title}\n(powers of ten over uniform)", limits=(-4.0, 4.0), colormap="magma")


def photo(panel: Axes, pixels: NDArray[np.uint8], title: str) -> None:
    """Pixels as they are."""
    panel.imshow(pixels)
    panel.set(xticks=[], yticks=[])
    panel.set_title(title, fontsize=SMALL)


def lines(panel: Axes, x: Sequence[float], ys: dict[str, Sequence[float]], title: str, across: str = "") -> None:
    """Curves with a legend."""
    for name, y in ys.items():
        panel.plot(x, y, label=name, linewidth=1.4)
    panel.legend(fontsize=SMALL - 1.5, frameon=False)
    panel.set_title(title, fontsize=SMALL)
    panel.set_xlabel(across, fontsize=SMALL)


def save(figure: Figure, name: str, weights: str) -> str:
    """Write a figure with the short hash of the weights inside; gives the file's name."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None}, facecolor="white")
    note = PngInfo()
    note.add_text("Weights", weights)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Image.open(buffer) as drawn:
        small = drawn.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(FOLDER / f"{name}.png", optimize=True, pnginfo=note)
    return f"{name}.png"
