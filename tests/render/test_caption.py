import numpy as np
import pytest

from attnviz.language import speaker
from attnviz.render.caption import caption, findings, legend, percent
from attnviz.render.figure_options import FigureOptions
from attnviz.render.panels import default_pins, resolve
from attnviz.results import Segmentation
from tests.explanations import bam, danet, gated, two_attentions, untrained, vit


def text_of(explanation, **options):
    looks = FigureOptions(**options)
    return caption(
        explanation, resolve(explanation, looks.panels, default_pins(explanation)), looks, photo_name="x.jpg"
    )


def test_a_caption_says_what_a_reader_must_know():
    explanation = bam()
    text = text_of(explanation)
    low, high = explanation.stages[2].gain.raw_range
    for part in (
        "tiny_bam (BAM-ResNet18, width 8) on the photo x.jpg (128 × 96 pixels, seen at 80 × 64)",
        f"Stage 3, effective gain: {low:.2f} to {high:.2f} ×",
        "arXiv:1807.06514",
        "Colours (viridis): the colours of every map span its own range",
        "60\u00a0% opaque",
        "Predicted: Egyptian cat 87\u00a0%; tabby, tabby cat 6.0\u00a0%.",
        "Weights: sha256 0123456789ab.",
    ):
        assert part in text


def test_shared_ranges_are_given_once_for_all():
    assert "maps of one quantity share one scale (effective gain 1." in text_of(bam(), scaling="shared")


def test_even_attention_is_named_beside_a_row():
    text = text_of(danet())
    assert "all 80 locations" in text
    assert "even attention would be 0.013 everywhere" in text


def test_attentions_on_several_grids_each_have_their_number_of_locations():
    text = text_of(two_attentions())
    assert "softmax over all 80 or 20 locations" in text
    assert "even attention would be 0.013 or 0.05 everywhere" in text


def test_channel_gates_are_explained():
    text = text_of(gated())
    assert "stage2.block1.channel_gate, 6 channels: 0.10 to 0.90" in text
    assert "channels stand from left to right" in text
    assert "over the photo" not in text


def test_random_weights_are_told():
    assert "random weights: it was not trained" in text_of(untrained(bam()))


def test_findings_of_both_kinds():
    assert findings(bam()) == ["Egyptian cat 87\u00a0%", "tabby 6.0\u00a0%"]
    assert findings(bam(), 2, synonyms=True)[1] == "tabby, tabby cat 6.0\u00a0%"
    assert findings(bam(), 1, say=speaker("zh")) == ["埃及猫 87\u00a0%"]
    assert findings(danet(), 2) == ["sky 50\u00a0%", "road 45\u00a0%"]


@pytest.mark.parametrize(("share", "text"), [(1, "100"), (0.87, "87"), (0.0994, "9.9"), (0.004, "0.4"), (0.0, "<0.1")])
def test_percent(share, text):
    assert percent(share) == f"{text}\u00a0%"


def test_a_legend_names_what_occurs_largest_first():
    explanation = danet()
    panels = resolve(explanation, ("segmentation",), ())
    assert legend(explanation, panels) == {0: "sky 50\u00a0%", 2: "road 45\u00a0%", 4: "car 5.0\u00a0%"}
    assert legend(explanation, resolve(explanation, ("photo",), ())) == {}


def test_a_long_legend_is_cut_and_says_so():
    labels = np.arange(40, dtype=np.uint8).reshape(5, 8)
    segmentation = Segmentation(tuple(f"c{i}" for i in range(40)), {"fused": labels}, labels)
    explanation = danet(segmentation=segmentation, positions={})
    found = legend(explanation, resolve(explanation, ("segmentation",), ()))
    assert len(found) == 25
    assert found[-1] == "and 16 more"


def test_a_class_without_a_name_has_its_number():
    labels = np.array([[7]], np.uint8)
    explanation = danet(segmentation=Segmentation(("sky",), {"fused": labels}, labels), positions={})
    assert legend(explanation, resolve(explanation, ("segmentation",), ())) == {7: "class 7 100\u00a0%"}


def test_a_vision_transformer_is_not_taken_for_a_danet():
    text = text_of(vit(others=5))
    assert "its row of the softmax over all 20 locations and 5 other tokens; even" in text
    assert "Attention rollout (arXiv:2005.00928)" in text
    assert "DANet" not in text


def test_bars_that_are_not_plain_are_explained():
    text = text_of(danet(), panels=("row:1",))
    assert "Bars marked log are logarithmic" in text
    assert "the opacity follows the value, from none at its low end to 60\u00a0% at its top" in text
    assert "opaque over the photo" not in text
    plain = text_of(danet(), panels=("row:1",), spread="linear", opacity_by="even")
    assert "log" not in plain.replace("logit", "")
    assert "follows the value" not in plain
    assert "60\u00a0% opaque over the photo" in plain
    assert "99th percentile" in text_of(danet(), panels=("row:1",), spread="percentile")
    assert "99th percentile" not in text_of(danet(), panels=("photo",), spread="percentile")
