"""Figures as files: read back as pictures, as XML and as PDF."""

import io
import threading
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pypdf
import pytest
from PIL import Image

from attnviz.errors import OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.render import figure
from attnviz.render.class_colors import class_colors
from attnviz.render.figure import build_figure, plan_figure, render_figure
from attnviz.render.figure_options import FigureOptions
from attnviz.render.layout import Bar, Picture, Swatch
from attnviz.render.pictures import bar_pixels, panel_pixels, photo_at
from attnviz.results import Prediction
from tests.explanations import SECOND, bam, danet, gated, many_classes, two_attentions, untrained

FORMATS = ("png", "pdf", "svg")
SMALL = FigureOptions(width_mm=85, dpi=100)
NAME = "odd_$x^2$_{name}\\frac%.jpg"


def png_of(plan):
    return np.asarray(Image.open(io.BytesIO(render_figure(plan, "png"))).convert("RGB"))


def svg_texts(plan):
    root = ET.fromstring(render_figure(plan, "svg"))
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize(("width", "dpi"), [(85, 100), (85, 300), (123.4, 96), (180, 72), (31, 57)])
def test_a_png_holds_the_very_pixels_of_its_panels(width, dpi):
    explanation = bam()
    plan = plan_figure(explanation, FigureOptions(width_mm=width, dpi=dpi, columns=1, scaling="shared"))
    picture = png_of(plan)
    assert picture.shape == (*plan.size, 3)
    assert plan.size[1] == round(width * dpi / 25.4)
    pictures = [item for item in plan.page.items if isinstance(item, Picture)]
    assert len(pictures) == 4
    for item in pictures:
        photo = photo_at(explanation.photo, (item.height, item.width))
        scale = plan.scales[0] if item.panel.values is not None else None
        expected = panel_pixels(item.panel, photo, explanation.geometry, scale=scale, options=plan.options)
        found = picture[item.y : item.y + item.height, item.x : item.x + item.width]
        assert (found == expected).all()
    (bar,) = [item for item in plan.page.items if isinstance(item, Bar)]
    found = picture[bar.y : bar.y + bar.height, bar.x : bar.x + bar.width]
    assert (found == bar_pixels("viridis", (bar.height, bar.width))).all()


def test_around_the_panels_the_page_is_white():
    plan = plan_figure(bam(), SMALL)
    edges = png_of(plan)
    assert (edges[0] == 255).all()
    assert (edges[:, -1] == 255).all()


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
@pytest.mark.parametrize("make", [bam, danet, two_attentions, gated, many_classes])
def test_the_same_figure_has_the_same_bytes(file_format, make):
    first = render_figure(plan_figure(make(), SMALL, photo_name=NAME), file_format)
    assert render_figure(plan_figure(make(), SMALL, photo_name=NAME), file_format) == first


def test_svg_text_is_text_and_odd_names_are_written_as_they_are():
    explanation = bam(predictions=(Prediction("price in $ and 50 % of_it^2", 0.5),))
    texts = svg_texts(plan_figure(explanation, SMALL, photo_name=NAME))
    joined = " ".join(texts)
    for part in ("odd_$x^2$_{name}\\frac%.jpg", "price in $ and 50 % of_it^2", "Photo", "effective gain", "tiny_bam"):
        assert part in joined


def test_svg_holds_no_time_and_nothing_from_elsewhere():
    content = render_figure(plan_figure(bam(), SMALL), "svg").decode()
    assert "<dc:date>" not in content
    assert "@import" not in content
    links = [
        value for node in ET.fromstring(content).iter() for key, value in node.attrib.items() if key.endswith("href")
    ]
    assert links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)


def test_pdf_text_can_be_copied_and_its_fonts_are_embedded_truetype():
    content = render_figure(plan_figure(danet(), SMALL, photo_name="Straße_$1$.jpg"), "pdf")
    reader = pypdf.PdfReader(io.BytesIO(content))
    (page,) = reader.pages
    text = page.extract_text()
    for part in ("Straße_$1$.jpg", "Segmentation", "where it looks", "sky 50"):
        assert part in text
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    assert fonts
    descendants = [font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font for font in fonts]
    assert {font["/Subtype"] for font in descendants} <= {"/TrueType", "/CIDFontType2"}
    assert all("/FontFile2" in font["/FontDescriptor"] for font in descendants)
    assert "/CreationDate" not in reader.metadata


@pytest.mark.parametrize("width", [85, 180])
def test_vector_pages_have_the_size_that_was_asked_for(width):
    options = FigureOptions(width_mm=width, dpi=100)
    plan = plan_figure(bam(), options)
    page = pypdf.PdfReader(io.BytesIO(render_figure(plan, "pdf"))).pages[0]
    assert float(page.mediabox.width) / 72 * 25.4 == pytest.approx(width, abs=0.1)
    root = ET.fromstring(render_figure(plan, "svg"))
    assert float(root.attrib["width"].removesuffix("pt")) / 72 * 25.4 == pytest.approx(width, abs=0.1)


