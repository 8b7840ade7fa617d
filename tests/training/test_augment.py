import numpy as np
import pytest
import torch

from training.arrays import Draw, load_pictures, seeded, split_batch
from training.augment import MEAN, STD, random_crops, standardise, to_float, vary_detail, whole
from training.street_crops import labels_on_grid, random_street_crops, whole_street


def coordinates(height, width):
    """A picture whose red is its row and green its column."""
    image = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    image[..., 0] = torch.arange(height)[:, None] * 255 // (height - 1)
    image[..., 1] = torch.arange(width)[None, :] * 255 // (width - 1)
    return image


def original(x):
    """Undo mean and std."""
    return x * torch.tensor(STD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)


def test_standardise_removes_mean_and_std():
    x = torch.tensor(MEAN).view(1, 3, 1, 1) + torch.tensor(STD).view(1, 3, 1, 1)
    assert torch.allclose(standardise(x), torch.ones_like(x))


def test_crops_keep_their_share_of_the_picture_and_are_seeded():
    images = coordinates(64, 64).repeat(50, 1, 1, 1)
    crops = original(random_crops(images, 48, seeded(3), smallest=0.5, light=0.0))
    extent = (crops.amax((2, 3)) - crops.amin((2, 3)))[:, :2]
    assert (extent.prod(1) > 0.42).all()  # half of the area, less half a pixel at each side
    assert extent.min() < 0.8
    again = original(random_crops(images, 48, seeded(3), smallest=0.5, light=0.0))
    assert torch.equal(crops, again)
    mirrored = crops[:, 1, 0, 0] > crops[:, 1, 0, -1]
    assert 10 < int(mirrored.sum()) < 40
    assert (crops[:, 0, 0, 0] < crops[:, 0, -1, 0]).all()  # never upside down


def test_whole_sees_all_of_the_picture():
    x = original(whole(coordinates(64, 64), 128))
    assert x.shape == (1, 3, 128, 128)
    assert x[0, 0, 0, 0] == pytest.approx(0, abs=0.01)
    assert x[0, 0, -1, -1] == pytest.approx(1, abs=0.01)


def test_street_labels_stay_on_their_pixels():
    images = coordinates(60, 80).repeat(40, 1, 1, 1)
    labels = (images[..., 1] > 127).to(torch.uint8)  # the right half is class 1
    x, y = random_street_crops(images, labels, (48, 64), seeded(5), brightness=0, colour=0)
    green = original(x)[:, 1]
    clear = (y != 255) & ((green - 0.5).abs() > 0.03)
    assert clear.float().mean() > 0.5
    assert torch.equal((green > 0.5)[clear], (y == 1)[clear])
    beyond = (y == 255).flatten(1).any(1)
    assert 0 < int(beyond.sum()) < 40  # only crops larger than the picture have pixels beyond it


def test_streets_are_lit_by_picture_and_by_colour():
    images = torch.full((60, 24, 32, 3), 128, dtype=torch.uint8)
    x, _ = random_street_crops(images, images[..., 0], (24, 32), seeded(5), brightness=0.4, colour=0.1)
    means = original(x).mean((2, 3)) / (128 / 255)
    assert means.mean(1).std() > 0.15
    assert (means.amax(1) / means.amin(1)).max() < 1.1 / 0.9 + 1e-3
    assert means.min() > 0.6 * 0.9 - 1e-3


def test_whole_streets_keep_their_shape():
    images = coordinates(45, 60)
    x = original(whole_street(images, 90))
    assert x.shape == (1, 3, 90, 120)
    assert x[0, 0, 0, 0] == pytest.approx(0, abs=0.02)
    assert x[0, 1, 0, -1] == pytest.approx(1, abs=0.02)
    assert torch.equal(whole_street(images[:, :40, :56], 40), standardise(to_float(images[:, :40, :56])))


def test_labels_on_grid_takes_cell_centres():
    labels = torch.arange(16).view(1, 4, 4)
    assert labels_on_grid(labels, (2, 2)).tolist() == [[[5, 7], [13, 15]]]


def test_draws_visit_everything_once_per_epoch_and_split_between_processes():
    draw = Draw(10, 5, seed=1)
    first = torch.cat([draw(0), draw(1)])
    assert sorted(first.tolist()) == list(range(10))
    assert not torch.equal(first, torch.cat([draw(2), draw(3)]))
    parts = [Draw(10, 5, seed=1, rank=r, world=2)(1) for r in range(2)]
    assert sorted(torch.cat(parts).tolist()) == sorted(draw(1).tolist())
    assert torch.equal(Draw(10, 5, seed=1)(7), draw(7))  # a fresh one, as after a resume


@pytest.mark.parametrize("per_step", [0, 11])
def test_impossible_draws_are_refused(per_step):
    with pytest.raises(ValueError, match=f"1 to 10 .* got {per_step}"):
        Draw(10, per_step, seed=0)


def test_split_batch_is_exact():
    assert split_batch(128, [100_000, 28_407]) == [100, 28]
    assert sum(split_batch(7, [1, 1, 1])) == 7


def test_arrays_of_another_kind_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8), dtype=np.uint8))
    np.save(tmp_path / "a_labels.npy", np.zeros(2))
    with pytest.raises(ValueError, match="expected uint8"):
        load_pictures(tmp_path, "a", torch.device("cpu"))
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="got 2 for 3"):
        load_pictures(tmp_path, "a", torch.device("cpu"))


def test_varied_detail_keeps_light_and_changes_edges():
    x = torch.full((64, 3, 16, 16), 0.25)
    x[..., 8:] = 0.75
    varied = vary_detail(x, seeded(1), share=1)
    assert varied.mean() == pytest.approx(0.5, abs=0.01)
    step = (varied[..., 8] - varied[..., 7]).mean((1, 2))  # 0.5 in the original
    assert step.min() < 0.3
    assert step.max() > 0.8
    assert torch.equal(varied, vary_detail(x, seeded(1), share=1))


def test_varied_detail_leaves_the_other_pictures_as_they_are():
    x = torch.rand(200, 3, 8, 8)
    changed = (vary_detail(x, seeded(1)) != x).flatten(1)
    assert set(changed.float().mean(1).round().tolist()) == {0, 1}
    assert 70 < int(changed.any(1).sum()) < 130
    assert torch.equal(vary_detail(x, seeded(1), share=0), x)
