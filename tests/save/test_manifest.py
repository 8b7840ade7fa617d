import hashlib
import json
import os

import numpy as np
import pytest

from attnviz.errors import ImageError
from attnviz.render.figure import plan_figure
from attnviz.render.figure_options import FigureOptions
from attnviz.save.manifest import PhotoSource, array_sha256, manifest, raw_arrays, versions
from tests.explanations import SECOND, SHA256, bam, danet, gated, many_classes, two_attentions, untrained


def recipe_of(explanation, **kwargs):
    kwargs.setdefault("source", PhotoSource())
    plan = plan_figure(explanation, kwargs.pop("options", None))
    return json.loads(manifest(plan, ["figure.png"], **kwargs))


def test_a_manifest_says_what_it_takes_to_make_the_figure_again():
    found = recipe_of(bam(), options=FigureOptions(colormap="magma", width_mm=85))
    assert found["model"] == {
        "name": "tiny_bam",
        "architecture": "BAM-ResNet18, width 8",
        "task": "classification",
        "sha256": SHA256,
        "trained": True,
        "device": "cpu",
    }
    assert found["preprocessing"]["size"] == 64
    assert found["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert found["figure"]["colormap"] == "magma"
    assert found["figure"]["panels"] == ["photo", "stage1.gain", "stage2.gain", "stage3.gain"]
    assert found["geometry"] == {"photo_size": [96, 128], "crop": [0, 0, 128, 96], "network_size": [64, 80]}
    assert found["files"] == ["figure.png"]
    assert found["predictions"][0] == {"category": "Egyptian cat", "probability": 0.874}
    assert "Attention of tiny_bam" in found["caption"]
    assert {"attnviz", "python", "torch", "numpy", "matplotlib", "pillow"} <= set(found["versions"])


def test_its_maps_can_be_told_from_others():
    explanation = bam()
    found = recipe_of(explanation)["maps"]["stage2.gain"]
    values = explanation.stages[1].gain.values
    assert found["shape"] == [8, 10]
    assert (found["low"], found["high"]) == (float(values.min()), float(values.max()))
    assert found["sha256"] == array_sha256(values)
    changed = values.copy()
    changed[0, 0] = np.nextafter(changed[0, 0], np.float32(9))
    assert array_sha256(changed) != found["sha256"]


def test_hashes_depend_on_shape_and_type_but_not_on_byte_order():
    values = np.arange(6, dtype=np.float32)
    assert array_sha256(values) == array_sha256(values.astype(">f4"))
    assert array_sha256(values) != array_sha256(values.reshape(2, 3))
    assert array_sha256(values) != array_sha256(values.view(np.uint32))
    assert array_sha256(values[::2]) == array_sha256(values[::2].copy())


def test_random_weights_have_no_hash():
    model = recipe_of(untrained(bam()))["model"]
    assert (model["sha256"], model["trained"]) == (None, False)


def test_the_same_explanation_has_the_same_manifest():
    first, second = (manifest(plan_figure(danet()), ["a"], source=PhotoSource()) for _ in range(2))
    assert first == second


def test_everything_a_danet_computed_is_among_the_arrays():
    explanation = danet()
    arrays = raw_arrays(plan_figure(explanation, FigureOptions(panels=("channel:5", "position", "channel_matrix"))))
    assert set(arrays) == {
        "position.received", "row:1", "row:2", "channel:5", "position.query", "position.key", "channel.matrix",
        "channel.effect", "segmentation.fused", "segmentation.position", "segmentation.channel",
    }  # fmt: skip
    assert {array.dtype for name, array in arrays.items() if "segmentation" not in name} == {np.dtype("float32")}


def test_every_position_attention_is_among_the_arrays_under_its_label():
    explanation = two_attentions()
    arrays = raw_arrays(plan_figure(explanation, FigureOptions(panels=("position",), pins=((5.0, 5.0),))))
    assert {"position.query", "position.key", "position.received", "row:1"} <= set(arrays)
    assert {f"{SECOND}.{name}" for name in ("query", "key", "received", "row:1")} <= set(arrays)
    assert (arrays[f"{SECOND}.query"] == explanation.positions[SECOND].query).all()
    assert (arrays[f"{SECOND}.row:1"] == explanation.positions[SECOND].row(0, 0)).all()


def test_every_channel_gate_is_among_the_arrays_one_number_per_channel():
    explanation = gated()
    plan = plan_figure(explanation)
    assert "stage1.block2.channel_gate" in {panel.name for panel in plan.panels}  # drawn as a picture of one row
    arrays = raw_arrays(plan)
    assert list(arrays) == list(explanation.channel_gates)
    assert {(array.shape, array.dtype) for array in arrays.values()} == {((6,), np.dtype("float32"))}


def test_class_numbers_over_255_are_told_as_uint16():
    entry = recipe_of(many_classes())["maps"]["segmentation.fused"]
    assert (entry["dtype"], entry["low"], entry["high"]) == ("uint16", 43.0, 299.0)


def test_the_photos_path_is_told_from_the_manifests_folder(tmp_path):
    photo = tmp_path / "photos" / "cat.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"pixels")
    source = PhotoSource.of(photo)
    found = recipe_of(bam(), source=source, folder=tmp_path / "out" / "cat")["photo"]
    assert found["name"] == "cat.jpg"
    assert found["path"] == "../../photos/cat.jpg"
    assert found["sha256"] == hashlib.sha256(b"pixels").hexdigest()
    assert recipe_of(bam(), source=source)["photo"]["path"] is None


def test_an_uploads_place_on_this_machine_is_not_told(tmp_path):
    (tmp_path / "tmp123").write_bytes(b"pixels")
    found = recipe_of(bam(), source=PhotoSource.of(tmp_path / "tmp123", name="cat.jpg"), folder=tmp_path)
    assert (found["photo"]["name"], found["photo"]["path"]) == ("cat.jpg", None)
    assert "tmp123" not in json.dumps(found)


def test_bytes_have_a_hash_and_no_name():
    assert PhotoSource.of(b"abc") == PhotoSource(None, hashlib.sha256(b"abc").hexdigest(), None)


@pytest.mark.parametrize("name", ["missing.jpg", ".", "nul\0l"])
def test_photos_that_cannot_be_read_are_refused(tmp_path, name):
    with pytest.raises(ImageError, match="expected a photo that can be read"):
        PhotoSource.of(tmp_path / name)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="not a regular file"):
        PhotoSource.of(tmp_path / "pipe")


def test_versions_are_those_that_are_installed():
    assert versions()["numpy"] == np.__version__
