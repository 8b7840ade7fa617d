"""The evidence in the exported file: read, chosen and explained; by keyboard, on a phone and in the dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from attnviz.measure.definitions import FAITHFULNESS
from tests.render.viewer import made
from tests.render.viewer.made_evidence import ROLES, evidence
from tests.render.viewer.viewer_steps import PHONE, WIDE


@pytest.fixture
def report(opened, bam):
    """Opens the file of an explanation at its evidence."""

    def open_(found=None, **how):
        page = opened(bam, evidence=found or evidence(), **how)
        page.get_by_role("tab", name="Evidence").click()
        return page

    return open_


def test_curves_stand_beside_their_baselines_and_every_score_is_explained(report):
    page = report()
    expect(page.locator(".av-verdict li")).to_have_text(evidence().verdict)
    charts = page.locator(".av-chart")
    expect(charts).to_have_count(3)
    for chart in charts.all():
        drawn = chart.locator("polyline").evaluate_all("(all) => all.map((one) => one.dataset.role)")
        assert sorted(drawn) == sorted(role for _, _, role in ROLES)
    for measure in FAITHFULNESS.values():
        expect(page.locator(".av-evidence")).to_contain_text(measure.definition)
        expect(page.locator(".av-evidence")).to_contain_text(measure.compare)
    expect(page.locator(".av-evidence")).to_contain_text("Source: arXiv 2202.00449.")
    expect(page.locator(".av-evidence")).to_contain_text("Occlusion was left out: expected more, got less.")


def test_interventions_are_paired_bars(report):
    page = report()
    for row, (before, after) in zip(page.locator(".av-effect").all(), [(80, 40), (80, 40)], strict=True):
        widths = row.locator("rect:not([data-bar=all])").evaluate_all(
            "(all) => all.map((r) => r.getAttribute('width'))"
        )
        assert widths == [f"{before}%", f"{after}%"]
        expect(row).to_contain_text("80 % → 40 %")
    page.locator(".av-effects summary").first.press("Enter")
    expect(page.locator(".av-effects details").first).to_contain_text("tiger cat")
    expect(page.locator(".av-effects details").first).to_contain_text("Log-likelihood of tabby: \u22120.69 nats")


def test_it_is_read_by_keyboard(report):
    page = report()
    chart = page.locator(".av-chart").first
    chart.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    chart.press("ArrowRight")
    expect(chart).to_have_attribute("aria-valuenow", "50")
    page.locator(".av-curves__legend button", has_text="Random map").press("Enter")
    assert chart.get_attribute("aria-valuetext").startswith("At 50 % of the pixels: Random map 0.5")
    expect(chart.locator("polyline[data-chosen=true]")).to_have_attribute("data-line", "random")


@pytest.mark.parametrize("viewport", [WIDE, PHONE])
def test_nothing_is_wider_than_the_window(report, viewport):
    page = report(viewport=viewport)
    page.locator(".av-effects summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    widths = page.locator(".av-evidence section").evaluate_all("(all) => all.map((s) => s.scrollWidth - s.clientWidth)")
    assert widths == [0] * len(widths)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(report, scheme):
    page = report(color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:160]) for v in found] == []
    colors = page.locator("#viewer").evaluate("(v) => [getComputedStyle(v).color, getComputedStyle(v).backgroundColor]")
    text, ground = (sum(map(int, color[4:-1].split(", "))) for color in colors)
    assert (text > ground) == (scheme == "dark")


def test_hostile_names_are_only_ever_text(report):
    page = report(evidence(made.HOSTILE, trained=False))
    expect(page.locator(".av-evidence")).to_contain_text(made.HOSTILE)
    expect(page.locator(".av-evidence")).to_contain_text("The weights are random")
    assert page.evaluate("window.pwned") is None
    assert page.locator("#viewer [onerror]").count() == 0


def test_without_a_measurement_there_is_no_such_tab(opened, danet):
    page = opened(danet)
    expect(page.get_by_role("tab").first).to_be_visible()
    expect(page.get_by_role("tab", name="Evidence")).to_have_count(0)
