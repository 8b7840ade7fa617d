import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attnviz.errors import CheckpointError
from attnviz.models.weights.card import ModelCard
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models
from attnviz.terminal.app import app
from attnviz.terminal.model_list import models_as_json, models_as_text


def test_every_model_is_listed_with_its_licence():
    text = models_as_text()
    for name in list_models():
        assert f"  {name}" in text
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


def test_json_is_the_card_in_plain_json():
    found = {model["name"]: model for model in json.loads(models_as_json())}
    shipped, published = found[DEFAULT_MODEL], found["sge_resnet50_pytorchinsight"]
    named = {field.name for field in dataclasses.fields(ModelCard)} | {"default"}
    assert set(shipped) == set(published) == named
    assert shipped["path"] == str(list_models()[DEFAULT_MODEL].path)
    assert shipped["preprocessing"] == json.loads(
        json.dumps(dataclasses.asdict(list_models()[DEFAULT_MODEL].preprocessing))
    )
    assert (published["path"], published["licence"], published["default"]) == (None, None, False)
    assert models_as_json().isascii()


def test_the_documentation_names_every_field():
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    described = page.partition("## models")[2].partition("## weights")[0]
    assert [name for name in json.loads(models_as_json())[0] if f"`{name}`" not in described] == []


def test_no_line_is_longer_than_a_wide_terminal():
    assert max(map(len, models_as_text().splitlines())) <= 140


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_models_and_weights_list_are_one_command(options):
    models, weights = (CliRunner().invoke(app, [*words, *options]) for words in (["models"], ["weights", "list"]))
    assert models.exit_code == weights.exit_code == 0
    assert models.stdout == weights.stdout
    assert models.stdout == (models_as_json() if options else models_as_text()) + "\n"


@pytest.mark.parametrize("words", [["models"], ["weights", "list"]])
def test_a_damaged_card_is_one_clean_line(tmp_path, monkeypatch, words):
    (tmp_path / "a\x1b[31m\nb.json").write_text("{")
    monkeypatch.setenv("ATTNVIZ_WEIGHTS", str(tmp_path))
    shown = CliRunner().invoke(app, words)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.startswith("attnviz: expected a whole model card, got a [31m b.json: ")
    assert shown.stderr.count("\n") == 1
