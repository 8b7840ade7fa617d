import re

import pytest
import torch

from attnviz.errors import CheckpointError, UnknownModelError
from attnviz.models.build import build_model
from attnviz.models.weights import registry
from attnviz.models.weights.categories import categories_of
from attnviz.models.weights.published import PUBLISHED, by_name
from attnviz.models.weights.strict_load import recognise
from tests.models import foreign

FROM_NAMES = {
    ("bam", "authors"): foreign.authors_bam,
    ("bam", "pytorchinsight"): foreign.authors_bam,
    ("cbam", "authors"): foreign.authors_cbam,
    ("cbam", "pytorchinsight"): foreign.authors_cbam,
    ("sge", "pytorchinsight"): foreign.insight_sge,
    ("se", "pytorchinsight"): foreign.insight_se,
    ("danet", "authors"): foreign.authors_danet,
    ("danet", "mmseg"): foreign.mmseg_danet,
}


def skeleton(config):
    with torch.device("meta"):
        return build_model(config)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_card_is_whole(name):
    published = PUBLISHED[name]
    card, address = published.card, published.address
    assert card.name == name
    assert re.fullmatch(r"[a-z0-9_]+", name)
    assert card.status == "available"
    assert (card.path, card.sha256, card.categories) == (None, None, ())
    assert card.title
    assert card.source.startswith("https://github.com/")
    assert all(page.startswith("https://arxiv.org/abs/") for page in card.paper)
    assert all(0 < score < 100 for score in card.metrics.values())
    assert card.metrics
    assert (address.url is None) != (address.drive_id is None)
    assert address.page.startswith("https://")
    assert "/" not in address.file_name
    if address.url is not None:
        assert address.url.endswith("/" + address.file_name)
        assert address.digits[:8] in address.file_name  # both publishers end names in eight digits
        assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{40}", address.digits)
    net = skeleton(card.config)
    assert net.config["num_classes"] == len(categories_of(published.category_set))
    assert card.min_size == net.min_size
    assert card.preprocessing.size % 8 == 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_card_is_the_network_in_its_file(name):
    """From the publisher's names and shapes alone, the description in the card is found."""
    published = PUBLISHED[name]
    kind, publisher = name.split("_")[0], name.rsplit("_", 1)[1]
    if publisher == "pytorchcv":
        shapes = pytorchcv_shapes(name)
    else:
        listing = FROM_NAMES[kind, publisher]
        shapes = listing(published.card.config["trunk"]["depth"], classes=published.card.config["num_classes"])
    scheme = recognise({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
    assert skeleton(scheme.infer(shapes)).config == skeleton(published.card.config).config


def pytorchcv_shapes(name):
    from pytorchcv.models import bamresnet, cbamresnet, danet

    model = name.removesuffix("_pytorchcv")
    module = {"bam": bamresnet, "cbam": cbamresnet, "danet": danet}[name.split("_")[0]]
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in getattr(module, model)().state_dict().items()}


def test_pytorchcv_says_the_same_hashes():
    from pytorchcv.models.common.model_store import get_model_name_suffix_data

    for name, published in PUBLISHED.items():
        if name.endswith("_pytorchcv"):
            _, sha1, tag = get_model_name_suffix_data(name.removesuffix("_pytorchcv"))
            assert published.address.digits == sha1
            assert f"/{tag}/" in published.address.url


def test_those_without_a_licence_are_marked():
    unlicensed = {name for name, published in PUBLISHED.items() if not published.licensed}
    assert unlicensed == {name for name in PUBLISHED if name.endswith("_pytorchinsight")}
    assert all(any("no licence" in note for note in PUBLISHED[name].card.notes) for name in unlicensed)


def test_a_name_twice_is_refused():
    listed = list(PUBLISHED.values())
    with pytest.raises(ValueError, match="twice"):
        by_name([*listed, listed[0]])


def test_categories():
    imagenet = categories_of("imagenet")
    assert (len(imagenet), imagenet[0], imagenet[281], imagenet[999]) == (1000, "tench", "tabby", "toilet tissue")
    cityscapes = categories_of("cityscapes")
    assert (len(cityscapes), cityscapes[0], cityscapes[18]) == (19, "road", "bicycle")
    ade = categories_of("ade20k")
    assert (len(ade), ade[0], ade[149]) == (150, "wall", "flag")
    voc = categories_of("voc")
    assert (len(voc), voc[0], voc[15], voc[20]) == (21, "background", "person", "tv monitor")
    for named in (cityscapes, ade, voc):
        assert len(set(named)) == len(named)


def test_available_weights_are_listed_and_not_loaded():
    known = registry.list_models()
    assert set(PUBLISHED) <= set(known)
    assert {card.status for card in known.values()} == {"shipped", "available"}
    with pytest.raises(UnknownModelError, match="attnviz weights pull sge_resnet50_pytorchinsight"):
        registry.load_model("sge_resnet50_pytorchinsight", "cpu")


def test_an_unknown_name_is_told_what_there_is():
    for name in ("bam_resnet5", "", "x" * 5000, "a\0b", "../weights"):
        with pytest.raises(UnknownModelError, match="bam_resnet18_w32") as caught:
            registry.load_model(name, "cpu")
        assert "mmseg" not in str(caught.value)  # not on this machine


def test_a_shipped_name_that_is_also_published_is_refused(monkeypatch):
    shipped = next(card for card in registry.list_models().values() if card.status == "shipped")
    monkeypatch.setitem(registry.PUBLISHED, shipped.name, next(iter(PUBLISHED.values())))
    with pytest.raises(CheckpointError, match="both shipped and published"):
        registry.list_models()