def test_letters_that_the_font_lacks_are_transcribed_without_a_warning():
    texts = svg_texts(plan_figure(bam(), SMALL, photo_name="猫と犬 Ёж שלום.jpg"))
    assert "MaotoQuan Ёж שלום.jpg · tiny_bam" in texts


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_another_font_draws_them_where_there_is_one_and_changes_no_other_figure(two_letters, file_format, caplog):
    latin = plan_figure(bam(), SMALL, photo_name="cat.jpg")
    before = render_figure(latin, file_format)
    plan = plan_figure(bam(), SMALL, photo_name="猫犬.jpg")
    drawn = render_figure(plan, file_format)
    assert render_figure(latin, file_format) == before
    assert caplog.messages == []
    if file_format == "svg":
        assert two_letters.family in drawn.decode()
        assert two_letters.family not in before.decode()
        assert "猫犬.jpg · tiny_bam" in svg_texts(plan)
    if file_format == "pdf":
        assert "猫犬.jpg" in pypdf.PdfReader(io.BytesIO(drawn)).pages[0].extract_text()


def test_random_weights_are_printed_in_every_figure():
    options = FigureOptions(width_mm=85, dpi=100, title=False)
    assert any("random weights" in text for text in svg_texts(plan_figure(untrained(danet()), options)))


def test_pins_are_numbered_on_the_photo_and_framed_on_their_own_map():
    explanation = danet()
    options = FigureOptions(width_mm=180, dpi=100, pins=((20.0, 20.0), (100.0, 80.0)), map_opacity=0.0)
    plan = plan_figure(explanation, options)
    picture = png_of(plan)
    items = {item.panel.name: item for item in plan.page.items if isinstance(item, Picture)}
    changed = {}
    for name, item in items.items():
        photo = photo_at(explanation.photo, (item.height, item.width))
        found = picture[item.y : item.y + item.height, item.x : item.x + item.width]
        changed[name] = np.argwhere((found != photo).any(axis=2)) / (item.height, item.width) * (96, 128)
    assert len(changed["position.received"]) == 0
    assert np.abs(changed["row:1"].mean(axis=0) - (18, 19.2)).max() < 2  # the cell of (20, 20): row 1, column 1
    assert np.abs(changed["row:2"].mean(axis=0) - (78, 96)).max() < 7  # row 6, column 7
    near = np.minimum(*(np.hypot(*(changed["photo"] - pin).T) for pin in ((20, 20), (80, 100))))
    assert near.max() < 12
    assert {"1", "2"} <= set(svg_texts(plan))


def test_a_pin_is_framed_on_the_grid_of_each_attention():
    options = FigureOptions(
        width_mm=180, dpi=100, pins=((20.0, 20.0),), map_opacity=0.0, panels=("row:1", f"{SECOND}.row:1")
    )
    plan = plan_figure(two_attentions(), options)
    picture, middles = png_of(plan), []
    for item in (item for item in plan.page.items if isinstance(item, Picture)):
        photo = photo_at(plan.explanation.photo, (item.height, item.width))
        found = picture[item.y : item.y + item.height, item.x : item.x + item.width]
        changed = np.argwhere((found != photo).any(axis=2)) / (item.height, item.width) * (96, 128)
        middles.append((changed.min(axis=0) + changed.max(axis=0)) / 2)
    assert np.abs(middles[0] - (18, 19.2)).max() < 2  # of 8 x 10 cells: row 1, column 1
    assert np.abs(middles[1] - (12, 12.8)).max() < 2  # of 4 x 5 cells: row 0, column 0, cut by the picture's edge


