"""Infidelity and sensitivity as Quantus computes them on the same inputs, squares and noise."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from attnviz.measure.captum_measures import NEIGHBOURS, RADIUS, SQUARES, infidelities, sensitivity

SIDE = 16  # pixels: Quantus covers blocks of 4 x 4, as many as we cover squares
CATEGORY = 2


@pytest.fixture(scope="module")
def quantus():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantus

        yield quantus


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    parts = (nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(4 * SIDE * SIDE, 5))
    return nn.Sequential(*parts).eval()


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) + 0.5  # nowhere 0


class Seen:
    """A function of pictures that keeps all it was asked about."""

    def __init__(self, function):
        self.function, self.pictures = function, []

    def __call__(self, inputs):
        self.pictures.extend(inputs.detach().clone())
        return self.function(inputs)


def one_by_one(pictures):
    """A perturbation for Quantus that gives these pictures, in order, whatever it is asked to change."""
    rest = iter(pictures)
    return lambda arr, indices, **_: next(rest).numpy().reshape(arr.shape)


def theirs(metric, net, image, worth, **more):
    found = metric(
        *(net, image.numpy(), np.array([CATEGORY]), worth),
        device="cpu",
        channel_first=True,
        softmax=False,
        **more,
    )
    return float(np.ravel(found)[0])


def test_infidelity_is_that_of_quantus_in_the_unit_that_fits_best(quantus, net, image):
    worth = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    logit = Seen(lambda inputs: net(inputs)[:, CATEGORY])
    with torch.no_grad():
        ours = infidelities(logit, image, {"map": torch.from_numpy(worth)})["map"]
        covered = [picture for picture in logit.pictures if not torch.equal(picture, image[0])]
        falls = (net(image) - net(torch.stack(covered)))[:, CATEGORY].double().numpy()
    assert len(covered) == SQUARES == (SIDE // 4) ** 2
    sums = np.array([(worth * (picture[0] == 0).numpy()).sum(dtype=np.float64) for picture in covered])
    best = (sums @ falls) / (sums @ sums)

    def scored(unit):
        # Quantus multiplies with the change of every pixel: the worth of a place, divided among its colours.
        per_change = (unit * worth / (3 * image[0].numpy()))[None].astype(np.float32)
        metric = quantus.Infidelity(
            perturb_patch_sizes=[4], n_perturb_samples=1, perturb_func=one_by_one(covered), disable_warnings=True
        )
        return theirs(metric, net, image, per_change)

    assert ours == pytest.approx(scored(best), rel=1e-4)
    assert ours < min(scored(0.9 * best), scored(1.1 * best), scored(-best))


def test_sensitivity_is_the_largest_of_quantus(quantus, net, image):
    def maps(inputs):
        return torch.tanh(inputs).pow(2).mean(dim=1, keepdim=True)

    seen = Seen(maps)
    ours = sensitivity(seen, image)
    shaken = [picture for picture in seen.pictures if not torch.equal(picture, image[0])]
    assert len(shaken) == NEIGHBOURS
    assert all(float((picture - image[0]).abs().max()) <= RADIUS + 1e-6 for picture in shaken)
    metric = quantus.MaxSensitivity(nr_samples=NEIGHBOURS, perturb_func=one_by_one(shaken), disable_warnings=True)

    def explained(model, inputs, targets, **_):
        return maps(torch.as_tensor(inputs)).numpy()

    found = theirs(metric, net, image, maps(image).numpy(), explain_func=explained)
    assert ours == pytest.approx(found, rel=1e-4)
    assert ours > 0
