import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from attnviz.errors import CheckpointError
from attnviz.models.weights.card import card_as_json, card_fields, read_card
from attnviz.models.weights.published import PUBLISHED
from attnviz.models.weights.registry import list_models

SHIPPED = [card for card in list_models().values() if card.status == "shipped"]


def test_a_file_says_what_its_card_says(tmp_path):
    for card in SHIPPED:
        path = tmp_path / card.path.with_suffix(".json").name
        path.write_text(json.dumps(card_fields(card)))
        again = read_card(path)
        assert card_fields(again) == card_fields(card) | {"config": again.config}


def test_weights_without_a_file_have_no_file_of_a_card():
    with pytest.raises(ValueError, match="expected a card with a file, got sge_resnet50_pytorchinsight without one"):
        card_fields(PUBLISHED["sge_resnet50_pytorchinsight"].card)


def test_every_card_can_be_said_in_json():
    for card in (*list_models().values(), replace(SHIPPED[0], path=Path(os.fsdecode(b"/weights/\xff")))):
        fields = card_as_json(card)
        assert json.loads(json.dumps(fields)) == fields  # no tuple, path or other thing that JSON has not


@pytest.mark.parametrize("damage", [{"preprocessing": {"size": 0}}, {"categories": 5}, {"min_size": "many"}])
def test_a_card_with_a_field_that_is_none_is_refused(tmp_path, damage):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(card_fields(SHIPPED[0]) | damage))
    with pytest.raises(CheckpointError, match=r"expected a whole model card, got x\.json"):
        read_card(path)
