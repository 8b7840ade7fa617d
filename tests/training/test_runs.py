"""Both trainings end to end on tiny data: interrupted runs end where uninterrupted ones do."""

import json
from functools import partial

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from attnviz.models.attention.dual_attention import PositionAttention
from attnviz.models.build import build_model
from training import classifier, evaluate, finish, segmentation
from training.gate_heads import GateHeads, flatness, gate_pooled
from training.grow import grow_into
from training.run_state import Budget, Run, WeightAverage, one_cycle, phase_at
from training.segmentation import own_class_loss, soft_jaccard_loss, without_own_features

CLASSIFIER = [
    *("--width", "4", "--hidden", "2", "2", "2", "--batch", "8", "--steps", "6", "--phases", "0", "32", "0.5", "48"),
    *("--threads", "1", "--device", "cpu", "--no-bf16", "--save-every", "1000"),
]
SEGMENTATION = [
    *("--width", "4", "--head-channels", "8", "--query-channels", "2", "--batch", "2", "--steps", "5"),
    *(
        "--phases",
        "0",
        "48",
        "--size",
        "64",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--no-bf16",
        "--report-every",
        "1000",
    ),
]


def described(folder, **preprocessing):
    (folder / "about.json").write_text(json.dumps({"preprocessing": preprocessing}))
    return ["--describe", str(folder / "about.json")]


@pytest.mark.parametrize(("module", "options"), [(classifier, CLASSIFIER), (segmentation, SEGMENTATION)])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(packed, tmp_path, module, options):
    data = ["--data", str(packed)]
    module.main([*data, "--folder", str(tmp_path / "once"), *options])
    for _ in range(3):
        module.main([*data, "--folder", str(tmp_path / "twice"), *options, "--stop-after", "2"])
    once, twice = (load_file(tmp_path / n / "average.safetensors") for n in ("once", "twice"))
    assert once.keys() == twice.keys()
    for name, value in once.items():
        assert torch.equal(value, twice[name]), name
    start = build_model(json.loads((tmp_path / "once" / "spec.json").read_text())).state_dict()
    assert start.keys() == once.keys()
    assert not list((tmp_path / "twice").glob("*.part"))


def test_a_resume_with_other_options_is_refused(packed, tmp_path):
    arguments = ["--data", str(packed), "--folder", str(tmp_path / "run"), *CLASSIFIER, "--stop-after", "1"]
    classifier.main(arguments)
    with pytest.raises(ValueError, match="expected a run with"):
        classifier.main([*arguments, "--rate", "0.7"])


def test_trained_evaluated_and_finished(packed, tmp_path):
    folder = tmp_path / "run"
    classifier.main(["--data", str(packed), "--folder", str(folder), *CLASSIFIER])
    weights, spec = folder / "average.safetensors", folder / "spec.json"
    where = ["--weights", str(weights), "--spec", str(spec), "--threads", "1", "--device", "cpu"]
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (90, 60), "orange").save(tmp_path / "photos" / "a.png")
    where += ["--photos", str(tmp_path / "photos"), *described(tmp_path, size=64, detail=0.5, jpeg_quality=75)]
    evaluate.main(["classifier", "--data", str(packed), *where, "--out", str(folder / "m.json")])
    metrics = json.loads((folder / "m.json").read_text())
    assert sum("ROC-AUC within rings" in name for name in metrics) == 3
    assert sum("flattened costs (points" in name for name in metrics) == 3
    assert sum("flattened costs (millinats" in name for name in metrics) == 3
    assert metrics["photos that are none of Imagenette's categories but are called one (%), 1 photos, 64 px"] in (
        0,
        100,
    )
    about = dict.fromkeys(finish.WRITTEN_BY_PEOPLE, "x")
    card = finish.finish(
        weights=weights, spec=json.loads(spec.read_text()), metrics=metrics, about=about, name="t", out=tmp_path
    )
    written = json.loads(card.read_text())
    half = load_file(tmp_path / written["file"])
    assert {v.dtype for v in half.values()} == {torch.float16, torch.int64}
    assert written["bytes"] == (tmp_path / "t.safetensors").stat().st_size
    with pytest.raises(ValueError, match="title"):
        finish.finish(weights=weights, spec={}, metrics={}, about={"titel": 1}, name="u", out=tmp_path)
    assert not (tmp_path / "u.safetensors").exists()


