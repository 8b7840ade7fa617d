"""Masks of several collections in the classes of one."""

import numpy as np
from PIL import Image

from training import everyday_masks
from training.everyday_masks import CLASSES, class_of, fitted, msrc_labels
from training.pack import IGNORED


def test_a_segment_has_the_label_at_its_place_and_those_beyond_have_none():
    segments = np.array([[1, 2, 3]], np.uint8)
    found = msrc_labels(segments, np.array([[14, 11]], np.uint8))
    assert found.tolist() == [[CLASSES.index("flower"), CLASSES.index("person"), IGNORED]]


def test_faces_and_bodies_are_persons():
    assert class_of("face") == class_of("body") == CLASSES.index("person")
    assert class_of("fence") == IGNORED
    assert len(CLASSES) == 22


def test_photos_keep_their_proportions():
    labels = np.zeros((20, 40), np.uint8)
    image, classes = fitted(Image.new("RGB", (40, 20), "red"), labels)
    assert image.shape == (320, 320, 3)
    assert (classes[:160] == 0).all()
    assert (classes[160:] == IGNORED).all()
    assert (image == (255, 0, 0)).all()


def test_every_collection_is_packed_and_only_msrc_is_held_out(tmp_path, monkeypatch):
    plain = Image.new("RGB", (32, 21), "green")
    monkeypatch.setattr(
        everyday_masks, "msrc", lambda _: ((str(i), (plain, np.full((21, 32), 1, np.uint8))) for i in range(20))
    )
    for folder in ("camvid/train", "camvid/trainannot", "pets/images", "pets/annotations/trimaps"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("people/Training_Images", "people/Ground_Truth"):
        (tmp_path / folder).mkdir(parents=True)
        plain.save(tmp_path / folder / "1.png")
    plain.save(tmp_path / "camvid/train/a.png")
    Image.fromarray(np.full((21, 32), 9, np.uint8)).save(tmp_path / "camvid/trainannot/a.png")
    for name in ("Bengal_1", "beagle_1"):
        plain.save(tmp_path / f"pets/images/{name}.jpg")
        Image.fromarray(np.ones((21, 32), np.uint8)).save(tmp_path / f"pets/annotations/trimaps/{name}.png")
    folders = [f"--{name}={tmp_path / name}" for name in ("msrc", "camvid", "pets", "people")]
    everyday_masks.main([*folders, "--out", str(tmp_path / "out")])
    train, val = (np.load(tmp_path / f"out/everyday_{split}_labels.npy") for split in ("train", "val"))
    assert len(train) + len(val) == 24
    assert set(np.unique(val)) == {1, IGNORED}
    assert [CLASSES[labels[0, 0]] for labels in train[-4:-1]] == ["person", "cat", "dog"]
    assert (train[-1] == IGNORED).all()  # a silhouette that is all background
