"""A packed data set small enough to train on in a second: the category is the colour of a square."""

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def packed(tmp_path):
    rng = np.random.default_rng(0)
    for name, count, side in (
        ("tiny_train", 24, 64),
        ("tiny_val", 8, 64),
        ("imagenette_train", 12, 160),
        ("imagenette_train_small", 12, 64),
        ("imagenette_train_crops", 36, 64),
        ("imagenette_val_small", 4, 64),
        ("imagenette_val", 4, 160),
    ):
        labels = np.arange(count) % 3
        images = rng.integers(0, 60, (count, side, side, 3), dtype=np.uint8)
        images[np.arange(count), side // 4 : side // 2, side // 4 : side // 2, labels] = 255
        np.save(tmp_path / f"{name}.npy", images)
        np.save(tmp_path / f"{name}_labels.npy", labels.astype(np.int64))
    np.save(tmp_path / "tiny_val_boxes.npy", np.tile(np.array([[16, 16, 31, 31]]), (8, 1)))
    for split, count in (("train", 6), ("val", 2)):
        images = rng.integers(0, 60, (count, 48, 48, 3), dtype=np.uint8)
        labels = np.full((count, 48, 48), 21, dtype=np.uint8)
        np.save(tmp_path / f"everyday_{split}.npy", images)
        np.save(tmp_path / f"everyday_{split}_labels.npy", labels)
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        labels = np.zeros((count, 48, 64), dtype=np.uint8)
        labels[:, :, 32:] = 3
        labels[:, :4] = 255
        images = rng.integers(0, 60, (count, 48, 64, 3), dtype=np.uint8)
        images[:, :, 32:, 1] += 180
        np.save(tmp_path / f"camvid_{split}.npy", images)
        np.save(tmp_path / f"camvid_{split}_labels.npy", labels)
    return tmp_path
