import pytest

from attnviz.errors import DeviceError, ImageError
from attnviz.models.weights.registry import DEFAULT_MODEL, load_model
from attnviz.pipeline import explain
from attnviz.save import within_memory
from attnviz.save.within_memory import explain_within_memory


@pytest.fixture(scope="module")
def loaded():
    return load_model(DEFAULT_MODEL, "cpu")


def test_a_run_that_fits_is_the_same_as_without_the_look(photo_path, loaded):
    with_look = explain_within_memory(photo_path, loaded, size=64, resize_mode="center_crop", top=2)
    without = explain(photo_path, loaded, device="cpu", size=64, resize_mode="center_crop", top=2)
    assert (with_look.photo == without.photo).all()
    assert (with_look.maps["stage3.gain"].values == without.maps["stage3.gain"].values).all()
    assert with_look.predictions == without.predictions


def test_a_run_that_does_not_fit_is_refused_before_it_starts(photo_path, loaded, monkeypatch):
    monkeypatch.setattr(within_memory, "free_memory", lambda device: 1_000_000)
    monkeypatch.setattr(within_memory, "explain", lambda *args, **kwargs: pytest.fail("it was started"))
    with pytest.raises(DeviceError, match="expected a run within the 1 MB of memory that is free"):
        explain_within_memory(photo_path, loaded)


def test_what_is_no_photo_is_refused_as_ever(tmp_path, loaded):
    with pytest.raises(ImageError, match="expected"):
        explain_within_memory(tmp_path / "none.jpg", loaded)
