import json

import numpy as np
import pytest
from PIL import Image

from training import pack


def picture(path, colour, size=(64, 64), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def test_all_three_sets(tmp_path):
    tiny, nette, camvid, out = (tmp_path / n for n in ("tiny", "nette", "CamVid", "out"))
    for synset, colour in (("n2", "red"), ("n1", "lime")):
        picture(tiny / "train" / synset / "images" / f"{synset}_0.JPEG", colour)
    picture(tiny / "val" / "images" / "val_0.JPEG", 128, mode="L")
    (tiny / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn1\t0\t32\t44\t62\n")
    (tiny / "wnids.txt").write_text("n2\nn1\n")
    (tiny / "words.txt").write_text("n1\tone\nn2\ttwo\nn3\tthree\n")
    for split in ("train", "val"):
        picture(nette / split / "n3" / "a.JPEG", "blue", (300, 200))
    for split in ("train", "val", "test"):
        picture(camvid / split / "x.png", "white", (480, 360))
        picture(camvid / f"{split}annot" / "x.png", 11, (480, 360), mode="L")
        (camvid / f"{split}.txt").write_text(f"/Seg/{split}/x.png /Seg/{split}annot/x.png\n")
    arguments = [f"--{k}={v}" for k, v in {"tiny": tiny, "imagenette": nette, "camvid": camvid, "out": out}.items()]
    pack.main([*arguments, "--workers", "1"])
    assert [c["name"] for c in json.loads((out / "categories.json").read_text())] == ["two", "one", "three"]
    train, labels = np.load(out / "tiny_train.npy"), np.load(out / "tiny_train_labels.npy")
    assert train.shape == (2, 64, 64, 3)
    assert labels.tolist() == [1, 0]  # folders in order of name, numbers in order of wnids.txt
    assert train[0, 5, 5, 1] > 200 > train[0, 5, 5, 0]
    assert np.load(out / "tiny_val_boxes.npy").tolist() == [[0, 32, 44, 62]]
    assert np.load(out / "imagenette_val.npy").shape == (1, 160, 160, 3)
    assert np.load(out / "imagenette_val_small.npy").shape == (1, 64, 64, 3)
    assert np.load(out / "imagenette_train_crops.npy").shape == (3, 64, 64, 3)
    assert np.load(out / "imagenette_train_crops_labels.npy").tolist() == [2, 2, 2]
    assert not (out / "imagenette_val_crops.npy").exists()
    assert np.load(out / "imagenette_val_labels.npy").tolist() == [2]
    assert np.load(out / "imagenette_val_small_labels.npy").tolist() == [2]
    assert (np.load(out / "camvid_test_labels.npy") == 255).all()
    assert not list(out.glob("*.part"))


def test_an_unequal_picture_leaves_nothing_under_the_final_name(tmp_path):
    picture(tmp_path / "a.png", "red", (8, 8))
    picture(tmp_path / "b.png", "red", (9, 8))
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    with pytest.raises(ValueError, match=r"b\.png"):
        pack.write_pictures(tmp_path / "out.npy", paths, pack.read_street, workers=1)
    assert not (tmp_path / "out.npy").exists()


def test_imagenette_alone_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        pack.main(["--imagenette", str(tmp_path), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "--tiny" in capsys.readouterr().err


def test_small_imagenette_has_the_artefacts_of_its_compression(tmp_path):
    fine = np.indices((128, 128)).sum(0) // 4 % 2 * 255
    Image.fromarray(np.stack([fine, fine, 0 * fine], -1).astype(np.uint8)).save(tmp_path / "a.png")
    small, plain = pack.read_imagenette_small(tmp_path / "a.png"), pack.read_square(tmp_path / "a.png", 64)
    assert small.shape == plain.shape
    assert 1 < np.abs(small.astype(int) - plain).mean() < 40


def test_crops_are_cut_before_they_are_reduced(tmp_path):
    across = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (200, 1))  # brightness says how far right
    down = np.tile(np.linspace(0, 255, 200).astype(np.uint8)[:, None], (1, 300))
    Image.fromarray(np.stack([across, down, 0 * down], -1)).save(tmp_path / "a.png")
    extents = []
    for number in range(20):
        crop = pack.read_imagenette_crop((tmp_path / "a.png", number)).astype(float)
        assert crop.shape == (64, 64, 3)
        assert np.array_equal(crop, pack.read_imagenette_crop((tmp_path / "a.png", number)))
        width = (crop[:, -1, 0].mean() - crop[:, 0, 0].mean()) / 255 * 300
        height = (crop[-1, :, 1].mean() - crop[0, :, 1].mean()) / 255 * 200
        extents.append((width, height, crop[:, 0, 0].mean()))
    widths, heights, lefts = np.array(extents).T
    assert np.abs(widths - heights).max() < 12  # squares
    assert 0.25 < (heights / 200).min() ** 2 < 0.5
    assert 0.8 < (heights / 200).max() ** 2 < 1.05
    assert lefts.std() > 15  # anywhere
