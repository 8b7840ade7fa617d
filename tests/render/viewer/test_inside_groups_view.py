"""All groups inside an SGE module: what travels is what was recorded, and it is drawn, by pointer, keys and finger."""

import base64
from dataclasses import replace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from attnviz.pipeline import explain
from attnviz.render.viewer import group_parts
from attnviz.render.viewer.group_steps import derived
from attnviz.render.viewer.payload import payload
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import PHONE, colored, differing, drawn_frame, pixels

SECTION = 'section[aria-label="Every group inside"]'
LAST, EARLY = "stage4.block2", "stage1.block1"


@pytest.fixture(scope="module")
def explained(sge_net):
    """A ResNet with SGE of 64 groups and random weights on a photo, its inside kept."""
    return explain(made.photo(96, 128), sge_net, size=96, inside=True)


@pytest.fixture
def inside(opened, explained):
    def open_(**how):
        page = opened(explained, **how)
        page.get_by_role("tab", name="Inside the module").click()
        page.locator(".av-view--inside").get_by_label("Module", exact=True).select_option(LAST)
        return page

    return open_


def entry(data, label):
    module = next(module for module in data["modules"] if module["label"] == label)
    return {step["symbol"]: step for step in module["steps"]}


def travelled(steps, symbol):
    """The pictures of a step as the browser has them."""
    step = steps[symbol]
    if step["values"] is not None:
        assert step["dtype"] == "float16"
        flat = np.frombuffer(base64.b64decode(step["values"]), dtype="<f2").astype(np.float32)
        return flat.reshape(step["count"], *step["grid"])
    of = step["derived"]
    source = travelled(steps, of["from"])
    if of.get("sigmoid"):
        return 1 / (1 + np.exp(-source))
    slope, offset = (np.array(of[name])[:, None, None] for name in ("slope", "offset"))
    return slope * source + offset


@pytest.mark.parametrize("label", [LAST, EARLY])
def test_all_groups_of_all_tensors_are_kept_and_travel(explained, label):
    steps, data = explained.inside(label), payload(explained)
    for symbol in "xntM":
        recorded = steps[symbol].values
        assert recorded.shape == steps[symbol].shape == (64, *explained.modules[label].grid)
        assert steps[symbol].channels == tuple(range(64))
        drawn = travelled(entry(data, label), symbol)
        spread = np.ptp(recorded, axis=(1, 2), keepdims=True)
        assert (np.abs(drawn - recorded) <= spread / 256 + 1e-6).all()  # a colour has a 256th of the range
    sent = [step["symbol"] for step in entry(data, label).values() if step["kind"] == "maps" and step["values"]]
    assert sent == ["n"]


def test_gates_of_groups_are_not_sent_twice(explained):
    data = payload(explained)
    assert [gate["module"] for gate in data["group_gates"]] == list(explained.modules)
    assert all(gate["values"] is None for gate in data["group_gates"])


def test_of_a_flat_group_the_line_is_flat(explained):
    module = explained.modules[LAST]
    flat = tuple(
        replace(step, values=np.full_like(step.values, 2.5)) if step.symbol in "nt" else step for step in module
    )
    line = derived(replace(module, steps=flat), replace(module, steps=flat)["t"])
    assert line["slope"] == [0.0] * 64
    assert line["offset"] == [2.5] * 64


def test_modules_without_room_send_their_strongest_groups_and_say_so(opened, explained, monkeypatch):
    monkeypatch.setattr(group_parts, "GROUP_BYTES", 2 * explained.group_gates[f"{LAST}.group_gate"].values.size)
    data = payload(explained)
    assert entry(data, LAST)["n"]["count"] == 64
    few = entry(data, EARLY)["n"]
    spread = explained.inside(EARLY)["M"].values.std(axis=(1, 2))
    assert sorted(few["channels"]) == sorted(np.argsort(-spread)[:8])
    assert few["shape"][0] == 64
    page = opened(explained)
    page.get_by_role("tab", name="Inside the module").click()
    page.locator(".av-view--inside").get_by_label("Module", exact=True).select_option(EARLY)
    expect(page.locator(f"{SECTION} .av-thumb")).to_have_count(8)
    expect(page.locator(SECTION)).to_contain_text("of 64 groups the 8 whose gates differ most")


def test_the_chosen_group_is_large_and_in_every_card(inside, explained):
    page, steps = inside(), explained.inside(LAST)
    thumbs = page.locator(f"{SECTION} .av-thumb")
    expect(thumbs).to_have_count(64)
    thumbs.nth(41).click()
    values = steps["M"].values[41]
    for canvas in (f"{SECTION} .av-output canvas", f"{SECTION} .av-thumb:nth-child(42) canvas"):
        assert differing(pixels(page, canvas), colored(values, values.min(), values.max())) < 0.05
    expect(page.locator(f"{SECTION} h3")).to_have_text("Gate of every group (M): group 41 of 64")
    for number, symbol in ((3, "x"), (4, "n"), (5, "t"), (6, "M")):  # after F and g
        drawn = pixels(page, f".av-steps .av-step:nth-child({number}) canvas")
        wanted = steps[symbol].values[41]
        assert differing(drawn, colored(wanted, wanted.min(), wanted.max())) < 0.05, symbol
        expect(page.locator(".av-step").nth(number - 1)).to_contain_text("Group 41")
    page.locator(SECTION).get_by_label("x", exact=True).check()
    wanted = steps["x"].values[41]
    assert differing(pixels(page, f"{SECTION} .av-output canvas"), colored(wanted, wanted.min(), wanted.max())) < 0.05


def test_groups_are_gone_through_by_keys_with_one_stop_for_the_tabulator(inside):
    page = inside()
    thumbs = page.locator(f"{SECTION} .av-thumb")
    stops = thumbs.evaluate_all("all => all.filter(n => n.tabIndex === 0).length")
    assert stops == 1
    thumbs.first.focus()
    heading = page.locator(f"{SECTION} h3")
    page.keyboard.press("ArrowRight")
    expect(heading).to_contain_text("group 1 of 64")
    columns = thumbs.evaluate_all("all => all.filter(n => n.offsetTop === all[0].offsetTop).length")
    page.keyboard.press("ArrowDown")
    expect(heading).to_contain_text(f"group {1 + columns} of 64")
    page.keyboard.press("End")
    expect(heading).to_contain_text("group 63 of 64")
    page.keyboard.press("ArrowRight")
    expect(heading).to_contain_text("group 63 of 64")
    expect(thumbs.nth(63)).to_be_focused()
    page.keyboard.press("Home")
    expect(heading).to_contain_text("group 0 of 64")


def test_small_pictures_are_drawn_when_they_come_into_sight(inside):
    page = inside(viewport=PHONE)
    last = page.locator(f"{SECTION} .av-thumb canvas").nth(63)
    assert last.evaluate("c => c.width") == 1
    last.scroll_into_view_if_needed()
    drawn_frame(page)
    page.wait_for_function(f"() => document.querySelectorAll('{SECTION} .av-thumb canvas')[63].width === 4")


def test_on_a_phone_a_finger_chooses_and_nothing_is_too_wide(inside):
    page = inside(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.locator(f"{SECTION} .av-thumb").nth(5).tap()
    expect(page.locator(f"{SECTION} h3")).to_contain_text("group 5 of 64")
    page.locator(f"{SECTION} .av-thumb").nth(62).tap()  # rows further down the large picture is still in sight
    expect(page.locator(f"{SECTION} .av-output canvas")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(inside, scheme):
    found = Axe().run(inside(color_scheme=scheme)).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:160]) for v in found] == []
