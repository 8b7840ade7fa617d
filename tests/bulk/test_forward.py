import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attnviz.bulk.forward import Explained, batches, explain_batch
from attnviz.bulk.prepare import Refusal, prepare
from attnviz.bulk.sources import PhotoRef
from attnviz.inputs.preprocess import normalise
from attnviz.models.sites import Site
from attnviz.models.weights.registry import from_network, load_model
from attnviz.pipeline import explain
from tests.bulk.made import SMALL, make_photos, settings

# Of the largest value of a map: PyTorch's kernels sum a batch in another order than a single photo. Seen: 2e-6.
TOLERANCE = 1e-5


def run(refs, loaded, wanted):
    ready = prepare(refs, wanted.preprocessing(loaded.card), min_size=loaded.card.min_size, draws=False)
    return [
        outcome
        for batch in batches(ready, loaded, wanted)
        for outcome in ([batch] if isinstance(batch, Refusal) else explain_batch(batch, loaded, wanted))
    ]


@pytest.mark.parametrize("model", [SMALL, "danet_resnet18_w32_camvid"])
def test_photos_of_a_batch_have_the_maps_they_have_alone(tmp_path, model):
    paths = make_photos(tmp_path, 9)
    loaded, wanted = load_model(model, "cpu"), settings(model=model, batch=3)
    outcomes = {outcome.path: outcome for outcome in run([PhotoRef(str(p)) for p in paths], loaded, wanted)}
    for path in paths:
        together, alone = outcomes[str(path)].explanation, explain(path, loaded, size=64)
        assert list(together.maps) == list(alone.maps)
        for label, entry in alone.maps.items():
            most = np.abs(entry.values).max()
            np.testing.assert_allclose(together.maps[label].values, entry.values, rtol=0, atol=TOLERANCE * most)
        assert (together.network_image == alone.network_image).all()
        assert together.geometry == alone.geometry
        assert [p.category for p in together.predictions] == [p.category for p in alone.predictions]
        if alone.segmentation is not None:
            assert (together.segmentation.labels["fused"] == alone.segmentation.labels["fused"]).mean() > 0.999


def test_a_batch_of_one_has_the_very_bits(tmp_path):
    (path,) = make_photos(tmp_path, 1)
    loaded = load_model(SMALL, "cpu")
    (outcome,) = run([PhotoRef(str(path))], loaded, settings(batch=1))
    for label, entry in explain(path, loaded, size=64).maps.items():
        assert (outcome.explanation.maps[label].values == entry.values).all()


def test_batches_hold_photos_of_one_shape_and_every_photo_once(tmp_path):
    paths, loaded, wanted = make_photos(tmp_path, 14), load_model(SMALL, "cpu"), settings(batch=4)
    ready = prepare([PhotoRef(str(p)) for p in paths], wanted.preprocessing(loaded.card), min_size=1, draws=False)
    made = list(batches(ready, loaded, wanted))
    assert all(len({photo.network_image.shape for photo in batch}) == 1 for batch in made)
    assert max(map(len, made)) == 4
    assert sorted(photo.path for batch in made for photo in batch) == sorted(map(str, paths))


def three_of_one_shape(folder):
    return [path for path in make_photos(folder, 9) if path.name in ("0000.png", "0003.jpg", "0006.jpg")]


def test_a_photo_whose_pass_makes_no_numbers_does_not_take_the_others_with_it(tmp_path):
    paths, loaded = three_of_one_shape(tmp_path), load_model(SMALL, "cpu")

    def spoil(net, inputs):
        x = inputs[0].clone()
        if x.device.type == "meta":  # the walk that estimates the memory
            return None
        x[(x - spoiled).abs().amax(dim=(1, 2, 3)) == 0] = torch.nan
        return (x,)

    wanted = settings(batch=3)
    (second,) = prepare([PhotoRef(str(paths[1]))], wanted.preprocessing(loaded.card), min_size=1, draws=False)
    spoiled = normalise(second.network_image, wanted.preprocessing(loaded.card))

    handle = loaded.net.register_forward_pre_hook(spoil)
    try:
        outcomes = run([PhotoRef(str(p)) for p in paths], loaded, wanted)
    finally:
        handle.remove()
    assert [type(outcome) for outcome in outcomes] == [Explained, Refusal, Explained]
    assert outcomes[1].path == str(paths[1])
    assert "finite numbers" in outcomes[1].reason


