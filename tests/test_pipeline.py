"""The whole way of a photo, with the shipped weights."""

import io
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import attnviz
from attnviz.errors import DeviceError, ImageError, ModelError, OptionError, UnknownModelError
from attnviz.inputs.decode import decode
from attnviz.models.weights.registry import list_models, load_model
from attnviz.results import Explanation

CAT = Path(__file__).parents[1] / "assets" / "cat.jpg"
CLASSIFIER = next(
    e.name for e in list_models().values() if e.status == "shipped" and e.config["architecture"] == "BamResNet"
)
SEGMENTER = next(
    e.name for e in list_models().values() if e.status == "shipped" and e.config["architecture"] == "DANet"
)


@pytest.fixture(scope="module")
def classified() -> Explanation:
    return attnviz.explain(CAT, model=CLASSIFIER, device="cpu")


@pytest.fixture(scope="module")
def segmented() -> Explanation:
    return attnviz.explain(CAT, model=SEGMENTER, device="cpu", size=120)


def test_classifier(classified: Explanation) -> None:
    entry = list_models()[CLASSIFIER]
    assert classified.photo.shape == decode(CAT).shape
    assert [s.stage for s in classified.stages] == [1, 2, 3]
    height, width = classified.network_image.shape[:2]
    assert min(height, width) == entry.size
    for stage in classified.stages:
        assert stage.gain.values.shape == (height // stage.stride, width // stage.stride)
        low, high = stage.gain.raw_range
        assert 1.0 <= low < high <= 2.0
        gates = np.mean([stage.gate(c) for c in range(len(stage.channel_logit))], axis=0)
        np.testing.assert_allclose(stage.gain.values, 1 + gates, rtol=1e-4)
    probabilities = [p.probability for p in classified.predictions]
    assert len(probabilities) == 5
    assert probabilities == sorted(probabilities, reverse=True)

    assert classified.model.trained
    assert classified.model.sha256 == entry.sha256
    assert set(classified.maps) == {f"stage{i}.{what}" for i in (1, 2, 3) for what in ("spatial_logit", "gain")}


def test_the_same_numbers_as_the_network_alone(classified: Explanation) -> None:
    loaded = load_model(CLASSIFIER, "cpu")
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (loaded.entry.mean, loaded.entry.std))
    x = (torch.from_numpy(classified.network_image.copy()).permute(2, 0, 1) / 255 - mean) / std
    with torch.no_grad():
        probabilities = loaded.net(x[None])[0].softmax(dim=0)
    best = int(probabilities.argmax())
    assert classified.predictions[0].category == loaded.entry.categories[best]
    assert classified.predictions[0].probability == pytest.approx(float(probabilities[best]), abs=1e-5)


def test_segmenter(segmented: Explanation) -> None:
    assert segmented.predictions == ()
    assert segmented.stages == ()
    height, width = segmented.network_image.shape[:2]
    assert segmented.position is not None
    assert segmented.channel is not None
    assert segmented.segmentation is not None
    assert segmented.position.grid == (height // 8, width // 8)
    assert segmented.segmentation.cells.shape == segmented.position.grid
    for labels in segmented.segmentation.labels.values():
        assert labels.shape == (height, width)
        assert labels.max() < len(segmented.segmentation.categories)
    assert sum(segmented.segmentation.shares().values()) == pytest.approx(1.0)
    np.testing.assert_allclose(segmented.channel.matrix.sum(axis=1), 1.0, rtol=1e-4)
    assert list(segmented.maps) == ["position.received"]
    with torch.no_grad():
        loaded = load_model(SEGMENTER, "cpu")
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (loaded.entry.mean, loaded.entry.std))
        x = (torch.from_numpy(segmented.network_image.copy()).permute(2, 0, 1) / 255 - mean) / std
        labels = loaded.net(x[None])[0].argmax(dim=0)
    assert (labels.numpy() == segmented.segmentation.labels["fused"]).mean() > 0.999


def test_every_kind_of_source_gives_the_same(classified: Explanation) -> None:
    content = CAT.read_bytes()
    for source in (str(CAT), content, Image.open(io.BytesIO(content)), decode(CAT)):
        found = attnviz.explain(source, model=CLASSIFIER, device="cpu")
        np.testing.assert_array_equal(found.maps["stage2.gain"].values, classified.maps["stage2.gain"].values)


@pytest.mark.parametrize("shape", [(32, 32), (60, 300), (301, 47)])
@pytest.mark.parametrize("resize_mode", ["keep", "stretch", "center_crop"])
def test_photos_of_any_shape(shape: tuple[int, int], resize_mode: str) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = attnviz.explain(photo, model=CLASSIFIER, device="cpu", size=64, resize_mode=resize_mode)
    assert found.geometry.photo_size == shape
    assert found.geometry.network_size == found.network_image.shape[:2]
    assert found.geometry.whole == (resize_mode != "center_crop" or shape[0] == shape[1])


def test_random_weights_say_so() -> None:
    torch.manual_seed(0)
    net = attnviz.build_model(list_models()[CLASSIFIER].config)
    assert not attnviz.explain(CAT, model=net, device="cpu", size=64).model.trained
    net.train()(torch.randn(2, 3, 64, 64))
    assert attnviz.explain(CAT, model=net, device="cpu", size=64).model.trained
    assert all(module.training for module in net.modules())


def test_damaged_weights_are_said() -> None:
    net = attnviz.build_model(list_models()[CLASSIFIER].config)
    net.layer2[0].bn1.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="NaN"):
        attnviz.explain(CAT, model=net, device="cpu", size=64)


@pytest.mark.parametrize(
    ("image", "options", "error"),
    [
        ("no-such-file.jpg", {}, ImageError),
        (b"not a picture", {}, ImageError),
        (np.zeros((31, 64, 3), dtype=np.uint8), {}, ImageError),
        (CAT, {"model": "no_such_model"}, UnknownModelError),
        (CAT, {"device": "cuda:99"}, DeviceError),
        (CAT, {"device": "toaster"}, DeviceError),
        (CAT, {"top": 0}, OptionError),
        (CAT, {"size": 0}, OptionError),
        (CAT, {"size": -5}, OptionError),
        (CAT, {"resize_mode": "bend"}, OptionError),
    ],
)
def test_what_cannot_be_done_is_one_sentence(image: object, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        attnviz.explain(image, **{"model": CLASSIFIER, "device": "cpu", **options})
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)


def test_two_threads_share_a_model(classified: Explanation) -> None:
    found: list[Explanation] = []
    flipped = decode(CAT)[:, ::-1].copy()

    def work(source: object) -> None:
        found.append(attnviz.explain(source, model=CLASSIFIER, device="cpu"))

    threads = [threading.Thread(target=work, args=(s,)) for s in (CAT, flipped, CAT, flipped)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for explanation in found:
        same = np.array_equal(explanation.photo, classified.photo)
        equal = np.allclose(explanation.maps["stage1.gain"].values, classified.maps["stage1.gain"].values, atol=1e-5)
        assert equal == same
