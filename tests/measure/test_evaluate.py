"""Data sets: what is measured is right, and a run that is killed ends as one that was not."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import InputError, OptionError
from attnviz.measure.datasets import read_items
from attnviz.measure.evaluate import PHOTOS, RUN, evaluate
from attnviz.measure.photo_scores import category_number
from attnviz.measure.tables import ANSWERS, OBJECTS, PEOPLE, POSITIONS, as_csv, as_markdown, rows_of
from attnviz.models.weights.registry import from_network
from tests.measure.attentive_networks import Gated, InlineGated
from tests.observe.own_networks import Vit, seeded

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lit(tmp_path):
    """Six photos of which one half is lit, left or right by turns; the lit half is the object, and is looked at."""
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    masks.mkdir()
    lines = {"boxes": ["image,left,top,right,bottom"], "labels": ["image,label"], "gaze": ["image,x,y,viewer"]}
    rng = np.random.default_rng(0)
    for i in range(6):
        name, left = f"{i}.png", 48 * (i % 2)
        pixels, mask = np.full((64, 96, 3), 40, np.uint8), np.zeros((64, 96), np.uint8)
        pixels[:, left : left + 48] = 220
        mask[:, left : left + 48] = 255
        Image.fromarray(pixels).save(photos / name)
        Image.fromarray(mask).save(masks / name)
        lines["boxes"].append(f"{name},{left},0,{left + 48},64")
        lines["labels"].append(f"{name},{i % 2}")
        for viewer in "ab":
            for x, y in rng.uniform((left, 0), (left + 48, 64), (5, 2)):
                lines["gaze"].append(f"{name},{x:.2f},{y:.2f},{viewer}")
    for kind, text in lines.items():
        (tmp_path / f"{kind}.csv").write_text("\n".join(text) + "\n")
    return tmp_path


@pytest.fixture
def network(monkeypatch):
    """A classifier of two categories whose gate is the light."""
    net = Gated(only=True)
    net.config = {"num_classes": 2}
    return from_network(net, device="cpu", trained=True)


def ran(steps):
    done = []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as end:
            return done, end.value


def values(rows, table):
    return {(row.subject, row.measure.partition(" (")[0]): row.interval.value for row in rows if row.table == table}


def test_a_gate_that_is_the_object_is_told_so(lit, network, tmp_path):
    given = {"boxes": lit / "boxes.csv", "labels": lit / "labels.csv", "fixations": lit / "gaze.csv"}
    items = read_items(lit / "photos", **given)
    out = tmp_path / "out"
    out.mkdir()
    done, records = ran(evaluate(items, network, out, size=64))
    assert [step.number for step in done] == [1, 2, 3, 4, 5, 6]
    assert not any(step.refused for step in done)
    rows = rows_of(records)
    objects, people, answers = (values(rows, table) for table in (OBJECTS, PEOPLE, ANSWERS))
    gate = "stage1.spatial_gate"
    assert objects[gate, "ROC-AUC"] == 1.0
    assert objects[gate, "pointing game"] == 1.0
    assert objects["uniform", "ROC-AUC"] == 0.5
    assert objects["centre prior", "ROC-AUC"] == pytest.approx(0.5, abs=0.01)
    # looked at evenly within half of the picture, where the gate is the same: 1/2 * 1/2 + 1/2
    assert people[gate, "AUC-Judd"] == pytest.approx(0.75, abs=0.02)
    assert people["uniform", "shuffled AUC"] == 0.5
    assert people["other viewers", "AUC-Judd"] > 0.5
    assert answers["untouched", "top-1"] == 100.0
    assert answers["stage1.flat", "costs, top-1"] == pytest.approx(50.0)  # all photos then get the same answer
    assert answers["stage1.flat", "costs, log-likelihood"] == pytest.approx(math.log(2), abs=0.02)
    text = as_markdown(rows)
    assert f"| {gate} |" in text
    assert "6 photos" in text
    assert as_csv(rows).splitlines()[0] == "table,subject,measure,value,low,high,photos"
    assert len(as_csv(rows).splitlines()) == len(rows) + 1


def test_masks_say_the_same_as_their_boxes(lit, network, tmp_path):
    found = []
    for name, given in (("box", {"boxes": lit / "boxes.csv"}), ("mask", {"masks": lit / "masks"})):
        (tmp_path / name).mkdir()
        records = ran(evaluate(read_items(lit / "photos", **given), network, tmp_path / name, size=64))[1]
        found.append(values(rows_of(records), OBJECTS))
    assert found[0] == pytest.approx(found[1])


def test_a_segmentation_is_compared_with_class_numbers(tiny_net, tmp_path):
    photos, masks, out = (tmp_path / name for name in ("photos", "masks", "out"))
    for folder in (photos, masks, out):
        folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)).save(photos / f"{i}.png")
        Image.fromarray(rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (64, 96))).save(masks / f"{i}.png")
    loaded = from_network(tiny_net("DANet"), device="cpu", trained=True)
    records = ran(evaluate(read_items(photos, masks=masks), loaded, out, size=64))[1]
    total = np.sum([record["answers"][""] for record in records], axis=0)
    known = sum(int((np.array(Image.open(masks / f"{i}.png")) < 4).sum()) for i in range(3))
    assert total.sum() == known
    right = np.diag(total)
    union = total.sum(0) + total.sum(1) - right
    expected = 100 * np.nanmean(np.where(union > 0, right / np.maximum(union, 1), np.nan))
    answers = values(rows_of(records), ANSWERS)
    assert answers["untouched", "mean IoU"] == pytest.approx(expected)
    assert ("position.gamma0", "costs, mean IoU") in answers
    measured = records[0]["positions"]["position"]
    assert measured["own_class"] > 0
    assert measured["compactness_before"] > 0
    assert measured["compactness_after"] > 0


def test_a_photo_that_cannot_be_used_does_not_stop_the_others(lit, network, tmp_path):
    (lit / "photos" / "3.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    out.mkdir()
    items = read_items(lit / "photos", labels=lit / "labels.csv", fixations=lit / "gaze.csv")
    done, records = ran(evaluate(items, network, out, size=64))
    assert [step.name for step in done if step.refused] == ["3.png"]
    assert max(row.interval.count for row in rows_of(records)) == 5


def test_a_run_goes_on_after_its_last_whole_line(lit, network, tmp_path):
    items = read_items(lit / "photos", labels=lit / "labels.csv")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    expected = ran(evaluate(items, network, whole, size=64))[1]
    steps = evaluate(items, network, cut, size=64)
    for _ in range(3):
        next(steps)
    steps.close()
    with (cut / PHOTOS).open("ab") as file:
        file.write(b'{"image": "3.png", "ma')  # as a crash may leave it
    marked = json.loads((cut / PHOTOS).read_text().splitlines()[0])
    marked["answers"][""]["right"] = 0.25  # shows whether it is read or measured again
    lines = (cut / PHOTOS).read_text().split("\n")
    (cut / PHOTOS).write_text("\n".join([json.dumps(marked), *lines[1:]]))
    found = ran(evaluate(items, network, cut, size=64))[1]
    assert found[0]["answers"][""]["right"] == 0.25
    assert json.dumps(found[1:]) == json.dumps(expected[1:])
    assert len((cut / PHOTOS).read_text().splitlines()) == 6


def test_another_run_is_not_mixed_in(lit, network, tmp_path):
    items = read_items(lit / "photos")
    ran(evaluate(items, network, tmp_path, size=64))
    for other in (
        lambda: evaluate(items[:3], network, tmp_path, size=64),
        lambda: evaluate(items, network, tmp_path, size=96),
        lambda: evaluate(items, network, tmp_path, size=64, interventions=False),
    ):
        with pytest.raises(OptionError, match="another run"):
            ran(other())


def test_a_run_whose_facts_network_or_photos_changed_meanwhile_is_refused(lit, network, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    items = read_items(lit / "photos", boxes=lit / "boxes.csv")
    next(evaluate(items, network, out, size=64))
    (lit / "boxes.csv").write_text((lit / "boxes.csv").read_text().replace("48,0,96,64", "48,0,96,60"))
    moved = read_items(lit / "photos", boxes=lit / "boxes.csv")
    with pytest.raises(OptionError, match=r"got another run's: other facts$"):
        ran(evaluate(moved, network, out, size=64))
    stretched = replace(network.card, preprocessing=replace(network.card.preprocessing, resize_mode="stretch"))
    with pytest.raises(OptionError, match=r"got another run's: other preprocessing$"):
        ran(evaluate(items, replace(network, card=stretched), out, size=64))
    other = replace(from_network(InlineGated(), device="cpu"), card=network.card)
    with pytest.raises(OptionError, match=r"got another run's: other weights$"):
        ran(evaluate(items, other, out, size=64))
    assert len(ran(evaluate(items, network, out, size=64))[1]) == 6
    for left in ("", "[]", '{"schema": '):
        (out / RUN).write_text(left)
        with pytest.raises(InputError, match="what a run was asked for"):
            next(evaluate(items, network, out, size=64))


def test_photos_and_facts_that_cannot_be_used_are_refused_one_by_one(network, tmp_path):
    photos, masks, out = (tmp_path / name for name in ("photos", "masks", "out"))
    for folder in (photos, masks, out):
        folder.mkdir()
    for name in ("away", "flat", "gone", "good", "half", "mask"):
        Image.new("RGB", (96, 64), (200, 90, 30)).save(photos / f"{name}.png")
    Image.new("1", (30_000, 30_000)).save(photos / "huge.png")  # a bomb of 110 kB
    Image.new("RGB", (1, 64)).save(photos / "thin.png")
    boxes = {"away": "200,0,300,64", "flat": "5,5,5,9", "gone": "0,0,9,9", "good": "0,0,48,64", "half": "-20,-9,48,999"}
    lines = [f"{name}.png,{boxes.get(name, '0,0,48,64')}" for name in (*boxes, "huge", "mask", "thin")]
    (tmp_path / "boxes.csv").write_text("\n".join(["image,left,top,right,bottom", *lines]))
    points = {"gone": "-5,-5", "half": "95.9,63.9"}
    looked = [
        f"{name}.png,{points.get(name, '20,30')},{viewer}"
        for name in (*boxes, "huge", "mask", "thin")
        for viewer in "ab"
    ]
    (tmp_path / "gaze.csv").write_text("\n".join(["image,x,y,viewer", *looked]))
    items = read_items(photos, boxes=tmp_path / "boxes.csv", fixations=tmp_path / "gaze.csv")
    done, records = ran(evaluate(items, network, out, size=64))
    refused = {step.name: step.refused for step in done if step.refused}
    assert sorted(refused) == ["away.png", "flat.png", "gone.png", "huge.png", "thin.png"]
    assert "96 × 64 pixels, got a box at 200,0,300,64" in refused["away.png"]
    assert "box" in refused["flat.png"]
    assert "one fixation inside of the picture" in refused["gone.png"]
    assert "50 megapixels" in refused["huge.png"]
    assert "wide" in refused["thin.png"] or "pixels" in refused["thin.png"]
    assert not any("\n" in why for why in refused.values())
    kept = {record["image"]: record["maps"] for record in records if "maps" in record}
    assert kept["good.png"]["uniform"]["mass_over_area"] == kept["half.png"]["uniform"]["mass_over_area"] == 1.0
    assert kept["good.png"]["other viewers"]["gaze_auc"] > 0.9  # both looked at one place, each a single time


def test_networks_of_ones_own_without_names_of_categories_take_numbers(lit, tmp_path):
    items = read_items(lit / "photos", labels=lit / "labels.csv")
    found = {}
    for name, net in (("gate", InlineGated()), ("attention", seeded(Vit, "sdpa"))):
        (tmp_path / name).mkdir()
        done, records = ran(evaluate(items, from_network(net, device="cpu"), tmp_path / name, size=64))
        assert not any(step.refused for step in done)
        found[name] = rows_of(records)
    gates = values(found["gate"], ANSWERS)
    assert gates["untouched", "top-1"] == 100.0
    assert max(cost for (key, _), cost in gates.items() if key.endswith(".flat")) == pytest.approx(50.0)
    assert {key.rpartition(".")[2] for key, _ in values(found["attention"], ANSWERS)} > {"shuffled", "head0_off"}
    positions = values(found["attention"], POSITIONS)
    assert all(0 <= positions[name] <= 1 for name in positions if name[1].startswith("total variation"))
    assert "**Position attention** (6 photos)" in as_markdown(found["attention"])


def test_a_label_that_is_no_category_refuses_the_photo(lit, network, tmp_path):
    (lit / "labels.csv").write_text(
        (lit / "labels.csv").read_text().replace("1.png,1", "1.png,2").replace("2.png,0", "2.png,cat")
    )
    items = read_items(lit / "photos", labels=lit / "labels.csv")
    done, _ = ran(evaluate(items, network, tmp_path, size=64, interventions=False))
    assert [step.name for step in done if step.refused] == ["1.png", "2.png"]
    assert done[2].refused == "expected a category of the model, got 'cat'"


def test_a_run_that_is_killed_goes_on_and_ends_as_one_that_was_not(lit, tmp_path):
    """By the command line, with SIGKILL after the first photos."""
    command = [
        *(sys.executable, "-m", "attnviz", "evaluate", str(lit / "photos"), "--model", "bam_resnet18_w32"),
        *("--boxes", str(lit / "boxes.csv"), "--device", "cpu", "--size", "64", "--no-interventions"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for i in range(6, 30):  # enough that it is not over before it is killed
        (lit / "photos" / f"{i}.png").write_bytes((lit / "photos" / f"{i % 6}.png").read_bytes())
        with (lit / "boxes.csv").open("a") as file:
            file.write(f"{i}.png,{48 * (i % 2)},0,{48 * (i % 2) + 48},64\n")
    process = subprocess.Popen([*command, "--out", str(killed)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not ((killed / PHOTOS).exists() and (killed / PHOTOS).stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    before = (killed / PHOTOS).read_bytes().count(b"\n")
    assert 1 <= before < 30
    assert not (killed / "tables.csv").exists()
    for folder in (killed, whole):
        subprocess.run([*command, "--out", str(folder)], cwd=ROOT, env=environment, check=True, capture_output=True)
    assert (killed / "tables.csv").read_bytes() == (whole / "tables.csv").read_bytes()
    assert (killed / RUN).read_bytes() == (whole / RUN).read_bytes()
    assert (killed / PHOTOS).read_bytes() == (whole / PHOTOS).read_bytes()


def test_fixations_are_those_on_the_upright_photo(network, tmp_path):
    """The photo lies on its side in the file; people saw it upright, 64 wide and 96 high."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    out.mkdir()
    exif = Image.Exif()
    exif[274] = 6
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (96, 64), (200, 90, 30)).save(photos / name, exif=exif)
    gaze = tmp_path / "gaze.csv"
    gaze.write_text("image,x,y,viewer\na.jpg,32,90,v\na.jpg,40,95,w\nb.jpg,32,90,v\nb.jpg,40,95,w\n")
    records = ran(evaluate(read_items(photos, fixations=gaze), network, out, size=64))[1]
    for record in records:
        assert record["maps"]["uniform"]["shuffled_auc"] == 0.5  # all four fell inside, and on the other photo too
        assert record["maps"]["centre prior"]["gaze_auc"] < 0.5


def test_categories_by_name_and_number():
    names = ("Egyptian cat", "king penguin, Aptenodytes patagonica")
    assert category_number("1", names) == 1
    assert category_number("king penguin", names) == 1
    assert category_number("king penguin, Aptenodytes patagonica", names) == 1
    with pytest.raises(ValueError, match="category of the model"):
        category_number("penguin", names)