@pytest.mark.parametrize("most", [0, 1])
def test_a_batch_that_does_not_fit_is_done_one_by_one(tmp_path, most):
    paths, loaded, sizes = three_of_one_shape(tmp_path), load_model(SMALL, "cpu"), []

    def refuse(net, inputs):
        if inputs[0].device.type != "meta":  # the walk that estimates the memory
            sizes.append(len(inputs[0]))
            if len(inputs[0]) > most:
                raise RuntimeError("DefaultCPUAllocator: not enough memory")

    handle = loaded.net.register_forward_pre_hook(refuse)
    try:
        outcomes = run([PhotoRef(str(p)) for p in paths], loaded, settings(batch=3))
    finally:
        handle.remove()
    assert sizes == [3, 1, 1, 1]
    assert [type(outcome) for outcome in outcomes] == [Explained if most else Refusal] * 3
    if not most:
        assert outcomes[0].reason.endswith("DefaultCPUAllocator: not enough memory")


@dataclass
class Answer:
    logits: Tensor


class Gated(nn.Module):
    """A spatial gate and four classes; what a kind of network makes of a batch comes first."""

    def __init__(self, first=lambda x: x, last=lambda y: y) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.gate, self.first, self.last = nn.Conv2d(3, 4, 4, 4), nn.Sigmoid(), first, last

    def forward(self, x: Tensor):
        x = self.stem(self.first(x))
        gate = self.gate(x.mean(1, keepdim=True))
        return self.last((x * gate).mean((2, 3)))


class GatedWithSites(Gated):
    def sites(self) -> tuple[Site, ...]:
        return (Site("gate", "gate", "spatial_gate", None, 4),)


def refusing(x: Tensor) -> Tensor:
    if x.shape[0] > 1:
        raise KeyError("one picture, please")
    return x


def failing(x: Tensor) -> Tensor:
    raise KeyError("nothing at all")


def explained_one_by_one(net: nn.Module, folder, batch: int = 3):
    paths, loaded = three_of_one_shape(folder), from_network(net, name="mine.py:net", device="cpu", trained=True)
    return run([PhotoRef(str(p)) for p in paths], loaded, settings(batch=batch, size=48))


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"first": refusing},
        {"first": lambda x: x[:1]},
        {"first": lambda x: x.view(1, 3, *x.shape[2:])},
        {"first": lambda x: x.squeeze(0).unsqueeze(0)},
        {"last": Answer},
        {"last": lambda y: {"loss": y.sum(), "logits": y}},
        {"last": lambda y: [{"boxes": row} for row in y]},
    ],
    ids=["plain", "raises", "first alone", "view", "squeezes", "dataclass", "dict", "detections"],
)
@pytest.mark.parametrize("kind", [Gated, GatedWithSites])
def test_what_a_network_makes_of_a_batch_does_not_show(tmp_path, kind, parts):
    net = kind(**parts)
    found = explained_one_by_one(net, tmp_path)
    assert [type(outcome) for outcome in found] == [Explained] * 3
    for outcome in found:
        alone = explain(outcome.path, from_network(net, device="cpu"), size=48)
        assert list(outcome.explanation.maps) == list(alone.maps) != []
        for label, entry in alone.maps.items():
            np.testing.assert_allclose(outcome.explanation.maps[label].values, entry.values, rtol=0, atol=TOLERANCE)
        for own, other in zip(outcome.explanation.predictions, alone.predictions, strict=True):
            assert (own.category, own.probability) == (other.category, pytest.approx(other.probability, abs=1e-6))


@pytest.mark.parametrize("kind", [Gated, GatedWithSites])
def test_whatever_a_network_raises_is_one_sentence_for_each_photo(tmp_path, kind):
    outcomes = explained_one_by_one(kind(failing), tmp_path)
    assert [type(outcome) for outcome in outcomes] == [Refusal] * 3
    said = r"expected mine\.py:net to take an RGB picture of .* and nothing else, got KeyError: 'nothing at all'"
    assert all(re.fullmatch(said, outcome.reason) for outcome in outcomes)


class Named(Gated):
    """One that has modules by the name of `sites`, and names no sites."""

    def __init__(self) -> None:
        super().__init__()
        self.sites = nn.ModuleList([nn.Identity()])


def test_modules_called_sites_name_no_sites(tmp_path):
    (first, *_) = explained_one_by_one(Named(), tmp_path)
    assert list(first.explanation.maps) == ["spatial_gate"]
