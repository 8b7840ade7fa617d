"""What an explanation is made of, by hand, and how it draws and saves itself."""

import inspect
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import ExportError, ImageError, OptionError
from attnviz.render.figure import plan_figure, render_figure
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import Picture
from attnviz.results import AttentionMap, ChannelAttention, Explanation, Prediction, Segmentation, StageAttention
from attnviz.save.export import DEFAULT_FORMATS, FORMATS, export
from attnviz.save.manifest import PhotoSource
from tests.explanations import SECOND, bam, danet, many_classes, two_attentions

ROOT = Path(__file__).resolve().parent.parent

LOG3 = math.log(3)


@pytest.mark.parametrize(
    ("fusion", "expected"), [("sum", [0.75, 0.9]), ("product", [0.5, 1 / (1 + math.exp(-(LOG3**2)))])]
)
def test_gate_of_one_channel(fusion: str, expected: list[float]) -> None:
    def flat(values: list[float]) -> AttentionMap:
        return AttentionMap("l", "t", "k", np.array([values], dtype=np.float32), "logit", (None, None), 1, 4)

    channels = np.array([-9.0, LOG3], dtype=np.float32)
    stage = StageAttention(1, 4, fusion, flat([0.0, LOG3]), channels, flat([1.0, 2.0]))
    np.testing.assert_allclose(stage.gate(1)[0], expected, rtol=1e-6)
    assert stage.gain.raw_range == (1.0, 2.0)


def test_extreme_logits_give_a_gate_without_overflow() -> None:
    logits = AttentionMap("l", "t", "k", np.array([[-1e4, 1e4]], dtype=np.float32), "logit", (None, None), 1, 4)
    stage = StageAttention(1, 4, "sum", logits, np.zeros(1, dtype=np.float32), logits)
    np.testing.assert_allclose(stage.gate(0)[0], [0.0, 1.0])


def test_shares_of_classes() -> None:
    labels = np.array([[2, 2, 0], [2, 0, 2]], dtype=np.uint8)
    found = Segmentation(("sky", "road", "car"), {"fused": labels}, labels)
    assert list(found.shares().items()) == [("car", pytest.approx(4 / 6)), ("sky", pytest.approx(2 / 6))]


def test_results_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Prediction("sky", 0.5).probability = 1.0  # type: ignore[misc]
    assert ChannelAttention.__dataclass_params__.frozen  # type: ignore[attr-defined]


def pictures_of(explanation: Explanation, options: FigureOptions) -> dict[str, np.ndarray]:
    """The pixels of each panel in the figure's PNG, with columns as wide as the photo."""
    plan = plan_figure(explanation, options)
    page = np.asarray(Image.open(io.BytesIO(render_figure(plan, "png"))).convert("RGB"))
    found = {}
    for item in (item for item in plan.page.items if isinstance(item, Picture)):
        assert (item.height, item.width) == explanation.photo.shape[:2]
        found[item.panel.name] = page[item.y : item.y + item.height, item.x : item.x + item.width]
    return found


@pytest.mark.parametrize(
    "looks",
    [
        {},
        {"colormap": "magma", "map_opacity": 0.35, "interpolation": "bilinear", "scaling": "shared"},
        {"colormap": "cividis", "map_opacity": 1.0, "scaling": "shared"},
    ],
)
def test_an_overlay_has_the_very_pixels_of_the_figure(looks: dict[str, object]) -> None:
    explanation = bam()
    # 134 pixels in width: 128 and three at each side for the margin
    found = pictures_of(explanation, FigureOptions.of({"width_mm": 134 / 72 * 25.4, "dpi": 72, "columns": 1, **looks}))
    for number in (1, 2, 3):
        picture = explanation.overlay(f"stage{number}.gain", **looks)
        assert (picture.dtype, picture.shape) == (np.uint8, (96, 128, 3))
        assert (picture == found[f"stage{number}.gain"]).all()


@pytest.mark.parametrize("name", ["segmentation", "segmentation:channel", "channel:5", "position.received"])
def test_everything_that_lies_over_the_photo_can_be_an_overlay(name: str) -> None:
    explanation = danet()
    options = FigureOptions(width_mm=134 / 72 * 25.4, dpi=72, columns=1, panels=(name,))
    assert (explanation.overlay(name) == pictures_of(explanation, options)[name]).all()


