"""What is printed on figures in another language: all of it, or English where it cannot be drawn."""

import re
from dataclasses import replace

import pytest
from matplotlib.font_manager import fontManager

from attnviz.errors import OptionError
from attnviz.language import catalogue, category_names, speaker
from attnviz.render import fallback_font, figure_language, typesetting
from attnviz.render.animation import animate
from attnviz.render.fallback_font import FallbackFont
from attnviz.render.figure import render_figure
from attnviz.render.figure_language import figure_speaker
from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import all_panels, default_pins
from attnviz.render.plan import plan_figure
from attnviz.render.viewer.payload import payload
from tests.explanations import bam, danet, gated, two_attentions, untrained, vit
from tests.render.conftest import font_of

EXPLANATIONS = {
    "bam": bam,
    "danet": danet,
    "gated": gated,
    "two": two_attentions,
    "vit": vit,
    "untrained": lambda: untrained(bam()),
}
CHINESE = re.compile(r"[一-鿿]")
# Names that a caption keeps: of networks, colour maps, sites and papers, and what papers call things.
NAMES = re.compile(
    r"tiny\w*|\w*\.jpg|viridis|arXiv:[\d.]+|sha256 \w+|BAM\S*|DANet\S*|ViT\S*|token|logit|softmax|sigmoid|width \d+|"
    r"\S*layer\S*|\S*attention\S*|\S*attn\S*|blocks\S*|[Ss]tage\d\.\w+|\S*gate\S*"
)


@pytest.fixture(scope="session")
def font_of_the_catalogue(tmp_path_factory):
    """A font with every Chinese letter that may come to stand on a figure."""
    entries = (*catalogue("zh").values(), category_names("zh"))
    words = "".join(words for section in entries for words in section.values())
    letters = "".join(sorted({letter for letter in words if letter >= "\u2e80"}))
    return font_of(letters, "Catalogue", tmp_path_factory.mktemp("font") / "catalogue.ttf")


@pytest.fixture
def every_letter(font_of_the_catalogue, monkeypatch):
    """As if this machine had that font and no other; matplotlib forgets it afterwards."""
    before = list(fontManager.ttflist)
    font = fallback_font.use(font_of_the_catalogue)
    for module in (figure_language, typesetting):
        monkeypatch.setattr(module, "fallback_font", lambda: font)
    figure_language._can_be_drawn.cache_clear()
    yield
    figure_language._can_be_drawn.cache_clear()
    fontManager.ttflist[:] = before
    fontManager._findfont_cached.cache_clear()


@pytest.fixture
def no_letters(monkeypatch):
    monkeypatch.setattr(figure_language, "fallback_font", lambda: None)
    figure_language._can_be_drawn.cache_clear()
    yield
    figure_language._can_be_drawn.cache_clear()


@pytest.mark.parametrize("name", EXPLANATIONS)
@pytest.mark.parametrize("scaling", ["each", "shared"])
def test_everything_on_a_figure_is_chinese(every_letter, name, scaling):
    explanation = EXPLANATIONS[name]()
    plan = plan_figure(explanation, FigureOptions(language="zh", scaling=scaling, caption=True), photo_name="x.jpg")
    assert all(CHINESE.search(panel.title) or NAMES.search(panel.title) for panel in plan.panels)
    assert re.findall(r"[A-Za-z]{3,}", NAMES.sub("", plan.caption)) == [], plan.caption


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_every_title_of_a_panel_and_of_the_viewer_has_a_translation(name):
    explanation, say = EXPLANATIONS[name](), speaker("zh")
    titles = [panel.title for panel in all_panels(explanation, default_pins(explanation))]
    sent = payload(explanation)
    titles += [part["title"] for part in (*sent["positions"], *sent["channel_gates"], *sent["maps"])]
    untold = {title for title in titles if say(title) == title and re.search(r"[a-z]{3}", NAMES.sub("", title))}
    assert untold == set()


def test_it_is_drawn_without_a_missing_glyph(every_letter):
    options = FigureOptions(language="zh", caption=True, scaling="shared", dpi=60)
    chinese = render_figure(plan_figure(danet(), options, photo_name="x.jpg"), "png")  # a warning would be an error
    assert chinese != render_figure(plan_figure(danet(), replace(options, language="en"), photo_name="x.jpg"), "png")
    assert animate(bam(), "gif", options) != animate(bam(), "gif", replace(options, language="en"))


def test_without_a_font_a_figure_is_english(no_letters):
    plan = plan_figure(bam(), FigureOptions(language="zh", caption=True))
    assert plan.options.language == "zh"  # as asked for: a replay elsewhere may have the font
    assert plan.caption == plan_figure(bam(), FigureOptions(caption=True)).caption
    assert not CHINESE.search("".join(panel.title for panel in plan.panels))


@pytest.mark.parametrize("letter", ["图", "鹦"])  # of a sentence, and of a category
def test_a_font_that_lacks_a_letter_does_not_do(monkeypatch, letter):
    entries = (*catalogue("zh").values(), category_names("zh"))
    letters = {ord(c) for section in entries for words in section.values() for c in words}
    font = FallbackFont("Almost", None, frozenset(letters - {ord(letter)}))
    monkeypatch.setattr(figure_language, "fallback_font", lambda: font)
    figure_language._can_be_drawn.cache_clear()
    try:
        assert figure_speaker("zh")("Photo") == "Photo"
    finally:
        figure_language._can_be_drawn.cache_clear()


def test_english_asks_for_no_font(monkeypatch):
    def fail():
        raise AssertionError("a font was looked for")

    monkeypatch.setattr(figure_language, "fallback_font", fail)
    figure_language._can_be_drawn.cache_clear()
    assert figure_speaker("en")("Photo") == "Photo"


@pytest.mark.parametrize("language", ["de", "", None, 3, ["zh"]])
def test_an_unknown_language_is_refused(language):
    with pytest.raises(OptionError, match="expected a language of en, zh, got"):
        FigureOptions(language=language)