@pytest.mark.parametrize("attention", ["cbam", "sge", "se", "none"])
def test_other_networks_are_trained_by_the_same_recipe(packed, tmp_path, attention):
    data = ["--data", str(packed)]
    options = [*CLASSIFIER, "--attention", attention, "--width", "16", "--steps", "3", "--sharp", "0.5"]
    classifier.main([*data, "--folder", str(tmp_path), *options])
    where = [f"--weights={tmp_path / 'average.safetensors'}", f"--spec={tmp_path / 'spec.json'}", "--device=cpu"]
    where += described(tmp_path, size=64)
    evaluate.main(["classifier", *data, *where, "--out", str(tmp_path / "m.json")])
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert len(metrics) == 7
    assert all(name.startswith("top-1 (%)") and 0 <= value <= 100 for name, value in metrics.items())
    trained = build_model(json.loads((tmp_path / "spec.json").read_text()))
    assert len(trained.sites()) == {"cbam": 24, "sge": 8, "se": 8, "none": 0}[attention]


def test_everyday_things_are_segmented_too(packed, tmp_path):
    folder = tmp_path / "run"
    segmentation.main(["--data", str(packed), "--folder", str(folder), "--set", "everyday", *SEGMENTATION])
    spec = json.loads((folder / "spec.json").read_text())
    net = evaluate.load_trained(folder / "average.safetensors", spec, torch.device("cpu"))
    assert spec["num_classes"] == 22
    found = evaluate.evaluate_segmentation(net, packed, torch.device("cpu"), 48, None, bf16=False, name="everyday")
    assert "mean IoU (%), 22 classes, 2 held-out MSRC pictures seen at 48 x 48" in found
    assert "IoU of person (%), 2 held-out MSRC pictures seen at 48 x 48" in found


def test_segmentation_is_evaluated_and_left_as_it_was(packed, tmp_path):
    folder = tmp_path / "run"
    segmentation.main(["--data", str(packed), "--folder", str(folder), *SEGMENTATION])
    spec = json.loads((folder / "spec.json").read_text())
    net = evaluate.load_trained(folder / "average.safetensors", spec, torch.device("cpu"))
    before = net.gammas
    x = torch.randn(1, 3, 48, 64)
    with torch.inference_mode():
        variants = evaluate.fused_variants(net, net.pretrained(x))
        assert torch.allclose(variants["none"], net.head(net.pretrained(x))[0], atol=1e-5)
        net.head.sa.gamma.zero_()
        assert torch.allclose(variants["position"], net.head(net.pretrained(x))[0], atol=1e-5)
        net.head.sc.gamma.zero_()
        assert torch.allclose(variants["both"], net.head(net.pretrained(x))[0], atol=1e-5)
        net.head.sa.gamma.fill_(before["position"])
        net.head.sc.gamma.fill_(before["channel"])
    found = evaluate.evaluate_segmentation(net, packed, torch.device("cpu"), 48, None, bf16=False)
    assert net.gammas == before
    assert before["position"] > 0.5
    assert 0 <= found["total variation between rows, mean (0 to 1), 2 CamVid test pictures seen at 48 x 64"] <= 1
    assert not any(m._forward_hooks for m in net.modules())


def test_without_own_features_only_what_was_gathered_is_left():
    attention = PositionAttention(4, 2)
    attention.gamma.data.fill_(0.5)
    x = torch.randn(3, 4, 5, 6)
    alone = attention(x)
    attention.register_forward_hook(partial(without_own_features, chance=1.0))
    assert torch.allclose(attention(x), alone - x, atol=1e-6)
    assert torch.equal(attention.eval()(x), alone)


def test_own_features_are_left_out_of_some_pictures():
    attention = PositionAttention(4, 2).train()
    attention.register_forward_hook(partial(without_own_features, chance=0.5))
    torch.manual_seed(0)
    output = attention(torch.ones(200, 4, 2, 2))  # gamma is 0: nothing is left where x is left out
    empty = (output == 0).all((1, 2, 3))
    assert 70 < int(empty.sum()) < 130
    assert bool((output[~empty] == 1).all())


def test_either_attention_can_lose_its_own_features():
    options = segmentation.parse(["--data", ".", "--folder", ".", *SEGMENTATION])
    net = segmentation.WatchedDANet(build_model(segmentation.segmentation_spec(options)), drop_own_channels=1.0).train()
    x = torch.randn(2, 8, 4, 4)
    for module, left in ((net.net.head.sa, x), (net.net.head.sc, torch.zeros_like(x))):
        module.gamma.data.zero_()
        assert torch.equal(module(x), left)


def bam_net():
    spec = {
        "architecture": "BamResNet",
        "trunk": {"depth": 18, "width": 4},
        "bams": [{"hidden": 2, "dilation": 1, "padding_mode": "replicate"}] * 3,
        "num_classes": 3,
    }
    return build_model(spec)


def test_gate_heads_answer_as_the_network_does():
    net = bam_net().eval()
    x = torch.randn(2, 3, 64, 48)
    logits, extra, _ = GateHeads(net, [2, 3]).eval()(x)
    assert torch.allclose(logits, net(x), atol=1e-6)
    assert {k: tuple(v.shape) for k, v in extra.items()} == {"2": (2, 3), "3": (2, 3)}


