"""Draw the pictures of docs/colors-and-cells.md and write its numbers, from the shipped weights: make docs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from attnviz.inputs.decode import decode
from attnviz.inputs.preprocess import preprocess
from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.models.sites import Site, sites_of
from attnviz.models.weights.registry import load_model
from attnviz.observe.receptive_fields import receptive_fields
from attnviz.pipeline import explain
from attnviz.render.panels import default_pins, pin_cell
from attnviz.results import Explanation
from docs.make_questions.bench import ASSETS, first_danet
from docs.make_questions.pages import SHORT

PAGE = Path(__file__).resolve().parent / "colors-and-cells.md"
PICTURE = PAGE.parent / "images" / "colors.png"
MARK = "<!-- From here on written by docs/make_colors.py. -->"  # what stands before it is written by hand
PHOTOS = ("astronaut", "bakery", "beagle", "cat", "coffee", "embrace", "street")
DRAWN = ("street", "bakery", "cat", "coffee")  # as wide as each other
LOOKS = (
    {"spread": "linear", "opacity_by": "even"},
    {"spread": "percentile", "opacity_by": "even"},
    {"spread": "log", "opacity_by": "even"},
    {"spread": "linear", "opacity_by": "value"},
    {"spread": "log", "opacity_by": "value"},
)
WIDTH, GAP = 216, 6  # pixels
BAM = "bam_resnet18_w32"
PLACES = (0.35, 0.5, 0.65)  # of the cells whose gradients are looked at, in shares of both axes


def rows_of(explanation: Explanation) -> NDArray[np.float32]:
    """Where the first of the usual pins looks: float32 (h, w)."""
    position = explanation.positions["position"]
    return position.row(*pin_cell(explanation, position.grid, default_pins(explanation)[0]))


def draw(explanations: dict[str, Explanation]) -> None:
    """A row of pictures a photo: linear, percentile, log, and opacity by the value, linear and log."""
    strips = []
    for name in DRAWN:
        pictures = [explanations[name].overlay("row:1", **looks) for looks in LOOKS]
        height = round(WIDTH * pictures[0].shape[0] / pictures[0].shape[1])
        strip = Image.new("RGB", (len(LOOKS) * (WIDTH + GAP) - GAP, height), "white")
        for number, picture in enumerate(pictures):
            small = Image.fromarray(picture).resize((WIDTH, height), Image.Resampling.LANCZOS)
            strip.paste(small, (number * (WIDTH + GAP), 0))
        strips.append(strip)
    sheet = Image.new("RGB", (strips[0].width, sum(strip.height + GAP for strip in strips) - GAP), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + GAP
    note = PngInfo()
    note.add_text("Weights", str(next(iter(explanations.values())).model.sha256)[:SHORT])
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(192, dither=Image.Dither.NONE).save(PICTURE, optimize=True, pnginfo=note)


def tails(explanations: dict[str, Explanation]) -> list[str]:
    """A line of the table for each photo: how heavy the tail of its row is."""
    lines = []
    for name, explanation in explanations.items():
        row = np.sort(rows_of(explanation).ravel().astype(np.float64))[::-1]
        top = row[: max(1, row.size // 100)].sum()
        below = (row < row[0] / 1000).mean()
        lines.append(f"| {name} | {row[0] * row.size:.0f} | {100 * top:.0f} % | {100 * below:.0f} % |")
    return lines


def offsets(model: str, label: str) -> NDArray[np.float64]:
    """Where the squared gradient of a cell has its middle, less the middle of what the cell sees, in strides.

    Within twelve strides around that middle, or fewer where the photo ends before: a window that favours it.

    Args:
        model: Name of weights.
        label: Of one of its sites.

    Returns:
        float64 (n, 2), down and across: `PLACES` of every photo; cells without a gradient are left out.
    """
    loaded = load_model(model, "cpu")
    site = next(site for site in sites_of(loaded.net) if site.label == label)
    field = receptive_fields(loaded.net, [site])[label]
    preprocessing = replace(loaded.card.preprocessing, size=min(loaded.card.preprocessing.size, 256))
    found = []
    for name in PHOTOS:
        x, _, _ = preprocess(decode(ASSETS / f"{name}.jpg"), preprocessing, min_size=loaded.card.min_size)
        found += [_offset(loaded.net, x, site, field, share) for share in PLACES]
    return np.array([offset for offset in found if offset is not None])


def _offset(
    net: torch.nn.Module, x: torch.Tensor, site: Site, field: ReceptiveField, share: float
) -> tuple[float, float] | None:
    kept: list[torch.Tensor] = []
    hook = net.get_submodule(site.path).register_forward_hook(lambda module, given, out: kept.append(out))
    x = x.clone().requires_grad_()
    try:
        net(x)
    finally:
        hook.remove()
    rows, columns = kept[0].shape[-2:]
    row, column = int(rows * share), int(columns * share)
    (gradient,) = torch.autograd.grad(kept[0][0, :, row, column].pow(2).sum(), x)
    weight = gradient.abs().sum(dim=1)[0].double().numpy() ** 2
    across, down = field.center_of(row, column)
    height, width = weight.shape
    reach = min(6 * site.stride, down, across, height - down, width - across)
    y, z = np.mgrid[0:height, 0:width] + 0.5
    weight = weight * ((abs(y - down) <= reach) & (abs(z - across) <= reach))
    if not weight.sum():
        return None
    middle = (weight * y).sum() / weight.sum(), (weight * z).sum() / weight.sum()
    return (middle[0] - down) / site.stride, (middle[1] - across) / site.stride


def places() -> list[str]:
    """A line of the table for each site: where its cells' gradients have their middle."""
    sites = [(BAM, f"stage{stage}.spatial_logit", 2 ** (stage + 1)) for stage in (1, 2, 3)]
    lines = []
    for model, label, stride in [*sites, (first_danet().name, "position.query", 8)]:
        found = offsets(model, label)
        low, middle, high = np.percentile(found, (25, 50, 75))
        tile = (stride / 2 - 0.5) / stride
        nearer = (np.hypot(*found.T) < np.hypot(*(found - tile).T)).mean()
        lines.append(
            f"| {model} | {label} | {stride} | {tile:.2f} | {middle:.2f} ({low:.2f} to {high:.2f}) "
            f"| {100 * nearer:.0f} % of {len(found)} |"
        )
    return lines


def numbers(explanations: dict[str, Explanation]) -> str:
    """What the script writes into the page."""
    return "\n".join(
        [
            MARK,
            "",
            "## The numbers",
            "",
            "Of the row that the first pin of the usual figure has, on each sample photo:",
            "",
            "| Photo | Largest weight, times an even spread | In the top hundredth of the locations "
            "| Locations under a thousandth of the largest |",
            "| --- | ---: | ---: | ---: |",
            *tails(explanations),
            "",
            "Where the squared gradient of a cell has its middle, in strides down and right of the middle of its "
            "receptive field; seven photos, three cells each:",
            "",
            "| Weights | Site | Stride, pixels | The tile's middle | The gradient's, median (quartiles) "
            "| Nearer to the receptive field's |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
            *places(),
            "",
        ]
    )


def main() -> None:
    """Draw, measure and write."""
    danet = first_danet().name
    explanations = {name: explain(ASSETS / f"{name}.jpg", danet, device="cpu") for name in PHOTOS}
    draw(explanations)
    by_hand = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(by_hand + numbers(explanations), encoding="utf-8")


if __name__ == "__main__":
    main()
