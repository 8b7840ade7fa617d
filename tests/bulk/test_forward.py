import numpy as np
import pytest
import torch

from attnviz.bulk.forward import Explained, batches, explain_batch
from attnviz.bulk.prepare import Refusal, prepare
from attnviz.bulk.sources import PhotoRef
from attnviz.inputs.preprocess import normalise
from attnviz.models.weights.registry import load_model
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
