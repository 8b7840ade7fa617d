import gc
import io
import json
import threading
import weakref
import zipfile

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import ExportError, ImageError, OptionError, UnknownModelError
from attnviz.render.figure_options import FigureOptions
from attnviz.save.batch import BatchPhoto, explain_many, sheet_of
from tests.explanations import bam, untrained
from tests.observe.own_networks import Vit, seeded

SMALL = FigureOptions(width_mm=40, dpi=50, columns=1, panels=("photo",))


def photos(folder, count):
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    return paths


def hand_made(path):
    if "bad" in path.name:
        raise ImageError("expected a picture, got none")
    return bam(32, 48)


def run(paths, **options):
    options.setdefault("explain", hand_made)
    return explain_many(paths, options=SMALL, **options)


def test_items_come_one_by_one_while_the_work_goes_on(tmp_path):
    begun = []

    def explain(path):
        begun.append(path.name)
        return bam(32, 48)

    items = run(photos(tmp_path, 3), explain=explain)
    assert begun == []
    first = next(items)
    assert (begun, first.index, first.done, first.total, first.name) == (["0.png"], 0, 1, 3, "0.png")
    assert [item.index for item in items] == [1, 2]


def test_a_network_of_ones_own_goes_through_photos(tmp_path):
    paths = photos(tmp_path, 2)
    for path in paths:
        Image.open(path).resize((64, 64)).save(path)
    options = FigureOptions(width_mm=40, dpi=50, columns=1)
    made = explain_many(
        paths, seeded(Vit, "sdpa"), options=options, archive=tmp_path / "all.zip", size=64, device="cpu"
    )
    assert [item.refusal for item in made] == [None, None]
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        maps = np.load(io.BytesIO(archive.read("0/maps.npz")))
    assert maps["attn.attention.query"].shape == (3, 8, 4, 4)
    assert maps["attn.attention.other_key"].shape == (3, 8, 1)


def test_a_refused_photo_does_not_stop_the_others(tmp_path):
    items = list(run([tmp_path / "bad.png", *photos(tmp_path, 1)]))
    assert items[0].refusal == "expected a picture, got none"
    assert items[0].tile.refused
    assert items[1].refusal is None
    assert items[1].tile.photo.shape == (32, 48, 3)
    assert "Egyptian cat" in items[1].tile.text


def test_too_little_memory_for_one_photo_is_a_refusal(tmp_path):
    def explain(path):
        raise MemoryError

    (item,) = run(photos(tmp_path, 1), explain=explain)
    assert "fits into memory" in item.refusal


def test_one_zip_holds_every_photo_a_sheet_and_a_summary(tmp_path):
    paths = [*photos(tmp_path, 2), tmp_path / "bad.png"]
    queue = [BatchPhoto(path, name) for path, name in zip(paths, ("../cat.jpg", "CAT.png", "bad.png"), strict=True)]
    items = list(run(queue, archive=tmp_path / "all.zip", formats=["png", "npz"]))
    assert [item.folder for item in items] == ["cat", "CAT-2", None]
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(
            [f"{folder}/{name}" for folder in ("cat", "CAT-2") for name in ("figure.png", "maps.npz", "manifest.json")]
            + ["contact-sheet.png", "summary.json"]
        )
        summary = json.loads(archive.read("summary.json"))
        recipe = json.loads(archive.read("cat/manifest.json"))
        sheet = np.asarray(Image.open(io.BytesIO(archive.read("contact-sheet.png"))))
    assert [entry["refused"] for entry in summary] == [None, None, "expected a picture, got none"]
    assert recipe["photo"]["name"] == "../cat.jpg"
    assert recipe["photo"]["path"] is None
    assert sheet.shape == sheet_of(items, heading="x").shape
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_cancelling_keeps_what_is_done(tmp_path):
    cancel = threading.Event()
    found = []
    for item in run(photos(tmp_path, 5), archive=tmp_path / "all.zip", formats=["npz"], cancel=cancel):
        found.append(item)
        if len(found) == 2:
            cancel.set()
    assert len(found) == 2
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist() if "/" in name} == {"0", "1"}


def test_cancelling_before_the_first_photo_leaves_an_empty_summary(tmp_path):
    cancel = threading.Event()
    cancel.set()
    assert list(run(photos(tmp_path, 1), archive=tmp_path / "all.zip", cancel=cancel)) == []
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert json.loads(archive.read("summary.json")) == []


def test_walking_away_leaves_nothing_behind(tmp_path):
    before = set(photos(tmp_path, 3))
    (tmp_path / "all.zip").write_bytes(b"old")
    items = run(sorted(before), archive=tmp_path / "all.zip")
    next(items)
    items.close()
    assert (tmp_path / "all.zip").read_bytes() == b"old"
    assert set(tmp_path.iterdir()) == before | {tmp_path / "all.zip"}


def test_a_defect_in_the_program_is_not_taken_for_a_refusal_and_leaves_nothing_behind(tmp_path):
    def explain(path):
        raise ZeroDivisionError

    before = set(photos(tmp_path, 1))
    with pytest.raises(ZeroDivisionError):
        list(run(sorted(before), archive=tmp_path / "all.zip", explain=explain))
    assert set(tmp_path.iterdir()) == before


def test_only_one_explanation_is_alive_at_a_time(tmp_path):
    alive = weakref.WeakSet()
    most = []

    def explain(path):
        gc.collect()
        most.append(len(alive))
        explanation = bam(32, 48)
        alive.add(explanation)
        return explanation

    items = list(run(photos(tmp_path, 6), archive=tmp_path / "all.zip", formats=["npz"], explain=explain))
    gc.collect()
    assert most == [0] * 6
    assert len(alive) == 0
    assert len(items) == 6


def test_random_weights_are_told_in_the_sheets_heading(tmp_path, monkeypatch):
    headings = []
    monkeypatch.setattr(
        "attnviz.save.batch.contact_sheet",
        lambda tiles, heading, language: headings.append(heading) or np.zeros((1, 1, 3), np.uint8),
    )
    list(run(photos(tmp_path, 1), archive=tmp_path / "a.zip", formats=["npz"], explain=lambda path: untrained(bam())))
    assert "random weights" in headings[0]


@pytest.mark.parametrize("count", [0, 51])
def test_too_few_and_too_many_photos_are_refused_at_once(count):
    with pytest.raises(OptionError, match="expected 1 to 50 photos"):
        explain_many(["x.png"] * count, explain=hand_made)


def test_unknown_weights_are_refused_at_once():
    with pytest.raises(UnknownModelError, match="nope"):
        explain_many(["x.png"], "nope")


@pytest.mark.parametrize("name", ["missing/all.zip", "."])
def test_a_zip_that_cannot_be_written_is_refused_at_once(tmp_path, name):
    with pytest.raises(ExportError, match="expected to be able to write"):
        explain_many(["x.png"], archive=tmp_path / name, explain=hand_made)
    assert list(tmp_path.iterdir()) == []


def test_for_real(tmp_path, assets):
    (tmp_path / "text.jpg").write_text("no picture")
    paths = [assets / "cat.jpg", tmp_path / "text.jpg", assets / "coffee.jpg"]
    items = list(explain_many(paths, device="cpu", size=64, archive=tmp_path / "all.zip", formats=["npz"]))
    assert [item.refusal is None for item in items] == [True, False, True]
    assert "expected a JPEG" in items[1].refusal
