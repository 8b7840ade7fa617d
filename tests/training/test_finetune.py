"""A shipped network learns the categories of a person's own folder."""

import json

import numpy as np
import pytest
from PIL import Image

from attnviz.models.build import build_model
from attnviz.models.weights.checkpoint import load_checkpoint
from training import finetune
from training.finish import WRITTEN_BY_PEOPLE, finish
from training.run_state import save_result

BAM = {"fusion": "sum", "hidden": 2, "dilation": 1, "padding_mode": "reflect"}
SPEC = {"architecture": "BamResNet", "trunk": {"depth": 18, "width": 4}, "bams": [BAM] * 3, "num_classes": 7}


@pytest.fixture
def shipped(tmp_path):
    about = dict.fromkeys(WRITTEN_BY_PEOPLE, "x") | {"preprocessing": {"size": 32}, "title": "BAM · seven"}
    net = build_model(SPEC)
    (tmp_path / "run").mkdir()
    save_result(net, tmp_path / "run")
    where = {"weights": tmp_path / "run" / "average.safetensors", "name": "shipped", "out": tmp_path}
    return finish(**where, spec=net.config, metrics={}, about=about)


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for label, name in enumerate(("apples", "pears")):
        (tmp_path / "fruit" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 60, (50, 70, 3), dtype=np.uint8)
            pixels[:, :, label] += 180
            Image.fromarray(pixels).save(tmp_path / "fruit" / name / f"{number}.jpg")
    return tmp_path / "fruit"


def test_two_colours_are_learned_and_the_card_says_so(shipped, folder, tmp_path):
    options = ["--start", str(shipped), "--out", str(tmp_path / "out"), "--epochs", "12", "--batch", "8"]
    finetune.main([str(folder), *options, "--rate", "3e-3", "--threads", "1"])
    card = json.loads((tmp_path / "out" / "fruit_bam.json").read_text())
    assert card["categories"] == ["apples", "pears"]
    assert card["title"] == "BAM · 2 categories of your own"
    assert card["config"]["num_classes"] == 2
    ((name, value),) = ((k, v) for k, v in card["metrics"].items() if "held out" in k)
    assert value == 100, name
    net = load_checkpoint(tmp_path / "out" / card["file"])
    assert net.fc.out_features == 2


def test_only_the_end_is_trained():
    net = build_model(SPEC)
    finetune.choose_trained(net, 1e-3, gates=False)
    assert {n.split(".")[0] for n, p in net.named_parameters() if p.requires_grad} == {"layer4", "fc"}
    finetune.choose_trained(net, 1e-3, gates=True)
    assert net.bam1.channel_att.gate_c.gate_c_fc_0.weight.requires_grad


def test_one_category_is_refused(folder):
    with pytest.raises(ValueError, match="two folders"):
        finetune.read_folder(folder / "apples", 32)
