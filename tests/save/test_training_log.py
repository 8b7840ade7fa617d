"""Explanations reach the logs of a training: TensorBoard's own files, and a run of Weights & Biases that is offline."""

import pytest

import attnviz
from attnviz.errors import MissingExtraError, OptionError


@pytest.fixture(scope="module")
def explanation():
    return attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu", size=64)


def test_tensorboard_reads_back_pictures_and_numbers(explanation, tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tensorboard.SummaryWriter(tmp_path) as writer:
        for step in (0, 5):
            attnviz.log(explanation, to=writer, step=step, maps="stage?.gain", map_opacity=0.5)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["images"] == [f"attnviz/stage{i}.gain" for i in (1, 2, 3)]
    image = events.Images("attnviz/stage3.gain")[1]
    assert (image.step, image.height, image.width) == (5, *explanation.photo.shape[:2])
    (entry,) = [entry for entry in explanation.focus() if entry.label == "stage3.gain"]
    first = events.Scalars("attnviz/stage3.gain/entropy")[0]
    assert first.value == pytest.approx(entry.values["entropy"])


def test_weights_and_biases_takes_them_offline(explanation, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # it looks its server up though it is offline
    with wandb.init(mode="offline", project="attnviz", dir=str(tmp_path)) as run:
        attnviz.log(explanation, to=run, name="epoch", maps="stage3.gain")
        logged = dict(run.summary)
    assert logged["epoch/stage3.gain"]["_type"] == "image-file"
    assert logged["epoch/stage3.gain/entropy"] == pytest.approx(
        next(e for e in explanation.focus() if e.label == "stage3.gain").values["entropy"]
    )
    assert list(tmp_path.rglob("*.wandb"))
    assert list(tmp_path.rglob("*.png"))


class Run:
    project = "a run by its interface"

    def log(self, data: dict, step: int | None = None) -> None:
        self.logged = data, step


def test_a_run_without_the_package_says_how_to_get_it(explanation, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match="wandb"):
        attnviz.log(explanation, to=Run())


@pytest.mark.parametrize("to", [None, "runs", 3, object()])
def test_what_is_no_log_is_refused(explanation, to):
    with pytest.raises(OptionError, match=f"expected a SummaryWriter .*, got a {type(to).__name__}"):
        attnviz.log(explanation, to=to)


def test_maps_that_are_not_there_are_refused(explanation):
    with pytest.raises(OptionError, match=r"expected maps to match one of stage1\.spatial_logit, .*got 'stage9\*'"):
        attnviz.log(explanation, to=Run(), maps="stage9*")
