"""What a measurement tells the page, step by step, without a browser: real measurements of tiny networks."""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from attnviz.models.weights.registry import from_network
from attnviz.serve import requests
from attnviz.serve.sessions import SessionStore
from attnviz.serve.stops import Stops
from attnviz.serve.tabs import evidence as tab

ANNA = SimpleNamespace(session_hash="anna", headers={})


@pytest.fixture
def networks(tiny_bam, tiny_danet):
    """Two tiny networks that the page offers, and afterwards no longer."""
    nets = {"bam": tiny_bam, "danet": tiny_danet}
    loaded = [from_network(net, name=name, device="cpu") for name, net in nets.items()]
    requests.offer([replace(one, card=replace(one.card, title=one.card.name.upper())) for one in loaded])
    yield nets
    requests.offer(())


@pytest.fixture
def explain(networks, photo):
    """Explains the photo as the page does."""
    return lambda name: requests.run(requests.forecast(photo, requests.Choice(name, size=128)))


@pytest.fixture
def visit(explain):
    """A visitor whose photo was explained: the sessions, their stops, and the steps of a measurement."""

    def start(name="bam"):
        sessions, stops = SessionStore(), Stops()
        sessions.keep("anna", explain(name))
        return sessions, stops, tab._handler(sessions, stops)("", None, ANNA)

    return start


def hooks_on(net):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules())


def test_it_tells_how_far_it_is_and_ends_with_the_numbers(visit, networks):
    sessions, _, steps = visit()
    *working, (status, panel, cancel) = list(steps)
    shares = [value["share"] for _, value, _ in working]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert len({*shares}) > 10
    assert {told["state"] for told, _, _ in working} == {"working"}
    assert all(told["text"].startswith("BAM: ") for told, _, _ in working)
    assert all(button["interactive"] for _, _, button in working)
    assert status["state"] == "done"
    assert cancel["interactive"] is False
    found = panel["found"]
    assert json.loads(json.dumps(panel, allow_nan=False)) == panel
    assert len(found["verdict"]) == 3
    assert {one["role"] for one in found["faithfulness"]["maps"]} == {"attention", "attribution", "baseline"}
    assert [one["key"] for one in found["effects"]][:2] == ["stage1.flat", "stage1.one"]
    assert {name for one in found["focus"]["maps"] for name in one["values"]} <= {*panel["measures"]}
    assert {name for one in found["focus"]["maps"] for name in one["baselines"]} <= {*panel["baselines"]}
    assert all(measure["definition"] for measure in panel["measures"].values())
    assert sessions.evidence("anna").to_json() == found
    assert tab._offered(sessions)(ANNA)[1] == panel
    assert hooks_on(networks["bam"]) == 0


def test_an_object_that_is_typed_is_measured_and_one_that_is_none_is_refused(explain):
    sessions, stops = SessionStore(), Stops()
    sessions.keep("anna", explain("bam"))
    *_, (_, panel, _) = list(tab._handler(sessions, stops)(" 100, 60,300,280 ", None, ANNA))
    assert panel["found"]["box"] == [100, 60, 300, 280]
    assert all("ring_auc" in one["values"] for one in panel["found"]["focus"]["maps"])
    with pytest.raises(gr.Error, match="expected a box LEFT,TOP,RIGHT,BOTTOM in photo pixels, got '1,2,x'"):
        list(tab._handler(sessions, stops)("1,2,x", None, ANNA))
    with pytest.raises(gr.Error, match="box"):
        list(tab._handler(sessions, stops)("5,5,5,9", None, ANNA))


