"""Networks of transformers, from a folder as `save_pretrained` writes it: nothing is fetched, nobody's code is run."""

import json

import pytest
import torch

import attnviz
import attnviz.models.torchvision_ops
from attnviz.errors import DownloadError, UnknownModelError
from attnviz.models.own.load import load_network

transformers = pytest.importorskip("transformers")


@pytest.fixture
def folder(tmp_path):
    """A small ViT with its image processor."""
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=64,
        image_size=64,
        patch_size=16,
        id2label={0: "cat", 1: "dog"},
        label2id={"cat": 0, "dog": 1},
    )
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    size = {"height": 64, "width": 64}
    processor = transformers.ViTImageProcessor(size=size, image_mean=[0.4, 0.5, 0.6], image_std=[0.5, 0.5, 0.5])
    processor.save_pretrained(tmp_path)
    return tmp_path


def test_a_vit_with_its_own_input_classes_and_weights(folder, photo):
    loaded = load_network(f"hf:{folder}", device="cpu")
    assert loaded.trained
    assert loaded.card.categories == ("cat", "dog")
    assert loaded.card.preprocessing.mean == (0.4, 0.5, 0.6)
    assert (loaded.card.one_size, loaded.card.preprocessing.size) == (True, 64)
    explanation = attnviz.explain(photo, loaded)
    assert explanation.geometry.network_size == (64, 64)
    assert [position.query.shape[0] for position in explanation.positions.values()] == [3, 3]
    assert {prediction.category for prediction in explanation.predictions} == {"cat", "dog"}
    theirs = transformers.ViTForImageClassification.from_pretrained(folder)
    assert torch.equal(theirs.classifier.weight, loaded.net.classifier.weight)


def test_a_folder_is_not_told_of(folder):
    assert str(folder.parent) not in load_network(f"hf:{folder}", device="cpu").card.name


def test_random_weights(folder):
    loaded = load_network(f"hf:{folder}", random_weights=True, device="cpu")
    assert not loaded.trained
    theirs = transformers.ViTForImageClassification.from_pretrained(folder)
    assert not torch.equal(theirs.classifier.weight, loaded.net.classifier.weight)


def changed(folder, **fields) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields), encoding="utf-8")


def test_a_class_that_is_not_there_is_refused(folder):
    changed(folder, architectures=["NoSuchNet"])
    with pytest.raises(UnknownModelError, match="got 'NoSuchNet'"):
        load_network(f"hf:{folder}", device="cpu")


def test_code_that_a_repository_brings_is_not_run(folder):
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n", encoding="utf-8")
    changed(folder, model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Net"})
    with pytest.raises(DownloadError, match="expected transformers to get"):
        load_network(f"hf:{folder}", device="cpu")
    assert not (folder / "ran").exists()


def test_without_a_connection_it_says_so_in_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="expected transformers to get nobody/nothing, got: ") as caught:
        load_network("hf:nobody/nothing", device="cpu")
    assert "\n" not in str(caught.value)