def test_a_rows_overlay_is_of_the_pin_that_is_given() -> None:
    explanation = two_attentions()
    row = explanation.overlay("row:1", pins=((20.0, 20.0),), map_opacity=1.0, opacity_by="even")
    other = explanation.overlay(f"{SECOND}.row:1", pins=((20.0, 20.0),), map_opacity=1.0, opacity_by="even")
    cells = explanation.position.row(1, 1)
    brightest = np.unravel_index(cells.argmax(), cells.shape)
    spot = row[int(brightest[0]) * 12 + 6, int(brightest[1] * 12.8) + 6]
    assert spot.tolist() == [253, 231, 36]  # the high end of viridis
    assert len(np.unique(row[:, 0], axis=0)) <= 8  # of 8 x 10 cells
    assert len(np.unique(other[:, 0], axis=0)) <= 4  # of 4 x 5 cells


def test_a_pin_beside_the_photo_is_refused() -> None:
    with pytest.raises(OptionError, match=r"got \(1000, 5\)"):
        danet().overlay("row:1", pins=((1000.0, 5.0),))


def test_an_overlay_leaves_the_photo_and_the_explanation_alone() -> None:
    explanation = bam()
    before = explanation.photo.copy()
    picture = explanation.overlay("stage1.gain", map_opacity=0.0)
    assert (picture == explanation.photo).all()
    picture[:] = 0
    assert (explanation.photo == before).all()


def test_an_overlay_of_a_large_photo_has_its_size() -> None:
    assert many_classes(1500, 900).overlay("segmentation").shape == (1500, 900, 3)


@pytest.mark.parametrize("method", ["overlay", "figure", "save"])
def test_options_that_do_not_exist_are_refused_by_name(method: str, tmp_path: Path) -> None:
    first = {"overlay": ("stage1.gain",), "figure": (), "save": (tmp_path,)}[method]
    with pytest.raises(OptionError, match=r"expected an option out of panels, .*, got 'colourmap'"):
        getattr(bam(), method)(*first, colourmap="magma")
    with pytest.raises(OptionError, match="got 'Viridis'"):
        getattr(bam(), method)(*first, colormap="Viridis")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_is_the_one_that_is_saved(tmp_path: Path) -> None:
    figure = danet().figure(width_mm=85, dpi=100, caption=True, photo_name="x.jpg")
    plan = plan_figure(danet(), FigureOptions(width_mm=85, dpi=100, caption=True), photo_name="x.jpg")
    assert figure._repr_png_() == render_figure(plan, "png")
    figure.axes[0].set_title("changed")
    figure.savefig(tmp_path / "changed.png")
    with Image.open(tmp_path / "changed.png") as picture:
        assert picture.size == plan.size[::-1]
    assert figure._repr_png_() != render_figure(plan, "png")


def test_what_is_saved_is_what_the_export_writes(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"pixels")
    paths = bam().save(tmp_path / "a", ["png", "npz"], photo=tmp_path / "cat.jpg", width_mm=60, dpi=72)
    source, options = PhotoSource.of(tmp_path / "cat.jpg"), FigureOptions(width_mm=60, dpi=72)
    others = export(bam(), tmp_path / "b", ["png", "npz"], options=options, source=source)
    assert [path.name for path in paths] == ["figure.png", "maps.npz", "manifest.json"]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in others]
    assert json.loads(paths[-1].read_text())["photo"]["path"] == "../cat.jpg"


def test_the_formats_that_are_saved_are_the_exports() -> None:
    parameter = inspect.signature(Explanation.save).parameters["formats"]
    assert parameter.default == DEFAULT_FORMATS
    assert [name for name in FORMATS if f'``"{name}"``' not in str(Explanation.save.__doc__)] == []


def test_places_and_photos_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ExportError, match="expected a folder to write to"):
        bam().save(tmp_path / "file", "png")
    with pytest.raises(ImageError, match="expected a photo that can be read"):
        bam().save(tmp_path / "new", "png", photo=tmp_path / "missing.jpg")
    assert not (tmp_path / "new").exists()


def test_drawing_and_saving_load_neither_torch_nor_pyplot(tmp_path: Path) -> None:
    code = f"""
import sys
from tests.explanations import danet
from attnviz.results import Explanation
assert "matplotlib" not in sys.modules, "results load it only when drawing"
explanation = danet()
explanation.overlay("position.received")
explanation.figure(dpi=72, width_mm=60)
explanation.save({str(tmp_path)!r}, dpi=72, width_mm=60)
print([name for name in ("torch", "matplotlib.pyplot", "gradio", "typer") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[]\n", "")
