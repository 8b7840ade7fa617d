"""The benchmark's arithmetic, and that it still runs what it measures."""

import json

import pytest

from benchmarks import bench


def test_rounds_are_interleaved_and_the_warm_up_does_not_count():
    calls: list[str] = []
    seconds = bench.measure([("a", lambda: calls.append("a")), ("b", lambda: calls.append("b"))], rounds=3)
    assert calls == ["a", "b"] * (3 + bench.WARM_UP_ROUNDS)
    assert [len(times) for times in seconds.values()] == [3, 3]


def test_ratios_are_taken_round_by_round():
    seconds = {bench.BARE: [1.0, 10.0, 2.0], "twice": [2.0, 20.0, 4.0], "mixed": [1.0, 20.0, 6.0]}
    bare, twice, mixed = bench.lines("net", seconds)
    assert (bare.ratio, bare.low, bare.high) == (1.0, 1.0, 1.0)
    assert (twice.ratio, twice.milliseconds) == (2.0, 4000.0)
    assert (mixed.low, mixed.ratio, mixed.high) == (1.5, 2.0, 2.5)


def test_the_table_names_each_model_once_and_every_case():
    seconds = {bench.BARE: [1.0, 1.0], "explain": [3.0, 3.0]}
    text = bench.table(bench.lines("net", seconds) + bench.lines("other", seconds))
    assert text.count("net\n") == 1
    assert text.count("3.000 to 3.000") == 2


def test_every_shipped_model_is_measured(capsys):
    assert bench.main(["--repeats", "2", "--size", "64", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    shipped = {name for name, entry in bench.list_models().items() if entry.status == "shipped"}
    assert {line["model"] for line in found["lines"]} == shipped
    assert all(line["ratio"] > 0 for line in found["lines"])
    assert any(line["case"] == "one row of position attention" for line in found["lines"])


def test_a_single_round_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--repeats", "1"])
    assert "at least 2" in capsys.readouterr().err


def test_the_sample_photo_is_had_in_any_size(capsys):
    assert bench.photo_of(None) == bench.PHOTO
    assert bench.decode(bench.photo_of((64, 48))).shape == (48, 64, 3)
    with pytest.raises(SystemExit):
        bench.main(["--photo-size", "wide"])
    assert "invalid _width_and_height value: 'wide'" in capsys.readouterr().err
