import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from attnviz.render import fallback_font, typesetting
from attnviz.render.typesetting import (
    families,
    font_file,
    format_ends,
    format_range,
    printable,
    text_width,
    unit_text,
    wrap,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$a_b$ {x}^2 \\frac", "$a_b$ {x}^2 \\frac"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("Привет שלום γειά", "Привет שלום γειά"),
        ("猫.jpg", "Mao.jpg"),
        ("ねこ und кот", "neko und кот"),
        ("🥐.png", ":croissant:.png"),
        ("\ue000", "?"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("lone \udcff surrogate", "lone ? surrogate"),
        ("87\u00a0%", "87\u00a0%"),
        ("   ", ""),
    ],
)
def test_printable(text, expected):
    assert printable(text) == expected


def test_long_text_is_cut_with_an_ellipsis():
    assert printable("x" * 100, limit=10) == "x" * 9 + "…"


@given(st.text(max_size=200))
def test_whatever_the_text_it_can_be_drawn_on_one_line(text):
    line = printable(text)
    assert "\n" not in line
    assert text_width(line, 10.0) >= 0  # a glyph that the font lacks would be a warning, and that an error here


@pytest.mark.parametrize("text", ["Stage 1 · effective gain", "WWWWWW", "illicit", "0.00123 to 4.5"])
def test_widths_are_those_of_the_font_with_a_little_room(text):
    drawn = ImageFont.truetype(str(font_file()), 200).getlength(text) / 20
    assert drawn <= text_width(text, 10.0) <= 1.08 * drawn


def test_lines_break_at_the_dot_first_then_at_spaces():
    width = text_width("Stage 1 · effect", 7)
    assert wrap("Stage 1 · effective gain", width, size=7) == ["Stage 1", "effective gain"]
    assert wrap("Stage 1 · effective gain", 500, size=7) == ["Stage 1 · effective gain"]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=120), st.floats(12, 90), st.integers(1, 4))
def test_no_line_is_wider_than_its_room_and_there_are_not_too_many(text, width, lines):
    found = wrap(printable(text), width, size=7, lines=lines)
    assert 1 <= len(found) <= lines
    assert all(text_width(line, 7) <= width or len(line) <= 1 for line in found)


def test_text_that_does_not_fit_ends_in_an_ellipsis_and_text_that_fits_is_whole():
    name = "a_very_long_file_name_without_any_space_in_it.jpg"
    assert wrap(name, 60, size=7, lines=2)[-1].endswith("…")
    assert "".join(wrap(name, 60, size=7, lines=9)) == name


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.0213, 1.3702, ("1.02", "1.37")),
        (1.0003, 1.0004, ("1.00030", "1.00040")),
        (-3.21, 9.07, ("\u22123.2", "9.1")),
        (-321.0, 907.4, ("\u2212321", "907")),
        (0.0, 0.0049, ("0", "0.0049")),
        (3.2e-6, 0.093, ("3.2e\u22126", "0.093")),
        (-0.0052, 0.31, ("\u22120.01", "0.31")),
        (-0.0042, 1.1, ("\u22120.0042", "1.1")),
        (0.0, 4e-5, ("0", "4.0e\u22125")),
        (-1.5e9, 2e9, ("\u22121.5e9", "2.0e9")),
        (5.0, 5.0, ("5", "5")),
        (-0.0, 0.0, ("0", "0")),
    ],
)
def test_ends_of_ranges(low, high, expected):
    assert format_ends(low, high) == expected


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 2.0), st.sampled_from([1e-30, 1e-5, 1.0, 1e9]))
def test_two_different_numbers_never_look_the_same(low, step, unit):
    low *= unit / 1e12
    high = low + step * max(abs(low), unit)
    first, second = format_ends(low, high)
    assert first != second


def test_a_range_with_its_unit():
    assert format_range(1.0, 1.5, "x") == format_range(1.0, 1.5, "×") == "1.00 to 1.50 ×"
    assert format_range(1.04, 1.04, "x") == "1.04 × everywhere"
    assert format_range(-2.0, 2.0, "logit") == "\u22122.0 to 2.0"
    assert unit_text("m") == "m"


class TestFallback:
    """With a font that has two Chinese letters, a full stop and the Latin ones of "jpg", made here."""

    def test_letters_that_it_has_are_kept_and_others_are_transcribed(self, two_letters):
        assert printable("猫犬.jpg") == "猫犬.jpg"
        assert printable("猫鳥 Ёж.jpg") == "猫Niao Ёж.jpg"

    def test_its_widths_count(self, two_letters):
        assert text_width("猫猫", 10.0) == pytest.approx(2 * text_width("猫", 10.0), rel=0.05)
        assert text_width("猫", 10.0) == pytest.approx(10.0, rel=0.15)  # the glyph is one em wide

    def test_it_is_asked_for_only_where_it_has_to_help(self, two_letters):
        assert families("猫") == ["DejaVu Sans", two_letters.family]
        assert families("cat Ёж") == ["DejaVu Sans"]

    def test_where_one_font_must_draw_all_it_does_or_is_not_used(self, two_letters):
        assert printable("猫.jpg", one_font=True) == "猫.jpg"
        assert typesetting.label_file("猫.jpg") == two_letters.file
        assert printable("猫 Ёж", one_font=True) == "Mao Ёж"
        assert typesetting.label_file("Mao Ёж") == font_file()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the font is the same for all texts
    @given(st.text(st.characters(codec="utf-8"), max_size=100))
    def test_all_that_is_printable_has_a_glyph(self, two_letters, text):
        known = typesetting._drawable() | two_letters.characters
        assert {ord(character) for character in printable(text)} <= known

    def test_a_systems_font_is_found_by_its_name(self, two_letters, monkeypatch):
        fallback_font.fallback_font.cache_clear()
        monkeypatch.setattr(fallback_font, "_packaged_file", lambda: None)
        monkeypatch.setattr(fallback_font, "FAMILIES", ("Nowhere Sans", two_letters.family))
        assert fallback_font.fallback_font() == two_letters
        fallback_font.fallback_font.cache_clear()
        monkeypatch.setattr(fallback_font, "FAMILIES", ("Nowhere Sans",))
        assert fallback_font.fallback_font() is None
        fallback_font.fallback_font.cache_clear()

    def test_the_font_of_the_package_is_found_without_importing_it(self, two_letters, monkeypatch, tmp_path):
        folder = tmp_path / "mplfonts_stand_in" / "fonts"
        folder.mkdir(parents=True)
        (tmp_path / "mplfonts_stand_in" / "__init__.py").write_text("raise RuntimeError('imported')")
        (folder / fallback_font.PACKAGED.name).write_bytes(two_letters.file.read_bytes())
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(fallback_font, "PACKAGE", "mplfonts_stand_in")
        assert fallback_font._packaged_file() == folder / fallback_font.PACKAGED.name
