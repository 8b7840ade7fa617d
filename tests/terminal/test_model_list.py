import json

import pytest

from attnviz.errors import CheckpointError
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models
from attnviz.terminal.model_list import models_as_json, models_as_text


def test_every_model_is_listed_with_its_licence():
    text = models_as_text()
    for entry in list_models().values():
        assert f"  {entry.name}" in text
    assert f"{DEFAULT_MODEL} (default)" in text
    assert text.count("licence:") == len(list_models())


def test_json_has_all_fields_of_every_model():
    found = {model["name"]: model for model in json.loads(models_as_json())}
    assert set(found) == set(list_models())
    assert found[DEFAULT_MODEL]["default"] is True
    assert found[DEFAULT_MODEL]["sha256"] == list_models()[DEFAULT_MODEL].sha256
    assert found[DEFAULT_MODEL]["status"] == "shipped"


def test_a_damaged_card_is_told(tmp_path, monkeypatch):
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.setenv("ATTNVIZ_WEIGHTS", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"broken\.json"):
        models_as_text()
