"""From photo to files and back, with the shipped weights."""

import dataclasses
import io
import json
import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from attnviz.errors import CheckpointError, DeviceError, ImageError, InputError, UnknownModelError
from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.weights.checkpoint import save_checkpoint
from attnviz.models.weights.registry import DEFAULT_MODEL, load_model
from attnviz.pipeline import explain
from attnviz.render.figure_options import FigureOptions
from attnviz.save.export import export
from attnviz.save.manifest import PhotoSource
from attnviz.save.replay import MapComparison, ReplayReport, replay
from tests.observe.own_networks import Encoder, Vit, seeded

DANET = "danet_resnet18_w32_camvid"
SMALL = FigureOptions(width_mm=85, dpi=72, scaling="shared", colormap="magma")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, photo_path):
    """A photo, and beside it a folder with what was exported about it."""
    root = tmp_path_factory.mktemp("exported")
    shutil.copy(photo_path, root / "cat.jpg")
    explanation = explain(root / "cat.jpg", device="cpu", size=64, top=2)
    export(explanation, root / "out", ["png", "svg", "npz"], options=SMALL, source=PhotoSource.of(root / "cat.jpg"))
    return root


@pytest.fixture
def place(exported, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(exported, tmp_path / "copy")


def change(place, part, **values):
    path = place / "out" / "manifest.json"
    document = json.loads(path.read_text())
    (document[part] if part else document).update(values)
    path.write_text(json.dumps(document))
    return path


def test_the_same_photo_makes_the_same_maps_and_the_same_files(place):
    report = replay(place / "out" / "manifest.json")
    assert report.identical
    assert report.close
    assert report.max_difference == 0.0
    assert report.figure_identical is True
    assert report.notes == ()
    assert {entry.label for entry in report.maps} >= {"stage1.gain", "stage3.spatial_logit", "stage2.channel_logit"}
    for name in ("figure.png", "figure.svg", "maps.npz"):
        assert (place / "out" / "replay" / name).read_bytes() == (place / "out" / name).read_bytes()
    assert report.sentence() == f"identical: all {len(report.maps)} maps are the same to the bit"


OTHER = Preprocessing(
    size=64, mean=(0.4, 0.5, 0.6), std=(0.3, 0.2, 0.25), multiple=16, detail=0.7, jpeg_quality=30, aliased=False
)


@pytest.fixture(scope="module")
def usual(photo_path):
    """A photo prepared as the weights were trained for."""
    loaded = load_model("bam_resnet18_w32", "cpu")
    return explain(photo_path, loaded, preprocessing=dataclasses.replace(loaded.card.preprocessing, size=80))


@pytest.mark.parametrize("part", ["mean", "std", "multiple", "detail", "jpeg_quality", "aliased", "resize_mode"])
def test_a_photo_is_prepared_as_it_was_whatever_the_weights_were_trained_for(tmp_path, photo_path, usual, part):
    value = "stretch" if part == "resize_mode" else getattr(OTHER, part)
    assert getattr(usual.preprocessing, part) != value
    preprocessing = dataclasses.replace(usual.preprocessing, **{part: value})
    changed = explain(photo_path, "bam_resnet18_w32", device="cpu", preprocessing=preprocessing)
    gains = [explanation.maps["stage1.gain"].values for explanation in (usual, changed)]
    assert not np.array_equal(*gains)  # or the test would show nothing
    export(changed, tmp_path / "a", ["png", "npz"], options=SMALL, source=PhotoSource.of(photo_path))
    report = replay(tmp_path / "a" / "manifest.json", out_dir=tmp_path / "b")
    assert report.identical
    assert report.figure_identical is True
    again = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert again["preprocessing"][part] == (list(value) if isinstance(value, tuple) else value)


def test_more_classes_than_a_byte_can_count_come_back(tmp_path, photo_path, tiny_net):
    net = tiny_net("DANet", num_classes=300)
    with torch.no_grad():
        net.head.conv8[-1].bias[256:] += 1e3  # so that large numbers win
    save_checkpoint(net, tmp_path / "many.safetensors")
    explanation = explain(photo_path, tmp_path / "many.safetensors", device="cpu", size=64)
    assert explanation.segmentation.labels["fused"].min() >= 256
    export(explanation, tmp_path / "a", ["png", "npz"], options=SMALL, source=PhotoSource.of(photo_path))
    with np.load(tmp_path / "a" / "maps.npz") as archive:
        assert archive["segmentation.fused"].dtype == np.uint16
        assert (archive["segmentation.fused"] == explanation.segmentation.labels["fused"]).all()
    report = replay(tmp_path / "a" / "manifest.json", model=str(tmp_path / "many.safetensors"))
    assert report.identical
    assert report.figure_identical is True


def test_position_attention_with_pins_comes_back_too(tmp_path, photo_path):
    options = FigureOptions(
        width_mm=85, dpi=72, pins=((100.5, 60.0), (300.0, 200.0)), panels=("photo", "row:2", "column:1")
    )
    explanation = explain(photo_path, DANET, device="cpu", size=64)
    export(explanation, tmp_path / "a", ["png", "npz"], options=options, source=PhotoSource.of(photo_path))
    report = replay(tmp_path / "a" / "manifest.json", out_dir=tmp_path / "b")
    assert report.identical
    assert report.figure_identical is True
    assert {"row:2", "column:1", "position.received", "channel.matrix"} <= {entry.label for entry in report.maps}


def test_the_photo_can_be_given_and_may_have_another_name(place):
    (place / "cat.jpg").rename(place / "elsewhere.jpg")
    with pytest.raises(ImageError, match=r"expected the photo cat.jpg .* give it with --photo"):
        replay(place / "out" / "manifest.json")
    assert replay(place / "out" / "manifest.json", photo=place / "elsewhere.jpg").identical


def test_a_photo_beside_the_manifest_is_found(place):
    (place / "cat.jpg").rename(place / "out" / "cat.jpg")
    assert replay(place / "out" / "manifest.json").identical


def test_another_photo_is_told_by_its_hash(place, assets):
    expected = json.loads((place / "out" / "manifest.json").read_text())["photo"]["sha256"]
    with pytest.raises(ImageError, match=f"{expected}.*another photo"):
        replay(place / "out" / "manifest.json", photo=assets / "coffee.jpg")
    assert not (place / "out" / "replay").exists()


def test_the_same_pixels_in_another_file_will_do(place, photo):
    Image.fromarray(photo).save(place / "cat.png")
    report = replay(place / "out" / "manifest.json", photo=place / "cat.png")
    assert report.identical
    assert report.notes == ("the photo's file is another one, with the same pixels",)


def test_other_weights_are_told(place):
    path = change(place, "model", sha256="0" * 64)
    with pytest.raises(CheckpointError, match=f"expected weights with SHA-256 {'0' * 64}, got [0-9a-f]{{64}}"):
        replay(path)


@pytest.mark.parametrize("name", ["no_such_model", "/etc/passwd", "../cat.jpg", "x" * 4000])
def test_a_manifest_cannot_make_the_program_open_a_file_as_weights(place, name):
    with pytest.raises(UnknownModelError, match="give the file with --model"):
        replay(change(place, "model", name=name))


def test_a_checkpoint_of_that_hash_stands_in_for_an_unknown_name(place):
    path = change(place, "model", name="known elsewhere")
    report = replay(path, model=DEFAULT_MODEL)
    assert report.identical


def test_random_weights_cannot_be_had_again(place):
    with pytest.raises(UnknownModelError, match="expected a manifest of weights that have a hash"):
        replay(change(place, "model", sha256=None, trained=False))


def test_a_difference_is_measured_against_the_archive(place):
    archive = place / "out" / "maps.npz"
    with np.load(archive) as old:
        arrays = {name: old[name].copy() for name in old.files}
    arrays["stage2.gain"][1, 2] += np.float32(0.25)
    np.savez(archive, **arrays)
    maps = json.loads((place / "out" / "manifest.json").read_text())["maps"]
    from attnviz.save.manifest import array_sha256

    maps["stage2.gain"]["sha256"] = array_sha256(arrays["stage2.gain"])
    report = replay(change(place, "", maps=maps))
    assert not report.identical
    assert not report.close
    (entry,) = [entry for entry in report.maps if not entry.identical]
    assert entry.label == "stage2.gain"
    assert report.max_difference == entry.difference == pytest.approx(0.25, abs=1e-6)
    assert report.sentence().startswith(f"different: 1 of {len(report.maps)} maps differ by at most 0.25")


def test_without_the_archive_hashes_still_tell_the_same_from_others(place):
    (place / "out" / "maps.npz").unlink()
    assert replay(place / "out" / "manifest.json").identical
    maps = json.loads((place / "out" / "manifest.json").read_text())["maps"]
    maps["stage1.gain"]["sha256"] = "f" * 64
    report = replay(change(place, "", maps=maps))
    assert (report.identical, report.max_difference) == (False, None)
    assert "unknown amount" in report.sentence()
    assert json.dumps(report.to_json(), allow_nan=False)


def test_an_archive_that_was_changed_is_told(place):
    maps = json.loads((place / "out" / "manifest.json").read_text())["maps"]
    maps["stage1.gain"]["sha256"] = "f" * 64
    with pytest.raises(InputError, match="changed since"):
        replay(change(place, "", maps=maps))


def bomb():
    """An archive whose header claims 2^62 numbers."""
    buffer = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 31, 1 << 31)})
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("stage1.gain.npy", header.getvalue())
    return buffer.getvalue()


