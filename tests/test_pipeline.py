"""The whole way of a photo, with the shipped weights."""

import io
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import attnviz
from attnviz.errors import DeviceError, ImageError, ModelError, OptionError, UnknownModelError
from attnviz.inputs.decode import decode
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.sites import Site, views_of
from attnviz.models.weights.registry import list_models, load_model
from attnviz.pipeline import forecast, run
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
    assert min(height, width) == entry.preprocessing.size
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
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (loaded.card.preprocessing.mean, loaded.card.preprocessing.std))
    x = (torch.from_numpy(classified.network_image.copy()).permute(2, 0, 1) / 255 - mean) / std
    with torch.no_grad():
        probabilities = loaded.net(x[None])[0].softmax(dim=0)
    best = int(probabilities.argmax())
    assert classified.predictions[0].category == loaded.card.categories[best]
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
        own = loaded.card.preprocessing
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (own.mean, own.std))
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


def test_a_run_that_does_not_fit_is_refused_before_it_starts(monkeypatch) -> None:
    monkeypatch.setattr("attnviz.pipeline.free_memory", lambda device: 1_000_000)
    monkeypatch.setattr("attnviz.pipeline.record_selected", lambda *args: pytest.fail("it was started"))
    with pytest.raises(DeviceError, match="expected a run within the 1 MB of memory that is free"):
        attnviz.explain(CAT, CLASSIFIER, device="cpu")


def test_a_forecast_decodes_once_and_the_run_gives_the_same(classified: Explanation, monkeypatch) -> None:
    ready = forecast(CAT, CLASSIFIER, device="cpu")
    assert ready.geometry == classified.geometry
    assert ready.cost.nbytes > 0
    monkeypatch.setattr("attnviz.pipeline.decode", lambda source: pytest.fail("it was decoded twice"))
    found = run(ready)
    assert list(found.seconds) == ["decode", "load", "plan", "preprocess", "forward", "collect"]
    np.testing.assert_array_equal(found.maps["stage3.gain"].values, classified.maps["stage3.gain"].values)


def test_all_of_the_preprocessing_can_be_given() -> None:
    own = Preprocessing(size=64, multiple=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), resize_mode="stretch")
    found = attnviz.explain(CAT, CLASSIFIER, device="cpu", preprocessing=own)
    assert found.preprocessing == own
    assert found.network_image.shape == (64, 64, 3)


class OwnNetwork(nn.Module):
    """Sites, and no config."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 7, 3, stride=4, padding=1)
        self.gate = nn.Sequential(nn.Conv2d(7, 1, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return (x * self.gate(x)).mean(dim=(2, 3))

    def sites(self) -> tuple[Site, ...]:
        return (Site("mine.spatial_gate", "gate", "spatial_gate", 1, 4),)


def test_a_network_of_ones_own_needs_no_config() -> None:
    found = attnviz.explain(CAT, OwnNetwork(), size=64)
    assert list(found.maps) == ["mine.spatial_gate"]
    assert {entry.category for entry in found.predictions} <= {f"class {i}" for i in range(7)}


def test_changing_a_loaded_model_changes_no_later_explanation() -> None:
    net = load_model(SEGMENTER, "cpu").net
    with torch.no_grad():
        net.head.sa.gamma.fill_(0)
    assert attnviz.explain(CAT, SEGMENTER, device="cpu", size=64).position.gamma != 0
    assert attnviz.explain(CAT, net, size=64).position.gamma == 0


def test_results_can_be_drawn_without_torch() -> None:
    code = "import sys, attnviz.results, attnviz.render.figure; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_channel_gates_are_shown() -> None:
    config = {"architecture": "AttentionResNet", "trunk": {"depth": 18, "width": 4}, "num_classes": 3}
    net = attnviz.build_model({**config, "trunk": {**config["trunk"], "attention": {"kind": "se", "reduction": 2}}})
    found = attnviz.explain(CAT, net, size=64)
    assert found.maps == {}
    assert len(found.channel_gates) == 8
    assert found.channel_gates["stage2.block1.channel_gate"].values.shape == (8,)
    assert views_of(net.sites()) == ("channel",)
