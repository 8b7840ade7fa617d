import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnviz.errors import InputError
from attnviz.render.figure import plan_figure
from attnviz.render.figure_options import FigureOptions
from attnviz.save.manifest import PhotoSource, manifest
from attnviz.save.manifest_reader import parse_manifest, read_manifest
from tests.explanations import SHA256, danet

GOOD = json.loads(manifest(plan_figure(danet()), ["figure.png", "maps.npz"], source=PhotoSource("x.jpg", SHA256)))


def changed(path, value):
    document = copy.deepcopy(GOOD)
    *way, last = path.split("/")
    place = document
    for step in way:
        place = place[step]
    place[last] = value
    return document


def test_a_manifest_is_read_back():
    recipe = parse_manifest(GOOD)
    assert (recipe.photo.name, recipe.photo.sha256, recipe.photo.path) == ("x.jpg", SHA256, None)
    assert (recipe.model.name, recipe.model.sha256, recipe.model.device) == ("tiny_danet", SHA256, "cpu")
    assert recipe.preprocessing == danet().preprocessing
    assert recipe.figure == plan_figure(danet()).options
    assert recipe.maps["position.received"].shape == (8, 10)
    assert recipe.files == ("figure.png", "maps.npz")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "attnviz manifest 99"),
        ("schema", 1),
        ("photo", None),
        ("photo", []),
        ("photo/name", 5),
        ("photo/name", "x" * 5000),
        ("photo/path", "nul\0l"),
        ("photo/sha256", "abc"),
        ("photo/sha256", "0" * 63 + "G"),
        ("photo/sha256", "\u0660" * 64),
        ("photo/pixels_sha256", None),
        ("model/name", None),
        ("model/name", {"a": 1}),
        ("model/sha256", 0),
        ("preprocessing/size", "64"),
        ("preprocessing/size", 0),
        ("preprocessing/size", -5),
        ("preprocessing/size", 10**9),
        ("preprocessing/size", 64.0),
        ("preprocessing/size", True),
        ("preprocessing/resize_mode", "bend"),
        ("preprocessing/mean", [0.5]),
        ("preprocessing/std", [0.5, 0.5, 0]),
        ("preprocessing/detail", 0),
        ("preprocessing/no_such_field", 1),
        ("figure", [1]),
        ("figure/dpi", 10**6),
        ("figure/colormap", "__class__"),
        ("figure/panels", "photo"),
        ("figure/pins", [[1, 2, 3]]),
        ("figure/no_such_option", 1),
        ("maps", []),
        ("maps/position.received", None),
        ("maps/position.received/shape", [8, -10]),
        ("maps/position.received/shape", [1] * 9),
        ("maps/position.received/shape", [1 << 40]),
        ("maps/position.received/dtype", "object"),
        ("maps/position.received/sha256", "x"),
        ("files", "figure.png"),
        ("files", ["../../figure.png"]),
        ("files", ["/etc/passwd"]),
        ("files", [None]),
        ("predictions", {}),
        ("versions", []),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(path, value):
    with pytest.raises(InputError, match=r"^expected [^\n]{1,600}$"):
        parse_manifest(changed(path, value))


@pytest.mark.parametrize("path", ["schema", "photo", "model", "preprocessing", "figure", "maps", "files", "versions"])
def test_a_missing_part_is_refused(path):
    document = copy.deepcopy(GOOD)
    del document[path]
    with pytest.raises(InputError, match=f"expected {path}"):
        parse_manifest(document)


def test_old_manifests_without_newer_options_get_the_defaults():
    document = copy.deepcopy(GOOD)
    del document["figure"]["map_opacity"]
    assert parse_manifest(document).figure.map_opacity == FigureOptions().map_opacity


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_other_json_is_refused(document):
    with pytest.raises(InputError, match="expected"):
        parse_manifest(document)


@given(st.sampled_from([k for k in GOOD if k != "caption"]), JSON)
def test_any_value_in_the_place_of_a_part_is_read_or_refused(part, value):
    try:
        parse_manifest({**GOOD, part: value})
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - one line, where it is refused at all


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"schema": NaN}', b"null", b'"text"', b"x" * 5_000_001],
    ids=["empty", "cut", "binary", "deep", "nan", "null", "text", "huge"],
)
def test_files_that_are_no_manifest_are_refused(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected"):
        read_manifest(path)


@pytest.mark.parametrize("name", ["missing.json", ".", "nul\0l", "x" * 300])
def test_files_that_are_not_there_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="expected a manifest that can be read"):
        read_manifest(tmp_path / name)


def test_a_manifest_from_before_there_was_a_choice_draws_as_then():
    document = copy.deepcopy(GOOD)
    for name in ("spread", "opacity_by", "cells"):
        del document["figure"][name]
    before = json.dumps(document)
    figure = parse_manifest(document).figure
    assert (figure.spread, figure.opacity_by, figure.cells) == ("linear", "even", "tiles")
    assert json.dumps(document) == before  # what was read is left alone
    assert (parse_manifest(GOOD).figure.spread, parse_manifest(GOOD).figure.opacity_by) == ("auto", "auto")
