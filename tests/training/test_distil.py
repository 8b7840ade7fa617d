"""From folders of photos to a network that learned a teacher's answers, on photos small enough for seconds."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from attnviz.models.build import build_model
from training import distil, flattening, gauges, gaze, label, near_copies, sheet
from training.guided_gates import GuidedGates, disagreement, roughness, set_contrast, shortfall
from training.photos import Source, View, cut, load_photos, pack, views
from training.run_state import save_result
from training.shards import LabelledViews
from training.trunk import calibrate_norms, load_folded, pairs, take_block_gain_out, take_gain_out

SMALL = {"depth": 18, "width": 4}
BAM = {"fusion": "sum", "hidden": 2, "dilation": 1, "padding_mode": "reflect"}


def small_spec(family, categories=1000):
    if family == "bam":
        return {"architecture": "BamResNet", "trunk": SMALL, "bams": [BAM] * 3, "num_classes": categories}
    inner = None if family == "none" else {"kind": family, "groups": 4}
    return {"architecture": "AttentionResNet", "trunk": {**SMALL, "attention": inner}, "num_classes": categories}


@pytest.fixture
def raw(tmp_path):
    random = np.random.default_rng(0)
    for number in range(40):
        kind = "left" if number % 2 else "right"
        (tmp_path / "raw" / "mine" / kind).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 80, (60, 90, 3), dtype=np.uint8)
        pixels[20:40, 10 : 30 if number % 2 else 20, number % 3] = 255
        Image.fromarray(pixels).save(tmp_path / "raw" / "mine" / kind / f"{number}.png")
    return tmp_path / "raw"


@pytest.fixture
def photos(raw, tmp_path):
    pack([Source("mine", "mine", held_out=5)], raw, tmp_path / "data")
    return load_photos(tmp_path / "data")


@pytest.fixture
def teacher(monkeypatch):
    monkeypatch.setattr(label, "SHARD", 8)
    monkeypatch.setattr(label, "BATCH", 4)
    for module in (label, gauges):
        monkeypatch.setattr(module, "load_teacher", lambda *_: answers_by_colour)


def answers_by_colour(images):
    logits = np.zeros((len(images), 1000), np.float32)
    logits[:, :3] = images.mean((1, 2)) / 10
    return logits


@pytest.fixture
def shards(photos, teacher, tmp_path):
    label.main(["--photos", str(tmp_path / "data"), "--out", str(tmp_path / "shards"), "--size", "32", "--total", "4"])
    return tmp_path / "shards"


def test_photos_are_packed_as_they_are(raw, photos):
    assert len(photos) == 40
    assert 0 < photos.held_out.sum() < 20
    assert photos.photo(0).size == (90, 60)
    assert all(str(name).startswith("mine/") for name in photos.names)


def test_listed_photos_are_left_out(raw, tmp_path):
    (raw / "list.txt").write_text("mine/left/1.png\n")
    files = Source("mine", "mine", leave_out="list.txt").files(raw)
    assert len(files) == 39
    assert raw / "mine/left/1.png" not in files


def test_only_listed_photos_are_taken(raw):
    (raw / "lists").mkdir()
    (raw / "lists" / "a_train.txt").write_text("1.png\n3.png\n")
    assert [p.name for p in Source("mine", "mine", only="lists").files(raw)] == ["1.png", "3.png"]


def test_large_photos_are_reduced(tmp_path):
    (tmp_path / "raw" / "big").mkdir(parents=True)
    Image.new("RGB", (1280, 640)).save(tmp_path / "raw" / "big" / "a.jpg")
    (tmp_path / "raw" / "big" / "broken.jpg").write_bytes(b"no photo")
    pack([Source("big", "big")], tmp_path / "raw", tmp_path / "data")
    found = load_photos(tmp_path / "data")
    assert len(found) == 1
    assert found.photo(0).size == (640, 320)


def test_a_pass_draws_each_photo_once_and_none_held_out(photos):
    drawn = list(views(photos, 3, 0.25))
    assert sorted(v.photo for v in drawn) == list(np.flatnonzero(~photos.held_out))
    assert drawn == list(views(photos, 3, 0.25))
    assert drawn != list(views(photos, 4, 0.25))
    for view in drawn:
        left, top, right, bottom = view.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1


def test_a_view_is_what_its_box_holds():
    image = Image.new("RGB", (80, 40), "red")
    image.paste("blue", (40, 0, 80, 40))
    assert (cut(image, View(0, (0.5, 0, 1, 1), flip=False), 16)[:, 1:, 2] == 255).all()
    mirrored = cut(image, View(0, (0, 0, 1, 1), flip=True), 16)
    assert mirrored[8, 2].tolist() == [0, 0, 255]


def test_shards_go_on_where_they_were_and_the_oldest_go(photos, shards, tmp_path):
    before = sorted(p.name for p in shards.glob("logits-*.npy"))
    options = ["--photos", str(tmp_path / "data"), "--out", str(shards), "--size", "32", "--total", "2"]
    label.main([*options, "--shards", "4"])
    after = sorted(p.name for p in shards.glob("logits-*.npy"))
    assert len(before) == len(after) == 4
    assert after[:2] == before[2:]
    assert len(list(shards.glob("views-*.npy"))) == 4
    images, logits = (np.load(shards / after[0].replace("logits", kind)) for kind in ("views", "logits"))
    assert (images.shape, images.dtype) == ((8, 32, 32, 3), np.uint8)
    assert (logits.shape, logits.dtype) == ((8, 1000), np.float16)
    assert np.abs(logits[:, :3] - images.mean((1, 2)) / 10).max() < 1  # of the same views


def test_views_are_drawn_evenly(shards):
    drawn = LabelledViews(shards, batch=8, seed=0, at_once=2)
    for step in range(8):
        x, logits = drawn(step)
        assert x.shape == (8, 3, 32, 32)
        assert logits.shape == (8, 1000)
    assert set(drawn.used.values()) == {2}


@pytest.mark.parametrize("family", ["none", "bam", "sge", "se", "cbam"])
def test_a_run_goes_on_after_an_interruption(shards, tmp_path, monkeypatch, family):
    monkeypatch.setattr(distil, "spec_of", small_spec)
    trunk = build_model(small_spec("none"))
    save_file(trunk.state_dict(), tmp_path / "trunk.safetensors")
    options = [
        *("--shards", str(shards), "--folder", str(tmp_path / "run"), "--family", family, "--steps", "5"),
        *("--start", str(tmp_path / "trunk.safetensors"), "--fresh", family, "--batch", "4", "--no-bf16"),
        *("--rates", "layer4=1e-3", "fc=1e-3", "bam=1e-3", "heads=1e-3", "--calibrate", "2", "--size", "32"),
    ]
    distil.main([*options, "--stop-after", "3"])
    assert not (tmp_path / "run" / "average.safetensors").exists()
    distil.main(options)
    found = load_file(tmp_path / "run" / "average.safetensors")
    spec = json.loads((tmp_path / "run" / "spec.json").read_text())
    build_model(spec).load_state_dict(found, strict=True)
    assert torch.equal(found["layer1.0.conv1.weight"], trunk.state_dict()["layer1.0.conv1.weight"])
    assert not torch.equal(found["layer4.1.conv2.weight"], trunk.state_dict()["layer4.1.conv2.weight"])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # OpenVINO traces with it
@pytest.mark.parametrize("family", ["none", "bam"])
def test_the_frozen_front_answers_as_the_network_does(shards, family):
    pytest.importorskip("openvino")
    from training.frozen_front import FrozenFront

    net = build_model(small_spec(family)).eval()
    x, _ = LabelledViews(shards, batch=4, seed=0)(0)
    with torch.no_grad():
        assert torch.allclose(FrozenFront(net, 1)(x)[0], net(x), atol=0.05)


@pytest.mark.parametrize("family", ["none", "bam", "sge", "se", "cbam"])
def test_every_norm_of_the_trunk_is_found_and_none_of_the_attention(family):
    names = [name for name, _, _ in pairs(build_model(small_spec(family)))]
    assert len(names) == 20  # 17 convolutions, 3 shortcuts
    assert names == [name for name, _, _ in pairs(build_model(small_spec("none")))]


def test_folded_norms_come_back(tmp_path):
    torch.manual_seed(0)
    net, folded = build_model(small_spec("none")).eval(), {}
    for name, conv, _norm in pairs(net):
        folded[f"{name}.weight"] = torch.randn_like(conv.weight) / 10
        folded[f"{name}.bias"] = torch.randn(len(conv.weight)) / 10
    folded |= {"fc.weight": torch.randn(1000, 32), "fc.bias": torch.randn(1000)}
    assert len(folded) == 2 * 21  # 17 convolutions, 3 shortcuts, the classifier
    save_file(folded, tmp_path / "folded.safetensors")
    load_folded(net, tmp_path / "folded.safetensors")
    x = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        before = net(x)
        calibrate_norms(net, [x])
        assert torch.allclose(net(x), before, atol=1e-3 * float(before.abs().max()))
        pooled = net.bn1(net.conv1(x))
        standard = (pooled - net.bn1.bias[:, None, None]) / net.bn1.weight[:, None, None]
    assert float(standard.mean().abs()) < 0.01
    assert abs(float(standard.std()) - 1) < 0.05


def test_half_open_gates_leave_the_network_as_it_was():
    plain, net = (build_model(small_spec(family)).eval() for family in ("none", "bam"))
    distil.take_weights(net, plain.state_dict(), {"bam"})
    take_gain_out(net)
    for bam in (net.bam1, net.bam2, net.bam3):
        torch.nn.init.zeros_(bam.channel_att.gate_c.gate_c_bn_final.weight)
    set_contrast(net, {1: 0.0, 2: 0.0, 3: 0.0})
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(net(x), plain(x), atol=1e-4 * float(plain(x).abs().max()))


@pytest.mark.parametrize("family", ["sge", "se", "cbam"])
def test_attention_in_the_blocks_starts_as_the_trunk_was(family):
    plain, net = (build_model(small_spec(kind)).eval() for kind in ("none", family))
    distil.take_weights(net, plain.state_dict(), {family})
    take_block_gain_out(net)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(net(x), plain(x), atol=1e-4 * float(plain(x).abs().max()))


@pytest.mark.parametrize("family", ["sge", "se", "cbam"])
def test_norms_are_measured_behind_gates_as_they_start(family, shards, tmp_path, monkeypatch):
    """Measured behind CBAM's closed gates, the first loss was seven times the trunk's."""
    monkeypatch.setattr(distil, "spec_of", small_spec)
    plain = build_model(small_spec("none"))
    save_file(plain.state_dict(), tmp_path / "none.safetensors")
    common = ["--shards", str(shards), "--folder", str(tmp_path), "--steps", "1", "--rates", "fc=0.001"]
    common += ["--start", str(tmp_path / "none.safetensors"), "--calibrate", "2"]
    net = build_model(small_spec(family))
    distil.start(plain, distil.parse(common), LabelledViews(shards, 4, 0))
    distil.start(net, distil.parse([*common, "--fresh", family]), LabelledViews(shards, 4, 0))
    for name, value in plain.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            assert torch.allclose(net.state_dict()[name], value, rtol=0.05, atol=0.02), name


def test_the_end_can_come_from_a_trunk_that_was_trained_on(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(distil, "spec_of", small_spec)
    bam, trunk = (build_model(small_spec(family)) for family in ("bam", "none"))
    for name, net in (("bam", bam), ("trunk", trunk)):
        save_file(net.state_dict(), tmp_path / f"{name}.safetensors")
    options = ["--shards", str(shards), "--folder", str(tmp_path), "--steps", "1", "--rates", "fc=0.001"]
    files = ["--start", str(tmp_path / "bam.safetensors"), "--end", str(tmp_path / "trunk.safetensors")]
    mine = build_model(small_spec("bam"))
    distil.start(mine, distil.parse([*options, *files, "--calibrate", "1"]), LabelledViews(shards, 4, 0))
    assert torch.equal(mine.bam1.channel_att.gate_c.gate_c_fc_0.weight, bam.bam1.channel_att.gate_c.gate_c_fc_0.weight)
    assert torch.equal(mine.layer3[0].conv1.weight, bam.layer3[0].conv1.weight)
    assert torch.allclose(mine.layer4[0].conv1.weight * 1.5, trunk.layer4[0].conv1.weight)
    assert torch.equal(mine.layer4[1].conv1.weight, trunk.layer4[1].conv1.weight)
    assert torch.equal(mine.fc.weight, trunk.fc.weight)


def test_balanced_views_are_drawn_by_their_weights(shards):
    views = LabelledViews(shards, batch=8, seed=0, at_once=1, balance=1.0)
    drawn, answers = views(0)
    assert drawn.shape[0] == answers.shape[0] == 8


def test_one_bam_can_start_afresh():
    first, second = (build_model(small_spec("bam")) for _ in range(2))
    kept = second.state_dict()["bam2.spatial_att.gate_s.gate_s_conv_reduce0.weight"].clone()
    distil.take_weights(second, first.state_dict(), {"bam2"})
    assert torch.equal(second.state_dict()["bam2.spatial_att.gate_s.gate_s_conv_reduce0.weight"], kept)
    assert torch.equal(
        second.bam1.channel_att.gate_c.gate_c_fc_0.weight, first.bam1.channel_att.gate_c.gate_c_fc_0.weight
    )
    with pytest.raises(ValueError, match="expected bam1"):
        distil.take_weights(second, build_model(small_spec("none")).state_dict(), {"bam2"})


def test_parts_without_a_rate_are_frozen():
    net = build_model(small_spec("bam"))
    groups = distil.rate_groups(net, {"layer4": 1.0, "layer4.1": 3.0, "bam": 2.0}, decay=0.1)
    assert {(g["lr"], g["weight_decay"]) for g in groups} == {
        (1.0, 0.0),
        (1.0, 0.1),
        (3.0, 0.0),
        (3.0, 0.1),
        (2.0, 0.0),
    }
    assert not net.conv1.weight.requires_grad
    assert net.layer4[0].conv1.weight.requires_grad


def test_a_column_alike_in_every_photo_earns_nothing():
    column = torch.zeros(6, 1, 8, 8)
    column[..., 0] = 1
    own = torch.zeros(6, 1, 8, 8)
    own[torch.arange(6), 0, torch.arange(6)] = 1
    assert float(shortfall(column, 0.25)) == pytest.approx(0.249**2, rel=0.01)
    assert float(shortfall(own, 0.25)) < 0.01


def test_a_lattice_is_rough_and_a_turned_gate_disagrees():
    lattice = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    assert float(roughness(lattice[None, None].float())) == 2
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    fine = torch.arange(8.0).expand(1, 1, 8, 8)
    assert float(disagreement(fine, ramp)) == 0
    assert float(disagreement(-fine, ramp)) > 1.4


def test_a_gate_open_everywhere_is_crowded():
    net = build_model(small_spec("bam"))
    crowded, without = (GuidedGates(net, 0.0, (0, 0, 0), crowding=weight) for weight in (1.0, 0.0))
    spatials = [torch.full((2, 1, 4, 4), 9.0), torch.full((2, 1, 4, 4), -9.0), torch.zeros(2, 1, 4, 4)]
    assert float(crowded.penalty(spatials)) == pytest.approx((2 / 3) ** 2 + (1 / 6) ** 2, rel=0.01)
    assert float(without.penalty(spatials)) == 0


def test_gauges_are_percentages(raw, photos, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(gauges, "IMAGENETTE", {"left": 0, "right": 1})
    where = ["--photos", str(tmp_path / "data"), "--imagenette", str(raw / "mine"), "--out", str(tmp_path / "gauges")]
    gauges.main([*where, "--count", "6"])
    found = gauges.gauge(build_model(small_spec("none")), tmp_path / "gauges")
    assert set(found) == {"agreement", "in five", "imagenette", "of ten", "balanced", "balanced in five"}
    assert all(0 <= value <= 100 for value in found.values())


def test_maps_are_scored_against_fixations():
    values, fixations = np.zeros((4, 6)), np.zeros((4, 6))
    values[1, 2] = 1
    fixations[1, 2] = 5
    auc, nss = gaze.gaze_scores(values, fixations)
    assert auc == pytest.approx((23 + 0.5) / 24)  # the fixated cell is among all cells, tied with itself
    assert nss == pytest.approx((1 - 1 / 24) / np.sqrt(1 / 24 - 1 / 24**2))
    assert gaze.gaze_scores(-values, fixations)[1] < 0


def test_mass_along_each_side_is_one_for_an_even_map():
    even = np.ones((4, 5))
    even[1, 1] = 0
    assert gaze.sides(even) == pytest.approx(np.array([5 / 19 * 4, 5 / 19 * 4, 4 / 19 * 5, 4 / 19 * 5]))


def test_gaze_of_a_network(raw, tmp_path, monkeypatch, capsys):
    net = build_model(small_spec("bam"))
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "spec.json").write_text(json.dumps(net.config))
    photo = raw / "mine/left/1.png"
    monkeypatch.setattr(gaze, "osie", lambda _: [(photo, [(0.2, 0.5), (0.5, 0.5)])])
    monkeypatch.setattr(gaze, "persons", lambda _: [(photo, (0.1, 0.3, 0.4, 0.7))])
    where = ["--weights", str(tmp_path / "w.safetensors"), "--spec", str(tmp_path / "spec.json")]
    gaze.main([*where, "--osie", "osie", "--stanford40", "stanford40", "--out", str(tmp_path / "gaze.json")])
    found = json.loads((tmp_path / "gaze.json").read_text())
    assert found["photos with fixations"] == found["photos with boxes"] == 1
    assert found["centre ROC-AUC within rings"] == 0.5
    assert "Grad-CAM gaze NSS" in found


def test_flattening_costs_are_counted_with_their_errors(raw, photos, teacher, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gauges, "IMAGENETTE", {"left": 0, "right": 1})
    where = ["--photos", str(tmp_path / "data"), "--imagenette", str(raw / "mine"), "--out", str(tmp_path / "gauges")]
    gauges.main([*where, "--count", "6"])
    net = build_model(small_spec("bam"))
    save_result(net, tmp_path)
    options = ["--weights", str(tmp_path / "average.safetensors"), "--spec", str(tmp_path / "spec.json")]
    flattening.main([*options, "--gauges", str(tmp_path / "gauges"), "--out", str(tmp_path / "costs.json")])
    found = json.loads((tmp_path / "costs.json").read_text())
    assert len(found) == 2 + 4 * 2 * 2 * 2


def test_a_sheet_shows_every_photo(raw, tmp_path):
    net = build_model(small_spec("bam"))
    save_result(net, tmp_path)
    options = ["--weights", str(tmp_path / "average.safetensors"), "--spec", str(tmp_path / "spec.json")]
    (tmp_path / "look").mkdir()
    for number in (0, 2, 4):
        (raw / f"mine/right/{number}.png").rename(tmp_path / "look" / f"{number}.png")
    sheet.main([*options, "--photos", str(tmp_path / "look"), "--out", str(tmp_path / "sheet.png")])
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.size == (2 * 5 * (165 + sheet.GAP), 2 * (sheet.HEIGHT + sheet.GAP))


def test_copies_of_photos_to_measure_on_are_never_drawn(raw, photos, tmp_path):
    random = np.random.default_rng(1)
    other = Image.fromarray(random.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    drawn = next(i for i in range(len(photos)) if not photos.held_out[i])
    (tmp_path / "measure").mkdir()
    other.save(tmp_path / "measure" / "other.png")
    photos.photo(drawn).resize((45, 45)).save(tmp_path / "measure" / "copy.png")
    near_copies.main(["--photos", str(tmp_path / "data"), "--of", str(tmp_path / "measure")])
    again = load_photos(tmp_path / "data")
    assert again.copied[drawn]
    assert drawn not in {view.photo for view in views(again, 0, 0.25)}
    assert not (again.copied & again.held_out).any()


def test_a_module_within_has_the_rate_of_its_name_before_that_of_its_stage():
    net = build_model(small_spec("sge"))
    groups = distil.rate_groups(net, {"layer": 1e-5, "layer4": 1e-4, "sge": 1e-3}, decay=0.02)
    rate_of = {id(parameter): (group["lr"], group["weight_decay"]) for group in groups for parameter in group["params"]}
    named = dict(net.named_parameters())
    assert rate_of[id(named["layer1.0.conv1.weight"])] == (1e-5, 0.02)
    assert rate_of[id(named["layer4.0.conv1.weight"])] == (1e-4, 0.02)
    gates = [name for name in named if ".sge." in name]
    assert gates
    assert {rate_of[id(named[name])] for name in gates} == {(1e-3, 0.0)}
    assert not named["fc.weight"].requires_grad