def test_a_legend_of_many_classes_has_the_colors_of_the_map():
    plan = plan_figure(many_classes(), FigureOptions(width_mm=85, dpi=100, panels=("segmentation",), map_opacity=1.0))
    picture = png_of(plan)
    swatches = {item.number: item for item in plan.page.items if isinstance(item, Swatch)}
    assert list(swatches) == [299, 43]
    (panel,) = [item for item in plan.page.items if isinstance(item, Picture)]
    for number, across in ((299, 0.2), (43, 0.9)):
        color = class_colors(300)[number].tolist()
        swatch = swatches[number]
        assert picture[swatch.y + swatch.height // 2, swatch.x + swatch.width // 2].tolist() == color
        assert picture[panel.y + panel.height // 2, panel.x + int(across * panel.width)].tolist() == color


def test_a_frame_shows_what_the_network_saw_of_the_photo():
    explanation = bam(geometry=Geometry((96, 128), (16, 0, 112, 96), (64, 64)))
    plan = plan_figure(explanation, SMALL)
    item = next(item for item in plan.page.items if isinstance(item, Picture))
    found = png_of(plan)[item.y : item.y + item.height, item.x : item.x + item.width]
    changed = (found != photo_at(explanation.photo, (item.height, item.width))).any(axis=(0, 2))
    columns = np.flatnonzero(changed[3:-3]) + 3
    assert {round(columns.min() / item.width * 128 / 8), round(columns.max() / item.width * 128 / 8)} == {2, 14}


def test_someone_elses_settings_change_nothing_and_stay():
    expected = render_figure(plan_figure(bam(), SMALL), "svg")
    with mpl.rc_context({"svg.fonttype": "path", "font.size": 30, "savefig.dpi": 30, "axes.linewidth": 9}):
        assert render_figure(plan_figure(bam(), SMALL), "svg") == expected
        assert mpl.rcParams["svg.fonttype"] == "path"


def test_threads_draw_the_same_figures_as_one_alone():
    plans = [plan_figure(make(), SMALL) for make in (bam, danet)] * 2
    expected = [[render_figure(plan, file_format) for file_format in FORMATS] for plan in plans]
    found: list[list[bytes]] = [[]] * len(plans)

    def draw(index):
        found[index] = [render_figure(plans[index], file_format) for file_format in FORMATS]

    threads = [threading.Thread(target=draw, args=(index,)) for index in range(len(plans))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_nobody_waits_for_a_figure_that_somebody_else_draws(monkeypatch):
    begun, go_on, before = threading.Event(), threading.Event(), dict(mpl.rcParams)
    quick, expected, real = plan_figure(bam(), SMALL), render_figure(plan_figure(bam(), SMALL), "svg"), figure._draw

    def draw(plan):
        if plan is not quick:
            begun.set()
            assert go_on.wait(60)
        return real(plan)

    monkeypatch.setattr(figure, "_draw", draw)
    slow = threading.Thread(target=render_figure, args=(plan_figure(danet(), SMALL), "pdf"))
    slow.start()
    assert begun.wait(60)
    ours: list[bytes] = []
    other = threading.Thread(target=lambda: ours.append(render_figure(quick, "svg")), daemon=True)
    other.start()
    other.join(60)
    assert ours == [expected]
    assert mpl.rcParams["svg.fonttype"] == "none"  # still that of the figure that is being drawn
    go_on.set()
    slow.join()
    assert dict(mpl.rcParams) == before


def test_a_figure_object_for_people_who_want_to_go_on_drawing():
    plan = plan_figure(bam(), SMALL)
    figure = build_figure(plan)
    assert tuple(int(side) for side in figure.bbox.size) == plan.size[::-1]
    assert figure._repr_png_() == render_figure(plan, "png")  # what a notebook shows


def test_the_plan_fills_in_what_was_left_open():
    plan = plan_figure(danet())
    assert plan.options.panels == ("photo", "row:1", "row:2", "position.received", "segmentation")
    assert len(plan.options.pins) == 2
    again = plan_figure(danet(), plan.options)
    assert again.options == plan.options


def test_other_formats_are_refused():
    with pytest.raises(OptionError, match="expected a figure format out of png, pdf, svg, got 'eps'"):
        render_figure(plan_figure(bam(), SMALL), "eps")


def test_a_logarithmic_bar_says_so_with_its_floor_and_the_figure_explains_it():
    plan = plan_figure(danet(), FigureOptions(panels=("row:1", "channel:0"), width_mm=120))
    texts = svg_texts(plan)
    scale = plan.scales[0]
    assert scale.log
    assert scale.opacity_by == "value"
    assert texts.count("log") == 1  # the channel's output is linear
    assert any("Bars marked log" in text for text in texts)
    assert "opacity follows the value" in " ".join(texts)
    assert any(text.startswith("≤ ") for text in texts) == scale.below
    without = svg_texts(plan_figure(danet(), FigureOptions(panels=("row:1",), spread="linear", opacity_by="even")))
    assert "log" not in without
    assert not any("follows" in text for text in without)


def test_the_pixels_of_a_fading_map_are_those_of_the_overlay():
    explanation = danet()
    plan = plan_figure(explanation, FigureOptions(panels=("row:1",), pins=((20, 20),), width_mm=60, dpi=72))
    picture = png_of(plan)
    (item,) = [item for item in plan.page.items if isinstance(item, Picture)]
    photo = photo_at(explanation.photo, (item.height, item.width))
    wanted = panel_pixels(item.panel, photo, explanation.geometry, scale=plan.scales[0], options=plan.options)
    found = picture[item.y : item.y + item.height, item.x : item.x + item.width]
    assert (found[-10:, -10:] == wanted[-10:, -10:]).all()  # away from the pin's frame
    assert (found == photo).all(axis=-1).any()  # the photo itself, where nothing looks
    (bar,) = [item for item in plan.page.items if isinstance(item, Bar)]
    found = picture[bar.y : bar.y + bar.height, bar.x : bar.x + bar.width]
    assert (found == bar_pixels("viridis", (bar.height, bar.width), fading=0.6)).all()
