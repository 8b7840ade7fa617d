import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnviz.save.file_names import UniqueNames, safe_stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("cat.jpg", "cat"),
        ("photos/of a/cat.jpg", "cat"),
        ("C:\\photos\\cat.jpg", "cat"),
        ("../../etc/passwd", "passwd"),
        ("..", "photo"),
        ("...", "photo"),
        ("", "photo"),
        ("/", "photo"),
        (".jpg", "jpg"),
        (".hidden.png", "hidden"),
        ("a.b.c.tar.gz", "a.b.c.tar"),
        ("CON.jpg", "CON_"),
        ("con", "con_"),
        ("Lpt9.x.png", "Lpt9.x_"),
        ("console.jpg", "console"),
        ('a<b>:"|?*c.png', "a_b______c"),
        ("two words\tand\nmore.png", "two_words_and_more"),
        ("猫 und Käse.png", "猫_und_Käse"),
        ("-rf.png", "rf"),
        ("evil\u202egnp.exe", "evilgnp"),
        ("null\0byte.png", "null_byte"),
        ("bad \udcff bytes.png", "bad___bytes"),
        ("ends with dots....png", "ends_with_dots"),
    ],
)
def test_stems(name, stem):
    assert safe_stem(name) == stem


@given(st.text(max_size=400))
def test_whatever_the_name_the_stem_is_a_plain_file_name(name):
    stem = safe_stem(name)
    assert 1 <= len(stem.encode("utf-8")) <= 81
    assert not set(stem) & set('<>:"/\\|?*\0\n\r\t ')
    assert stem not in (".", "..")
    assert stem[0] not in ".-~"
    assert stem[-1] not in ". "
    assert safe_stem(f"{stem}.png") in (stem, f"{stem}_")


def test_a_long_name_is_cut_between_letters():
    stem = safe_stem("é" * 300 + ".png")
    assert stem == "é" * 40


def test_names_are_given_once_whatever_their_case():
    names = UniqueNames()
    given_out = [
        names.take(n) for n in ("a/cat.jpg", "b/cat.png", "CAT.gif", "cat-2.jpg", "cafe\u0301.jpg", "caf\u00e9.jpg")
    ]
    assert given_out == ["cat", "cat-2", "CAT-3", "cat-2-2", "caf\u00e9", "caf\u00e9-2"]
