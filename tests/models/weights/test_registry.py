import json
import shutil

import pytest
import torch

from attnviz.errors import CheckpointError, DeviceError
from attnviz.models.build import build_model
from attnviz.models.sites import views_of
from attnviz.models.weights.checkpoint import load_checkpoint
from attnviz.models.weights.registry import (
    DEFAULT_MODEL,
    check_file,
    from_network,
    list_models,
    load_model,
    shared_model,
    was_trained,
)
from tests.models import foreign

SHIPPED = [card for card in list_models().values() if card.status == "shipped"]


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.name)
def test_every_shipped_card_is_whole(card):
    check_file(card)
    with torch.device("meta"):
        net = build_model(card.config)
    assert len(card.categories) == net.config["num_classes"]
    assert len(set(card.categories)) == len(card.categories)
    assert card.parameters == sum(p.numel() for p in net.parameters())
    assert card.min_size == net.min_size
    assert card.preprocessing.size >= card.min_size
    assert all(card.preprocessing.multiple % site.stride == 0 for site in net.sites())  # cells tile the picture
    assert card.task == ("segmentation" if net.config["architecture"] == "DANet" else "classification")
    assert card.views == views_of(net.sites())
    assert card.licence
    assert card.metrics
    assert card.bytes == card.path.stat().st_size
    assert card.path.name == f"{card.name}.safetensors"


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.name)
def test_a_shipped_file_alone_tells_its_network(card, tmp_path):
    alone = load_checkpoint(shutil.copy(card.path, tmp_path / "mine.safetensors"))
    beside_its_card = load_checkpoint(card.path, card.config)
    assert alone.config == beside_its_card.config
    assert all(torch.equal(value, alone.state_dict()[key]) for key, value in beside_its_card.state_dict().items())


def test_the_default_model_is_shipped_and_shared():
    assert DEFAULT_MODEL in {card.name for card in SHIPPED}
    shared = shared_model(DEFAULT_MODEL, "cpu")
    assert shared_model(DEFAULT_MODEL, "cpu").net is shared.net
    assert not shared.net.training
    assert was_trained(shared.net)


def test_a_loaded_model_is_ones_own_to_change():
    mine, other, shared = (load(DEFAULT_MODEL, "cpu").net for load in (load_model, load_model, shared_model))
    mine.fc.weight.data.zero_()
    assert other.fc.weight.abs().sum() > 0
    assert shared.fc.weight.abs().sum() > 0


@pytest.fixture
def own_weights(tmp_path, monkeypatch):
    """A folder of shipped weights, of one card."""
    card = SHIPPED[0]
    shutil.copy(card.path, tmp_path)
    shutil.copy(card.path.with_suffix(".json"), tmp_path)
    monkeypatch.setenv("ATTNVIZ_WEIGHTS", str(tmp_path))
    return tmp_path / f"{card.name}.json"


def test_a_name_twice_is_refused(own_weights):
    shutil.copy(own_weights, own_weights.with_name("other.json"))
    with pytest.raises(CheckpointError, match="twice"):
        list_models()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"name": "x"}', "\0", "[" * 50_000])
def test_a_damaged_shipped_card_is_refused(own_weights, text):
    own_weights.write_text(text)
    with pytest.raises(CheckpointError, match="whole model card"):
        list_models()


def test_a_card_cannot_point_out_of_its_folder(own_weights):
    fields = json.loads(own_weights.read_text())
    own_weights.write_text(json.dumps({**fields, "file": "../../etc/passwd"}))
    with pytest.raises(CheckpointError, match="whole model card"):
        list_models()


def test_weights_that_are_gone_or_changed_are_refused(own_weights):
    name = own_weights.stem
    weights = own_weights.with_suffix(".safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_model(name, "cpu")
    weights.unlink()
    with pytest.raises(CheckpointError, match="no file"):
        load_model(name, "cpu")


def test_a_card_that_tells_of_another_network_is_refused(own_weights):
    fields = json.loads(own_weights.read_text())
    fields["config"]["num_classes"] += 1
    own_weights.write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match="instead of"):
        load_model(own_weights.stem, "cpu")


def test_a_path_is_loaded_with_the_multiple_its_sites_need(tmp_path):
    for listing, multiple in ((foreign.authors_cbam(18, 16, 10), 32), (foreign.authors_bam(18, 16, 10), 16)):
        torch.save(foreign.filled(listing), tmp_path / "x.pth")
        loaded = load_model(tmp_path / "x.pth", "cpu")
        assert (loaded.card.name, loaded.card.preprocessing.multiple, loaded.trained) == ("x.pth", multiple, True)
        assert loaded.card.categories[9] == "class 9"


def test_a_device_that_is_not_there(tiny_bam):
    with pytest.raises(DeviceError):
        load_model(DEFAULT_MODEL, "cuda:77")
    with pytest.raises(DeviceError):
        from_network(tiny_bam, device="toaster")