def pickled():
    buffer = io.BytesIO()
    np.savez(buffer, **{"stage1.gain": np.array([{"a": 1}], dtype=object)})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 broken", bomb(), pickled()], ids=["empty", "cut", "bomb", "pickle"]
)
def test_a_hostile_archive_is_refused_without_taking_memory_or_running_anything(place, content):
    (place / "out" / "maps.npz").write_bytes(content)
    maps = json.loads((place / "out" / "manifest.json").read_text())["maps"]
    maps["stage1.gain"]["sha256"] = "f" * 64
    with pytest.raises(InputError, match=r"expected the map stage1\.gain as float32"):
        replay(change(place, "", maps=maps))


def test_maps_that_the_network_does_not_have_are_told(place):
    maps = {"stage9.gain": {"shape": [2, 2], "dtype": "float32", "sha256": "0" * 64}}
    with pytest.raises(InputError, match=r"got 'stage9\.gain'"):
        replay(change(place, "", maps=maps))
    with pytest.raises(InputError, match="expected a manifest with maps"):
        replay(change(place, "", maps={}))


def test_versions_and_devices_that_changed_are_noted(place):
    change(place, "versions", numpy="1.0.0")
    report = replay(change(place, "model", device="cuda:99"))
    assert any(note.startswith("numpy was 1.0.0, is ") for note in report.notes)
    assert any("not on 'cuda:99' as then" in note for note in report.notes)