def test_gate_pooled_by_hand():
    features = torch.tensor([[[[1.0, 3.0]]]])
    spatial = torch.tensor([[[[0.0, torch.log(torch.tensor(0.25 / 0.75))]]]])  # gates 1/2 and 1/4
    assert gate_pooled(features, spatial).item() == pytest.approx((2 * 1 + 1 * 3) / 3)


def test_flatness_counts_differences_within_a_picture_only():
    apart = torch.tensor([5.0, -5.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert flatness(apart, 0.3).item() == pytest.approx(0.3**2, rel=1e-2)
    within = torch.logit(torch.tensor([0.6, 0.4, 0.6, 0.4])).view(1, 1, 2, 2).expand(2, 1, 2, 2)
    assert flatness(within, 0.3).item() == pytest.approx(0.2**2, rel=1e-2)
    assert flatness(10 * within, 0.3).item() == 0
    outlier = torch.zeros(1, 1, 8, 8)
    outlier[..., 0, 0] = 80
    assert outlier.std() > 5
    assert flatness(outlier, 0.3).item() > 0.2**2
    constant = torch.zeros(2, 1, 2, 2, requires_grad=True)
    flatness(constant, 0.3).backward()
    assert constant.grad.isfinite().all()


def test_flatness_is_a_part_of_the_loss(packed, tmp_path):
    data = ["--data", str(packed), *CLASSIFIER, "--stop-after", "1"]
    losses = []
    for weight in ("0", "10"):
        folder = tmp_path / weight
        classifier.main([*data, "--folder", str(folder), "--flatness", weight])
        state = torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
        losses.append(state["net.bam1.spatial_att.gate_s.gate_s_conv_final.weight"])
    assert not torch.equal(*losses)


def narrow_and_wide(tmp_path):
    torch.manual_seed(2)
    spec = bam_net().config
    nets = [build_model({**spec, "trunk": {"depth": 18, "width": width}}) for width in (4, 8)]
    for net in nets:
        net.train()(torch.randn(4, 3, 64, 64))  # norms that know something
    save_file(nets[0].state_dict(), tmp_path / "narrow.safetensors")
    return nets


def test_a_grown_network_answers_as_the_narrow_one_does_and_can_learn(tmp_path):
    narrow, wide = narrow_and_wide(tmp_path)
    assert classifier.start_from(wide, tmp_path / "narrow.safetensors", leave=()) == []
    x = torch.randn(2, 3, 64, 64)
    assert torch.allclose(narrow.eval()(x), wide.eval()(x), atol=1e-5)
    optimizer = torch.optim.SGD(wide.parameters(), lr=0.01)
    before = {name: value.clone() for name, value in wide.named_parameters()}
    for _ in range(3):  # the first step reaches the new channels' readers only
        optimizer.zero_grad()
        wide.train()(x).square().sum().backward()
        optimizer.step()
    for name, value in wide.named_parameters():
        if name.endswith("conv1.weight"):
            assert not torch.equal(value[-1], before[name][-1]), name


def test_a_network_does_not_shrink(tmp_path):
    narrow, _ = narrow_and_wide(tmp_path)
    smaller = build_model({**narrow.config, "trunk": {"depth": 18, "width": 2}})
    with pytest.raises(ValueError, match=r"conv1\.weight of .*fits in \(2, 3, 7, 7\), got \(4, 3, 7, 7\)"):
        classifier.start_from(smaller, tmp_path / "narrow.safetensors", leave=())
    with pytest.raises(ValueError, match="fits in"):
        grow_into(torch.zeros(4, 3, 3, 3), torch.zeros(2, 3, 1, 1))


def test_flattening_takes_the_place_out_of_a_gate():
    net = bam_net().eval()
    x = torch.randn(1, 3, 64, 64)
    with evaluate.output_replaced(net.bam2.gate, evaluate.flattened):
        flat = net(x)
    assert not torch.allclose(flat, net(x))
    assert not net.bam2.gate._forward_hooks
    gate = torch.rand(2, 3, 4, 5)
    assert torch.allclose(evaluate.flattened(gate)[1, 2, 0, 0], gate[1, 2].mean())


def test_start_from_takes_all_but_the_prefixes_left(tmp_path):
    torch.manual_seed(1)
    given, net = bam_net(), bam_net()
    save_file(given.state_dict(), tmp_path / "w.safetensors")
    fresh = classifier.start_from(net, tmp_path / "w.safetensors", leave=("bam",))
    assert fresh
    assert all(name.startswith("bam") for name in fresh)
    assert torch.equal(net.fc.weight, given.fc.weight)
    assert not torch.equal(net.bam1.spatial_att.gate_s[0].weight, given.bam1.spatial_att.gate_s[0].weight)
    save_file({"fc.weight": given.fc.weight.detach()}, tmp_path / "half.safetensors")
    with pytest.raises(ValueError, match=r"conv1\.weight"):
        classifier.start_from(net, tmp_path / "half.safetensors", leave=("bam",))


def test_gates_learn_fast_and_without_decay():
    groups = classifier.parameter_groups(GateHeads(bam_net(), [3]), rate=0.1, decay=0.01, fast=3)
    assert [(round(g["lr"], 3), g["weight_decay"]) for g in groups] == [(0.3, 0.0), (0.1, 0.01), (0.1, 0.0)]
    assert sum(len(g["params"]) for g in groups) == len(list(GateHeads(bam_net(), [3]).parameters()))


def test_own_class_loss_by_hand():
    rows = torch.tensor([[[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.1, 0.1, 0.8]]])
    labels = torch.tensor([[0, 0, 255]])
    loss = own_class_loss(rows, labels, torch.tensor([0, 2]))  # the second query has no class
    assert loss.item() == pytest.approx(-torch.log(torch.tensor(0.75)).item())


def test_soft_jaccard_loss_by_hand():
    logits = torch.log(torch.tensor([[[[0.75, 0.5]], [[0.25, 0.5]]]]))  # one row of two pixels, two classes
    labels = torch.tensor([[[0, 255]]])
    assert soft_jaccard_loss(logits, labels).item() == pytest.approx(1 - 0.75 / (0.75 + 1 - 0.75))
    both = soft_jaccard_loss(logits, torch.tensor([[[0, 1]]]))
    assert both.item() == pytest.approx(1 - (0.75 / (1.25 + 1 - 0.75) + 0.5 / (0.75 + 1 - 0.5)) / 2)
    assert soft_jaccard_loss(logits, torch.full((1, 1, 2), 255)).item() == 0


def test_schedule():
    assert one_cycle(0.0) == pytest.approx(0.1)
    assert one_cycle(0.04) == pytest.approx(1.0)
    assert one_cycle(1.0) == pytest.approx(0.0)
    assert [phase_at(p, [(0.0, 64), (0.5, 128)]) for p in (0.0, 0.49, 0.5, 1.0)] == [64, 64, 128, 128]
    with pytest.raises(ValueError, match="either steps or seconds"):
        Budget(steps=3, seconds=4)


def test_average_of_two_updates_by_hand():
    net = torch.nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(0.0)
    average = WeightAverage(net, decay=0.9)
    net.weight.data.fill_(1.0)
    average.update(net)  # decay 2 / 11
    average.update(net)  # decay 3 / 12
    assert average.values["weight"].item() == pytest.approx(1 - 2 / 11 * 3 / 12)


def test_a_checkpoint_is_whole_or_absent(tmp_path, monkeypatch):
    net = torch.nn.Linear(1, 1)
    run = Run(net, torch.optim.SGD(net.parameters(), lr=1), WeightAverage(net, 0.9), Budget(steps=1), {})
    run.save(tmp_path / "c.pt")
    before = (tmp_path / "c.pt").read_bytes()

    def broken(state, stream):
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        run.save(tmp_path / "c.pt")
    assert (tmp_path / "c.pt").read_bytes() == before


def test_parts_freeze_when_the_run_is_far_enough(packed, tmp_path):
    arguments = ["--data", str(packed), "--folder", str(tmp_path), *CLASSIFIER, "--freeze", "conv1"]
    arguments += ["--freeze-after", "0.5"]
    values = []
    for _ in range(3):  # 2, 4 and 6 of 6 steps
        classifier.main([*arguments, "--stop-after", "2"])
        values.append(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]["net.conv1.weight"])
    assert not torch.equal(values[0], values[1])
    assert torch.equal(values[1], values[2])


def test_frozen_parts_stay_as_they_are(packed, tmp_path):
    arguments = ["--data", str(packed), "--folder", str(tmp_path / "run"), *CLASSIFIER]
    classifier.main([*arguments, "--stop-after", "3"])
    average = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["average"]["values"]
    classifier.main([*arguments, "--freeze", "conv1", "bn1", "layer1"])
    after = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["model"]
    frozen = [n for n in after if n.startswith(("net.conv1", "net.bn1", "net.layer1"))]
    assert "net.bn1.running_mean" in frozen
    assert all(torch.equal(after[n], average[n]) for n in frozen)
    assert not torch.equal(after["net.layer2.0.conv1.weight"], average["net.layer2.0.conv1.weight"])
    with pytest.raises(ValueError, match="layer9"):
        classifier.main([*arguments, "--freeze", "layer9"])
