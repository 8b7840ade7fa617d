"""What docs/http-api.md shows works, against the page's real server."""

import re
import shutil
from pathlib import Path

import pytest

from attnviz.models.weights.registry import list_models

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
HERE = "http://127.0.0.1:7860/"


def test_the_examples_run_one_after_the_other(demo_url, tmp_path, photo_path, monkeypatch, capsys):
    shutil.copy(photo_path, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    code = "\n".join(BLOCKS)
    assert code.count(HERE) == 2
    names: dict = {}
    try:
        exec(compile(code.replace(HERE, demo_url), str(PAGE), "exec"), names)
    finally:
        names["client"].close()
    said = capsys.readouterr().out
    assert said.startswith("done ")
    assert names["answer"][1]["predictions"] == names["payload"]["predictions"]
    for label, values in names["maps"].items():
        low, high = next(entry["range"] for entry in names["payload"]["maps"] if entry["label"] == label)
        assert (values.min(), values.max()) == pytest.approx((low, high))
    assert names["gate"].shape == names["maps"][names["stage"]["gain"]].shape
    assert 0 < names["gate"].min() < names["gate"].max() < 1


def test_the_model_of_the_examples_is_shipped():
    named = set(re.findall(r'^ *"(\w+)",  # a name from', "\n".join(BLOCKS), re.MULTILINE))
    assert named
    assert named <= {name for name, card in list_models().items() if card.status == "shipped"}
