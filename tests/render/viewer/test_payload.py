"""What the viewer is sent: exact numbers, plain JSON, bounded size."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from attnviz.errors import OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.render.class_colors import class_colors, pin_color
from attnviz.render.colormaps import COLORMAPS, table
from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import Panel
from attnviz.render.scales import find_scales
from attnviz.render.viewer.payload import SCHEMA, compare_payload, payload
from tests.render.viewer import made


def unpacked(text, shape, dtype="<f4"):
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype).reshape(shape)


def picture(url):
    head, _, body = url.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(body, validate=True)))


@pytest.fixture(scope="module")
def bam():
    return made.bam()


@pytest.fixture(scope="module")
def danet():
    return made.danet()


def test_it_is_plain_json_without_nan(bam, danet):
    for explanation in (bam, danet):
        data = payload(explanation)
        assert data["schema"] == SCHEMA
        assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_maps_come_through_to_the_bit(bam):
    sent = payload(bam)["maps"]
    assert [m["label"] for m in sent] == list(bam.maps)
    for entry, own in zip(sent, bam.maps.values(), strict=True):
        np.testing.assert_array_equal(unpacked(entry["values"], entry["grid"]), own.values)
        assert entry["range"] == [float(own.values.min()), float(own.values.max())]
        assert (entry["kind"], entry["unit"], entry["title"]) == (own.kind, own.unit, own.title)
        assert tuple(entry["bounds"]) == own.bounds


def test_stages_name_their_maps_and_carry_channel_logits(bam):
    data = payload(bam)
    labels = {m["label"] for m in data["maps"]}
    for entry, own in zip(data["stages"], bam.stages, strict=True):
        assert {entry["spatial"], entry["gain"]} <= labels
        np.testing.assert_array_equal(unpacked(entry["channel_logit"], entry["channels"]), own.channel_logit)
        assert entry["fusion"] == own.fusion


def test_query_key_and_log_sum_exp_come_through_to_the_bit(danet):
    (entry,) = payload(danet)["positions"]
    shape = (entry["channels"], *entry["grid"])
    np.testing.assert_array_equal(unpacked(entry["query"], shape), danet.position.query)
    np.testing.assert_array_equal(unpacked(entry["key"], shape), danet.position.key)
    np.testing.assert_array_equal(unpacked(entry["lse"], entry["grid"]), danet.position.log_sum_exp)
    assert entry["gamma"] == danet.position.gamma


def test_arrays_with_other_strides_and_byte_order_are_sent_in_c_order(danet):
    turned = np.asfortranarray(danet.position.query).astype(">f4")
    changed = dataclasses.replace(danet, positions={"position": dataclasses.replace(danet.position, query=turned)})
    assert payload(changed)["positions"][0]["query"] == payload(danet)["positions"][0]["query"]


def test_the_channels_with_most_effect_are_sent_strongest_first(danet):
    entry = payload(danet)["channel"]
    channels = entry["outputs"]["channels"]
    assert channels == sorted(range(24), key=lambda c: -danet.channel.effect[c])[:16]
    sent = unpacked(entry["outputs"]["values"], (len(channels), *entry["outputs"]["grid"]))
    np.testing.assert_array_equal(sent, danet.channel.output[channels])
    np.testing.assert_array_equal(unpacked(entry["matrix"], (24, 24)), danet.channel.matrix)
    assert entry["matrix_dtype"] == "float32"


def test_a_large_channel_matrix_is_sent_in_half_precision_and_says_so():
    explanation = made.danet(features=300)
    entry = payload(explanation)["channel"]
    assert entry["matrix_dtype"] == "float16"
    sent = unpacked(entry["matrix"], (300, 300), "<f2")
    np.testing.assert_allclose(sent, explanation.channel.matrix, rtol=1e-3, atol=1e-7)


def test_fewer_output_maps_are_sent_of_a_large_grid():
    entry = payload(made.danet(grid=(128, 128)))["channel"]["outputs"]
    assert len(entry["channels"]) == 6
    assert len(entry["values"]) < 4 / 3 * 400_000 + 4


def test_small_photos_are_exact_and_large_ones_close():
    small = made.bam(64, 96)
    np.testing.assert_array_equal(np.asarray(picture(payload(small)["photo"]["url"])), small.network_image)
    large = made.bam(512, 512)
    sent = payload(large)["photo"]
    assert (sent["width"], sent["height"]) == (512, 512)
    assert len(sent["url"]) < 600_000
    off = np.abs(np.asarray(picture(sent["url"])).astype(int) - large.network_image)
    assert off.mean() < 3


def test_a_small_input_is_accompanied_by_the_same_part_of_the_photo_sharper():
    whole = made.photo(600, 800)
    geometry = Geometry((600, 800), (100, 0, 700, 600), (128, 128))
    seen = np.asarray(Image.fromarray(whole[:, 100:700]).resize((128, 128)))
    data = payload(dataclasses.replace(made.bam(128, 128), photo=whole, network_image=seen, geometry=geometry))
    assert (data["backdrop"]["width"], data["backdrop"]["height"]) == (600, 600)
    sent = np.asarray(picture(data["backdrop"]["url"])).astype(int)
    assert np.abs(sent - whole[:, 100:700]).mean() < 6
    assert np.abs(sent - whole[:, 200:800]).mean() > 20


def test_a_sharp_input_and_a_photo_that_is_no_sharper_need_no_backdrop(bam):
    assert payload(bam)["backdrop"] is None
    large = made.bam(512, 512)
    sharper = dataclasses.replace(
        large, photo=made.photo(1024, 1024), geometry=Geometry((1024,) * 2, (0, 0, 1024, 1024), (512,) * 2)
    )
    assert payload(sharper)["backdrop"] is None


def test_classes_come_as_a_picture_with_their_colors(danet):
    data = payload(danet)["segmentation"]
    labels = picture(data["heads"]["fused"])
    np.testing.assert_array_equal(np.asarray(labels), danet.segmentation.labels["fused"])
    colors = class_colors(3)
    np.testing.assert_array_equal(np.asarray(labels.convert("RGB")), colors[danet.segmentation.labels["fused"]])
    assert [c["name"] for c in data["categories"]] == ["road", "sky", "tree"]
    assert data["categories"][1]["color"] == "#" + bytes(colors[1].tolist()).hex()
    assert data["cells_dtype"] == "uint8"
    np.testing.assert_array_equal(unpacked(data["cells"], data["grid"], "u1"), danet.segmentation.cells)
    for pairs in data["shares"].values():
        assert sum(share for _, share in pairs) == pytest.approx(1)
        assert [share for _, share in pairs] == sorted((share for _, share in pairs), reverse=True)


@pytest.mark.parametrize("count", [256, 257, 900])
def test_any_number_of_classes_arrives_exactly(count):
    danet = made.danet(names=tuple(f"class {i}" for i in range(count)))
    numbers = np.random.default_rng(0).integers(0, count, danet.segmentation.labels["fused"].shape)
    numbers[0, 0] = count - 1
    labels = numbers.astype(np.uint8 if count <= 256 else np.uint16)
    segmentation = dataclasses.replace(danet.segmentation, labels={"fused": labels}, cells=labels[:12, :16])
    data = payload(dataclasses.replace(danet, segmentation=segmentation))["segmentation"]
    sent = np.asarray(picture(data["heads"]["fused"]).convert("RGB"))
    np.testing.assert_array_equal(sent, class_colors(count)[numbers])
    cells = unpacked(data["cells"], data["grid"], f"<{np.dtype(data['cells_dtype']).str[1:]}")
    np.testing.assert_array_equal(cells, numbers[:12, :16])
    assert len(data["categories"]) == count


def test_several_position_attentions_are_sent_by_name_each_with_its_map(danet):
    positions = {"position": danet.position, "layer3.self": made.danet(grid=(6, 8), seed=2).position}
    data = payload(dataclasses.replace(danet, positions=positions))
    assert [p["label"] for p in data["positions"]] == list(positions)
    assert [p["title"] for p in data["positions"]] == ["Position attention", "Layer3.self attention"]
    assert [p["grid"] for p in data["positions"]] == [[12, 16], [6, 8]]
    maps = {m["label"]: m["kind"] for m in data["maps"]}
    assert [maps[p["received"]] for p in data["positions"]] == ["position_received"] * 2


def test_channel_gates_come_through_to_the_bit():
    explanation = made.se()
    data = payload(explanation)["channel_gates"]
    assert [gate["label"] for gate in data] == list(explanation.channel_gates)
    for entry, own in zip(data, explanation.channel_gates.values(), strict=True):
        np.testing.assert_array_equal(unpacked(entry["values"], entry["count"]), own.values)
        assert (entry["title"], entry["stage"], entry["stride"]) == (own.title, own.stage, own.stride)


def test_the_views_are_those_with_something_to_show(bam, danet):
    shown = {"bam": bam, "sge": made.sge(), "danet": danet, "se": made.se()}
    assert {name: payload(explanation)["views"] for name, explanation in shown.items()} == {
        "bam": ["stages"],
        "sge": ["stages"],
        "danet": ["position", "channel"],
        "se": ["channel"],
    }
    cbam = dataclasses.replace(made.sge(), channel_gates=made.se().channel_gates)
    assert payload(cbam)["views"] == ["stages", "channel"]


def test_looks_begin_as_in_figures(bam):
    options = FigureOptions()
    looks = payload(bam)["looks"]
    assert (looks["opacity"], looks["colormap"]) == (options.map_opacity, options.colormap)
    assert (looks["map_spread"], looks["map_opacity_by"]) == ("linear", "even")
    (row,) = find_scales([Panel("row:1", "", "position_row", values=np.eye(2, dtype=np.float32))], options.scaling)
    assert (looks["attention_spread"] == "log", looks["attention_opacity_by"]) == (row.log, row.opacity_by)
    kinds = {entry["name"]: entry["kind"] for entry in payload(bam)["colormaps"]}
    assert (kinds[looks["colormap"]], kinds[looks["diverging"]]) == ("sequential", "diverging")


def luminance(color):
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_as_many_pins_as_in_figures_in_their_colors_with_numbers_that_can_be_read(bam):
    pins = payload(bam)["pins"]
    assert [pin["color"] for pin in pins] == [pin_color(i) for i in range(len(pins))]
    FigureOptions(pins=((0, 0),) * len(pins))
    with pytest.raises(OptionError, match="at most"):
        FigureOptions(pins=((0, 0),) * (len(pins) + 1))
    for pin in pins:
        dark, light = sorted((luminance(pin["color"]), luminance(pin["ink"])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, pin


def test_every_color_map_is_sent_with_its_warning(bam):
    sent = payload(bam)["colormaps"]
    assert [p["name"] for p in sent] == list(COLORMAPS)
    for entry in sent:
        np.testing.assert_array_equal(unpacked(entry["table"], (256, 3), "u1"), table(entry["name"]))
        assert bool(entry["note"]) is not entry["perceptual"]


def test_geometry_and_model_are_sent(danet):
    data = payload(danet)
    sizes = {"photo": [192, 256], "crop": [0, 0, 256, 192], "network": [96, 128]}
    assert data["geometry"] == {**sizes, "detail": [96, 128], "jpeg_quality": None}
    reduced = dataclasses.replace(
        danet, preprocessing=dataclasses.replace(danet.preprocessing, detail=0.5, jpeg_quality=75)
    )
    assert payload(reduced)["geometry"] == {**sizes, "detail": [48, 64], "jpeg_quality": 75}
    assert data["model"] == dataclasses.asdict(danet.model)


def test_absent_parts_are_none_or_empty(bam, danet):
    data = payload(bam)
    assert (data["positions"], data["channel"], data["channel_gates"], data["segmentation"]) == ([], None, [], None)
    assert payload(danet)["stages"] == []
    assert payload(danet)["predictions"] == []


def test_a_photo_is_known_again_whatever_the_network_saw_of_it(bam):
    smaller = made.bam(48, 64)
    other = dataclasses.replace(smaller, photo=bam.photo, geometry=Geometry((96, 128), (0, 0, 128, 96), (48, 64)))
    assert payload(other)["photo_id"] == payload(bam)["photo_id"] != payload(smaller)["photo_id"]


def test_two_explanations_make_left_and_right(bam, danet):
    assert compare_payload(bam, danet) == {"left": payload(bam), "right": payload(danet)}


def test_names_from_outside_stay_as_they_are():
    data = payload(made.bam(name=made.HOSTILE))
    assert data["model"]["name"] == made.HOSTILE


@settings(max_examples=12, deadline=None)
@given(height=st.integers(16, 70), width=st.integers(16, 70), seed=st.integers(0, 9))
def test_any_shape_of_photo_fits(height, width, seed):
    data = payload(made.danet(height, width, seed))
    (position,) = data["positions"]
    grid = position["grid"]
    assert grid == [height // 8, width // 8]
    assert unpacked(position["lse"], grid).shape == tuple(grid)
    assert picture(data["photo"]["url"]).size == (width, height)
