"""Readers of what is known about photos: plain files, OSIE's, and hostile ones."""

import sys

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from attnviz.errors import InputError, MissingExtraError
from attnviz.measure.datasets import read_items


@pytest.fixture
def folder(tmp_path):
    """Photos a.jpg, b.png and inner/c.jpg, and a file that is none."""
    photos = tmp_path / "photos"
    (photos / "inner").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "inner/c.jpg"):
        Image.new("RGB", (40, 30), (9, 99, 199)).save(photos / name)
    (photos / "notes.txt").write_text("no photo")
    return photos


def table(tmp_path, text, name="known.csv"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_photos_in_order_and_inner_folders_too(folder):
    assert [item.name for item in read_items(folder)] == ["a.jpg", "b.png", "inner/c.jpg"]


def test_so_many_evenly_spaced(folder):
    assert [item.name for item in read_items(folder, limit=2)] == ["a.jpg", "b.png"]
    assert [item.name for item in read_items(folder, limit=1)] == ["a.jpg"]
    assert len(read_items(folder, limit=99)) == 3


def test_boxes_of_one_photo_belong_together(folder, tmp_path):
    boxes = table(
        tmp_path, "image,left,top,right,bottom,note\na.jpg,1,2,3.5,4,x\ninner/c.jpg,0,0,9,9,y\na.jpg,5,5,6,6,z\n"
    )
    items = read_items(folder, boxes=boxes)
    assert [(item.name, item.boxes) for item in items] == [
        ("a.jpg", ((1, 2, 3.5, 4), (5, 5, 6, 6))),
        ("inner/c.jpg", ((0, 0, 9, 9),)),
    ]


def test_labels_and_masks_join(folder, tmp_path):
    masks = tmp_path / "masks"
    (masks / "inner").mkdir(parents=True)
    for name in ("a.png", "inner/c.bmp"):
        Image.new("L", (40, 30)).save(masks / name)
    labels = table(tmp_path, "\ufeffimage,label\na.jpg, cat \nb.png,3\n")
    (item,) = read_items(folder, labels=labels, masks=masks)
    assert (item.name, item.label, item.mask) == ("a.jpg", "cat", masks / "a.png")


def test_fixations_by_viewer(folder, tmp_path):
    file = table(tmp_path, "image,x,y,viewer\na.jpg,1,2,anna\na.jpg,3,4,ben\na.jpg,5,6,anna\nmissing.jpg,0,0,anna\n")
    (item,) = read_items(folder, fixations=file)
    assert [points.tolist() for points in item.viewers] == [[[1, 2], [5, 6]], [[3, 4]]]


@pytest.mark.parametrize("between", [",", ";", "\t", " ; "])
def test_columns_may_stand_in_any_order_between_commas_semicolons_or_tabs(folder, tmp_path, between):
    lines = (
        ("viewer", "y", "image", "more", "x"),
        ("anna", "2", "a.jpg", '"a, b"', "1.5"),
        ("ben", "4", "./a.jpg", "", "-3"),
    )
    file = table(tmp_path, "".join(f"{between.join(line)}\n" for line in lines))
    (item,) = read_items(folder, fixations=file)
    assert [points.tolist() for points in item.viewers] == [[[1.5, 2]], [[-3, 4]]]


def test_a_long_list_of_fixations_is_read(folder, tmp_path):
    lines = "".join(f"a.jpg,{i % 40},{i % 30},{i % 1000}\n" for i in range(100_000))
    (item,) = read_items(folder, fixations=table(tmp_path, f"image,x,y,viewer\n{lines}"))
    assert len(item.viewers) == 1000
    assert sum(map(len, item.viewers)) == 100_000


def osie_file(tmp_path):
    """As OSIE's file is built: a cell array of structs, each with a cell array of viewers."""

    def viewer(x, y):
        return {"fix_x": np.array(x, float), "fix_y": np.array(y, float), "fix_duration": np.ones(len(x))}

    def cells(*entries):
        made = np.empty((len(entries), 1), object)
        made[:, 0] = entries
        return made

    entries = [
        {"img": "a.jpg", "subjects": cells(viewer([1, 5], [2, 6]), viewer([3], [4]))},
        {"img": "b.png", "subjects": cells(viewer([7], [8]), viewer([9, 10], [11, 12]))},
    ]
    savemat(tmp_path / "fixations.mat", {"fixations": cells(*entries)})
    return tmp_path / "fixations.mat"


def test_osies_fixations(folder, tmp_path):
    items = read_items(folder, fixations=osie_file(tmp_path))
    assert [item.name for item in items] == ["a.jpg", "b.png"]
    assert [points.tolist() for points in items[0].viewers] == [[[1, 2], [5, 6]], [[3, 4]]]


def test_without_scipy_the_sentence_says_what_is_missing(folder, tmp_path, monkeypatch):
    file = osie_file(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy.io.matlab", None)
    with pytest.raises(MissingExtraError, match=r"attnviz\[fixations\]"):
        read_items(folder, fixations=file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,left,top,right\na.jpg,1,2,3\n", "got no bottom"),
        ("", "got no image"),
        ("a.jpg,1,2,3,4\n", "in the first line of 'known.csv', got no image"),
        ("image left top right bottom\na.jpg 1 2 3 4\n", "got no image"),
        ("image;left;top;right;bottom\na.jpg;1,5;2;3;4\n", "expected numbers"),
        ("image,left,top,right,bottom\na.jpg,1,2,3,4\na.jpg,1\n", "got line 3 cut short"),
        ("image,left,top,right,bottom\na.jpg,1,2,1e999,4\n", "finite numbers"),
        ("image,left,top,right,bottom\na.jpg,1,2\n", "cut short"),
        ("image,left,top,right,bottom\na.jpg,1,2,three,4\n", "expected numbers"),
        ("image,left,top,right,bottom\na.jpg,1,2,nan,4\n", "finite numbers"),
        ("image,left,top,right,bottom\nz.jpg,1,2,3,4\n", "none of them"),
    ],
)
def test_what_is_no_list_of_boxes_is_refused(folder, tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_items(folder, boxes=table(tmp_path, text))


def test_what_is_not_there_or_no_text_is_refused(folder, tmp_path):
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00image")
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged.mat"
    damaged.write_bytes(b"MATLAB 5.0" + bytes(200))
    for given in (
        {"labels": tmp_path / "missing.csv"},
        {"labels": binary},
        {"masks": tmp_path / "missing"},
        {"fixations": damaged},
    ):
        with pytest.raises(InputError):
            read_items(folder, **given)
    with pytest.raises(InputError, match="photos in the folder"):
        read_items(tmp_path / "empty")
    with pytest.raises(InputError, match="folder of photos"):
        read_items(tmp_path / "missing")
