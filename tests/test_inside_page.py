"""The page about the inside of modules: what its script writes, with pictures of the current weights."""

import re

import pytest
from PIL import Image

from attnviz.models.weights.registry import list_models
from attnviz.pipeline import explain
from docs import make_inside
from docs.make_questions.bench import ASSETS

NUMBER = re.compile(r"-?\d[\d.]*(?:e[-+]\d+)?")


@pytest.fixture(scope="module")
def tables():
    return {
        name: explain(ASSETS / f"{photo}.jpg", model, device="cpu", inside=True).inside(label)
        for name, (photo, model, label) in make_inside.modules().items()
    }


@pytest.mark.parametrize("language", make_inside.PAGES)
def test_the_page_is_what_its_script_writes(language, tables):
    """Numbers may differ in the last of three digits from processor to processor; everything else may not."""
    written = make_inside.PAGES[language].read_text(encoding="utf-8")
    made = make_inside.page(language, tables)
    assert NUMBER.sub("#", written) == NUMBER.sub("#", made), "run `make docs`"
    pairs = zip(NUMBER.findall(written), NUMBER.findall(made), strict=True)
    assert [(a, b) for a, b in pairs if float(a) != pytest.approx(float(b), rel=0.02, abs=1e-3)] == []


def test_its_pictures_are_of_the_current_weights():
    models = list_models()
    wanted = {f"{name}.png": models[model].sha256 for name, (_, model, _) in make_inside.modules().items()}
    assert {picture.name for picture in make_inside.PICTURES.iterdir()} == set(wanted)
    for name, sha256 in wanted.items():
        with Image.open(make_inside.PICTURES / name) as picture:
            assert sha256.startswith(picture.info["Weights"]), "run `make docs`"
