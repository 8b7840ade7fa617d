"""Deletion, insertion and ROAD: by hand, and as pytorch-grad-cam and Quantus compute them on the same inputs."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import attnviz.models.torchvision_ops  # noqa: F401 - before torchvision, which the oracles import
from attnviz.measure.imputation import imputed
from attnviz.measure.perturbation import Job, area, blurred, curve_jobs, order_of, pictures_of, road_score


def image_of(height=12, width=15, seed=0):
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))


def small_net(classes=4):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, classes)
    ).eval()


def distinct(height=12, width=15, seed=2):
    return np.random.default_rng(seed).permutation(height * width).reshape(height, width).astype(np.float32) / 200


def test_the_order_is_by_value_and_random_among_equals():
    assert order_of(np.array([[1.0, 3.0], [2.0, 0.0]])).tolist() == [1, 2, 0, 3]
    equal = order_of(np.ones((8, 8)))
    assert sorted(equal) == list(range(64))
    assert equal.tolist() != list(range(64))
    assert equal.tolist() == order_of(np.ones((8, 8))).tolist()


def test_deletion_and_insertion_by_hand():
    image, values = image_of(2, 2), np.array([[1.0, 3.0], [2.0, 0.0]])
    half = [Job(0, "deletion", 0.5), Job(0, "insertion", 0.5), Job(0, "deletion", 1.0), Job(0, "insertion", 0.0)]
    deleted, inserted, nothing, soft = pictures_of(image, [order_of(values)], half)
    first_two = torch.tensor([[False, True], [True, False]])  # the 3 and the 2
    assert torch.equal(deleted, torch.where(first_two, torch.zeros(()), image))
    assert torch.equal(inserted, torch.where(first_two, image, blurred(image)))
    assert not nothing.any()
    assert torch.equal(soft, blurred(image))


def test_blurring_keeps_what_is_even():
    assert torch.allclose(blurred(torch.full((3, 20, 16), 0.7)), torch.full((3, 20, 16), 0.7), atol=1e-6)


def test_area_and_road_by_hand():
    assert area([0, 0.5, 1], [1.0, 0.5, 0.25]) == pytest.approx(0.5 * 0.75 + 0.5 * 0.375)
    assert area([0.25, 0.75], [1.0, 0.0]) == pytest.approx(0.5)
    assert road_score([0.2, 0.4], [0.6, 0.8]) == pytest.approx(0.2)


def test_pictures_that_every_map_shares_are_made_once():
    jobs = list(curve_jobs(3, (0, 0.5, 1), (0.3,)))
    assert len(jobs) == len(set(jobs)) == 3 + 3 * (2 + 2)


def test_a_missing_pixel_is_the_weighted_mean_of_its_neighbours():
    image = image_of(5, 5)
    known = torch.ones(2, 5, 5, dtype=torch.bool)
    known[0, 2, 2] = False
    known[1, 0, 0] = False
    filled = imputed(image, known, noise=0, tolerance=1e-6)
    around = image[:, 1:4, 1:4]
    weights = torch.tensor([[1.0, 2.0, 1.0], [2.0, 0.0, 2.0], [1.0, 2.0, 1.0]]) / 12
    assert torch.allclose(filled[0, :, 2, 2], (around * weights).sum((1, 2)), atol=1e-4)
    corner = (image[:, 0, 1] * 2 + image[:, 1, 0] * 2 + image[:, 1, 1]) / 5
    assert torch.allclose(filled[1, :, 0, 0], corner, atol=1e-4)
    kept = torch.where(known[:, None], image, torch.nan)
    assert torch.equal(filled[~kept.isnan()], kept[~kept.isnan()])


def test_large_holes_are_filled_from_half_the_size_to_the_same_end():
    """A start from a coarser picture is a start: the system that is solved is the same."""
    image = image_of(40, 56)
    known = torch.ones(2, 40, 56, dtype=torch.bool)
    known[0, 5:35, 5:50] = False
    known[1, :, 3:] = False
    filled = imputed(image, known, noise=0, tolerance=1e-6)
    padded = nn.functional.pad(filled, (1, 1, 1, 1))
    ones = nn.functional.pad(torch.ones(40, 56), (1, 1, 1, 1))
    weights = torch.tensor([[1.0, 2.0, 1.0], [2.0, 0.0, 2.0], [1.0, 2.0, 1.0]])
    for picture, own in zip(padded, known, strict=True):
        patches = picture.unfold(1, 3, 1).unfold(2, 3, 1)
        mean = (patches * weights).sum((3, 4)) / (ones.unfold(0, 3, 1).unfold(1, 3, 1) * weights).sum((2, 3))
        assert torch.allclose(mean[:, ~own], picture[:, 1:-1, 1:-1][:, ~own], atol=1e-3)


def test_where_everything_is_missing_there_is_the_mean_colour():
    assert not imputed(image_of(), torch.zeros(1, 12, 15, dtype=torch.bool), noise=0, tolerance=1e-6).any()


def test_noise_is_added_to_the_filled_pixels_alone_and_is_the_same_every_time():
    known = torch.from_numpy(distinct() > 0.4)[None]
    plain, noisy = (imputed(image_of(), known, noise=noise, tolerance=1e-6) for noise in (0.0, 0.1))
    difference = (noisy - plain)[0]
    assert not difference[:, known[0]].any()
    assert float(difference[:, ~known[0]].std()) == pytest.approx(0.1, rel=0.2)
    assert torch.equal(noisy, imputed(image_of(), known, noise=0.1, tolerance=1e-6))


@pytest.mark.parametrize("removed", [0.1, 0.35, 0.5, 0.9])
def test_road_fills_in_as_pytorch_grad_cam_does(removed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_grad_cam.metrics.perturbation_confidence import RemoveLeastRelevantFirst, RemoveMostRelevantFirst
        from pytorch_grad_cam.metrics.road import NoisyLinearImputer

        image, values = image_of(), distinct()
        mask, percentile = torch.from_numpy(values), 100 * (1 - removed)
        theirs = [
            remove(percentile, NoisyLinearImputer(noise=0.0))(image, mask)
            for remove in (RemoveMostRelevantFirst, RemoveLeastRelevantFirst)
        ]
    jobs = [Job(0, "road_most", removed), Job(0, "road_least", removed)]
    ours = pictures_of(image, [order_of(values)], jobs, noise=0.0, tolerance=1e-6)
    assert torch.allclose(ours, torch.stack(theirs), atol=1e-4)


def test_road_scores_as_pytorch_grad_cam_does(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_grad_cam.metrics import road
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

        monkeypatch.setattr(road, "NoisyLinearImputer", _silent(road.NoisyLinearImputer))
        net, image, values = small_net(), image_of(), distinct()
        percentiles = [10, 30, 50, 70, 90]
        target = [ClassifierOutputSoftmaxTarget(2)]
        theirs = float(road.ROADCombined(percentiles)(image[None], values[None], target, net)[0])
    shares = [1 - p / 100 for p in percentiles]
    jobs = [Job(0, which, share) for which in ("road_most", "road_least") for share in shares]
    with torch.no_grad():
        found = net(pictures_of(image, [order_of(values)], jobs, noise=0.0, tolerance=1e-6)).softmax(1)[:, 2].tolist()
    assert road_score(found[:5], found[5:]) == pytest.approx(theirs, abs=1e-5)


def _silent(imputer):
    class Silent(imputer):
        def __init__(self):
            super().__init__(noise=0.0)

    return Silent


def test_deletion_is_the_pixel_flipping_of_quantus():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantus

        net, image, values = small_net(), image_of(), distinct()
        flipping = quantus.PixelFlipping(
            features_in_step=3 * 20,  # it counts every colour of a pixel
            perturb_baseline=0.0,
            return_auc_per_sample=False,
            disable_warnings=True,
            display_progressbar=False,
        )
        theirs = flipping(
            model=net,
            x_batch=image[None].numpy(),
            y_batch=np.array([2]),
            a_batch=values[None, None],
            device="cpu",
            softmax=True,
            channel_first=True,
        )[0]
    jobs = [Job(0, "deletion", step * 20 / values.size) for step in range(1, 10)]
    with torch.no_grad():
        ours = net(pictures_of(image, [order_of(values)], jobs)).softmax(1)[:, 2].tolist()
    assert ours == pytest.approx(np.ravel(theirs).tolist(), abs=1e-5)