def test_an_uploaded_mask_is_measured_and_one_that_does_not_fit_is_refused(explain, tmp_path, photo):
    sessions, stops = SessionStore(), Stops()
    sessions.keep("anna", explain("bam"))
    height, width = photo.shape[:2]
    mask = Image.new("L", (width, height))
    mask.paste(1, (100, 60, 300, 280))
    mask.save(tmp_path / "mask.png")
    *_, (_, panel, _) = list(tab._handler(sessions, stops)("", str(tmp_path / "mask.png"), ANNA))
    assert panel["found"]["box"] is None
    assert panel["found"]["mask"]["share"] == pytest.approx(200 * 220 / (width * height))
    assert any("the object" in sentence for sentence in panel["found"]["verdict"])
    mask.resize((width, height - 1)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture")
    for given, words in (
        (
            ("", "small.png"),
            f"expected a mask of the photo's size, {width} × {height} pixels, got {width} × {height - 1}",
        ),
        (("", "text.png"), "expected a mask: expected"),
        (("1,1,9,9", "mask.png"), "expected a box or a mask, got both"),
    ):
        with pytest.raises(gr.Error, match=words):
            list(tab._handler(sessions, stops)(given[0], str(tmp_path / given[1]), ANNA))


def test_a_segmentation_has_no_curves_and_says_whether_the_query_matters(visit):
    _, _, steps = visit("danet")
    *_, (status, panel, _) = list(steps)
    assert status["state"] == "done"
    found = panel["found"]
    assert found["category"] is None
    assert found["faithfulness"] is None
    assert [one["gamma"] for one in found["positions"]] == [0.5]
    assert all(one["mean_iou"] is not None for one in found["effects"])


def stopped_by_cancel(sessions, stops, again):
    assert tab._canceller(stops)(ANNA)[1]["interactive"] is False


def stopped_by_another_photo(sessions, stops, again):
    sessions.keep("anna", again)


def stopped_by_another_measurement(sessions, stops, again):
    next(tab._handler(sessions, stops)("", None, ANNA))


@pytest.mark.parametrize("stop", [stopped_by_cancel, stopped_by_another_photo, stopped_by_another_measurement])
def test_it_stops_at_the_next_step_and_leaves_nothing(visit, networks, explain, stop):
    sessions, stops, steps = visit()
    again = explain("bam")
    before = {name: values.clone() for name, values in networks["bam"].state_dict().items()}
    assert any(panel["share"] > 0.45 for _, panel, _ in steps)  # among the curves, where hooks count the passes
    stop(sessions, stops, again)
    (status, panel, cancel), *more = list(steps)
    assert more == []
    assert (status["state"], panel, cancel["interactive"]) == ("idle", None, False)
    assert status["text"].startswith("Cancelled")
    assert sessions.evidence("anna") is None
    assert hooks_on(networks["bam"]) == 0
    after = networks["bam"].state_dict()
    assert all(values.equal(after[name]) for name, values in before.items())


def test_a_visitor_who_leaves_ends_it(visit, networks):
    sessions, stops, steps = visit()
    next(steps)
    sessions.forget("anna")
    stops.stop("anna")
    assert len(list(steps)) == 1
    assert len(sessions) == 0
    assert hooks_on(networks["bam"]) == 0


def test_others_are_explained_between_its_steps_and_it_waits_for_them(visit, explain):
    _, _, steps = visit()
    panel = None
    for _, panel, _ in steps:  # noqa: B007 - the last one is compared below
        assert not requests._turn.locked()
        explain("bam")  # would never return if a step kept the turn
    *_, (_, alone, _) = list(visit()[2])
    assert panel == alone  # the passes of others are not counted, either


def test_without_a_photo_it_says_so():
    sessions = SessionStore()
    with pytest.raises(gr.Error, match="expected a photo that was explained, got none yet"):
        list(tab._handler(sessions, Stops())("", None, ANNA))
    assert sessions.take_note("anna", "evidence").startswith("expected a photo")


def test_without_captum_it_says_how_to_get_it(visit, monkeypatch):
    needs_it = ("captum", "attnviz.measure.evidence", "attnviz.measure.captum_measures")
    for name in [name for name in sys.modules if name.startswith(needs_it)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "captum", None)
    _, _, steps = visit()
    with pytest.raises(gr.Error, match=r"expected the package captum, .*pip install .attnviz\[attributions\]"):
        list(steps)


def test_what_nobody_foresaw_becomes_a_sentence(visit, monkeypatch, caplog):
    def fails(*_, **__):
        raise ZeroDivisionError("a secret of the program")

    monkeypatch.setattr("attnviz.measure.evidence.focus_of", fails)
    sessions, _, steps = visit()
    with pytest.raises(gr.Error, match="the server's log has the details") as refused:
        list(steps)
    assert "secret" not in str(refused.value)
    assert "a secret of the program" in caplog.text
    assert "ZeroDivisionError" in sessions.take_note("anna", "evidence")


def test_nothing_that_measures_is_loaded_before_the_button_is_pressed():
    code = (
        "import sys; from attnviz.serve.environment import prepare_environment; prepare_environment();"
        "from attnviz.serve.app import build_ui; build_ui();"
        "print([name for name in ('captum', 'attnviz.measure.evidence') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