def test_a_device_that_was_asked_for_must_be_there(place):
    with pytest.raises(DeviceError, match="expected"):
        replay(place / "out" / "manifest.json", device="cuda:99")


def test_the_old_files_are_never_written_over(place):
    before = {path.name: path.read_bytes() for path in (place / "out").iterdir()}
    with pytest.raises(InputError, match="not the manifest's own"):
        replay(place / "out" / "manifest.json", out_dir=os.path.join(place, "out", "..", "out"))
    assert {path.name: path.read_bytes() for path in (place / "out").iterdir()} == before


def test_rounding_is_told_from_difference():
    near = MapComparison("a", False, 1e-6, 1.0)
    far = MapComparison("b", False, 1e-3, 1.0)
    flat = MapComparison("c", False, 1e-9, 0.0)
    assert (near.close, far.close, flat.close) == (True, False, False)
    report = ReplayReport((near,), None, (), ())
    assert report.sentence().startswith("equal but for rounding: 1 of 1 maps differ by at most 1e-06")
    assert not dataclasses.replace(report, maps=(near, far)).close


def test_the_default_model_is_what_was_replayed():
    assert load_model(DEFAULT_MODEL, "cpu").card.sha256 is not None


def test_a_checkpoint_file_can_be_given_again_with_its_hash(tmp_path, photo_path):
    weights = load_model(DEFAULT_MODEL, "cpu").card.path
    copy = shutil.copy(weights, tmp_path / "mine.safetensors")
    explanation = explain(photo_path, str(copy), device="cpu", size=64)
    export(explanation, tmp_path / "out", ["npz"], source=PhotoSource.of(photo_path))
    with pytest.raises(UnknownModelError, match=r"'mine\.safetensors'; give the file with --model"):
        replay(tmp_path / "out" / "manifest.json")
    assert replay(tmp_path / "out" / "manifest.json", model=str(copy)).identical


@pytest.fixture(scope="module")
def of_own_network(tmp_path_factory, photo_path):
    """What was exported about a photo and a network made in a program."""
    root = tmp_path_factory.mktemp("own")
    shutil.copy(photo_path, root / "cat.jpg")
    explanation = explain(root / "cat.jpg", seeded(Vit, "sdpa"), device="cpu", size=64)
    panels = ("photo", "token:1", "attn.attention.head1.row:1")
    options = dataclasses.replace(SMALL, panels=panels, pins=((20.0, 20.0),))
    export(explanation, root / "out", ["png", "npz"], options=options, source=PhotoSource.of(root / "cat.jpg"))
    return root / "out" / "manifest.json"


def test_a_network_of_ones_own_is_replayed_where_it_is_given(of_own_network, tmp_path):
    report = replay(of_own_network, model=seeded(Vit, "sdpa"), out_dir=tmp_path)
    assert report.identical
    assert report.figure_identical is True
    labels = {entry.label for entry in report.maps}
    assert labels >= {f"attn.attention.{name}" for name in ("query", "key", "other_query", "other_key", "received")}
    assert labels >= {"token:1", "attn.attention.head1.row:1"}


def test_another_network_of_ones_own_makes_other_maps(of_own_network, tmp_path):
    torch.manual_seed(1)
    report = replay(of_own_network, model=Vit("sdpa").eval(), out_dir=tmp_path)
    assert not report.close
    with pytest.raises(InputError, match="expected a panel out of"):
        replay(of_own_network, model=seeded(Encoder), out_dir=tmp_path)


def test_a_network_of_ones_own_that_is_not_given_is_refused_in_a_sentence(of_own_network):
    with pytest.raises(UnknownModelError, match="give the network itself as model= in a program"):
        replay(of_own_network)
