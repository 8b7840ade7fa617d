"""What the page offers and what it says a run will take."""

import dataclasses
from typing import get_args

import pytest

from attnviz import pipeline
from attnviz.errors import DownloadError, ImageError, OptionError, UnknownModelError
from attnviz.inputs.preprocess import ResizeMode
from attnviz.models.weights.registry import DEFAULT_MODEL, list_models
from attnviz.observe.cost import Cost, Throughput
from attnviz.serve import requests
from attnviz.serve.requests import Choice, card_of, choice_from, forecast, model_groups, seconds_in_words


def test_every_model_is_offered_once_and_shipped_ones_first():
    groups = model_groups()
    names = [model["name"] for group in groups for model in group["models"]]
    assert sorted(names) == sorted(list_models())
    assert groups[0]["models"][0]["name"] in [name for name, e in list_models().items() if e.status == "shipped"]
    for group in groups:
        for model in group["models"]:
            away = list_models()[model["name"]].status == "available"
            assert (model["note"] is not None) == away


def test_weights_that_are_not_here_name_the_command():
    away = next((name for name, entry in list_models().items() if entry.status == "available"), None)
    assert away is not None
    with pytest.raises(DownloadError, match=f"python -m attnviz weights pull {away}"):
        card_of(away)


def test_unknown_models_are_refused():
    with pytest.raises(UnknownModelError, match="no_such"):
        card_of("no_such")


@pytest.mark.parametrize("size", ["0", 0])
def test_size_of_the_training(size):
    assert choice_from(DEFAULT_MODEL, "keep", size) == Choice(DEFAULT_MODEL, "keep", None)


@pytest.mark.parametrize("size", [True, None, "", "12", 1e9, [], "320.0"])
def test_other_sizes_are_refused(size):
    with pytest.raises(OptionError, match="input size"):
        choice_from(DEFAULT_MODEL, "keep", size)


def test_every_resize_mode_is_offered():
    assert tuple(requests.RESIZE_MODES) == get_args(ResizeMode)
    assert [choice_from(DEFAULT_MODEL, mode, "0").resize_mode for mode in get_args(ResizeMode)] == [
        *get_args(ResizeMode)
    ]


def test_what_a_client_sent_is_quoted_on_one_short_line():
    with pytest.raises(OptionError) as caught:
        choice_from(DEFAULT_MODEL, "bend\r\n\x1b[2J\u202e" + "x" * 1000, "0")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_forecast_grows_with_the_size(photo):
    small, large = (forecast(photo, Choice(size=size)).cost for size in (128, 512))
    assert large.macs > 14 * small.macs
    assert large.nbytes > small.nbytes


def test_forecast_refuses_a_photo_too_small_for_the_network(photo):
    with pytest.raises(ImageError):
        forecast(photo[:4, :4], Choice())


def test_a_run_teaches_the_next_forecast(photo, monkeypatch):
    monkeypatch.setattr(pipeline, "_throughput", Throughput())
    large = Choice(size=512)
    explanation = requests.run(forecast(photo, large))
    after = forecast(photo, large).cost
    assert after.seconds == pytest.approx(explanation.seconds["forward"], rel=1e-6)


def test_forecast_words(photo):
    ready = dataclasses.replace(forecast(photo, Choice()), cost=Cost(nbytes=210_000_000, macs=1, seconds=0.34))
    assert requests.forecast_words(ready).startswith("Takes about 0.3 s and 210 MB")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0.1 s"), (0.34, "0.3 s"), (9.97, "10 s"), (40.2, "40 s"), (180, "3 min")]
)
def test_seconds_in_words(seconds, words):
    assert seconds_in_words(seconds) == words
