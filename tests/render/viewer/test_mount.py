"""The viewer as a part of somebody's page: mounted, updated, destroyed, linked; and in a notebook cell."""

import numpy as np
from playwright.sync_api import expect

from attnviz.render.viewer.page import notebook_html
from attnviz.render.viewer.payload import payload
from tests.render.viewer import made
from tests.render.viewer.viewer_steps import WIDE, colored, differing, pixels

MOUNT = "([p, o]) => { window.v = attnviz.mount(document.getElementById('host'), p, o); }"


class TestMount:
    def test_update_keeps_looks_and_shows_the_new_data(self, host, bam):
        host.evaluate(MOUNT, [payload(bam), {"view": "stages"}])
        host.wait_for_selector('#host[data-ready="1"]')
        host.get_by_label("Colour map").select_option("cividis")
        host.get_by_label("Smooth").check()
        other = made.bam(96, 128, seed=7)
        host.evaluate("p => v.update(p)", payload(other))
        host.wait_for_selector('#host[data-ready="1"]')
        expect(host.get_by_label("Colour map")).to_have_value("cividis")
        expect(host.get_by_label("Smooth")).to_be_checked()
        values = other.stages[0].spatial_logit.values
        drawn = pixels(host, 'section.av-stage[aria-label="Stage 1"] canvas')
        assert differing(drawn, colored(values, values.min(), values.max(), "cividis")) < 0.01

    def test_destroy_leaves_nothing_behind(self, host, danet):
        host.evaluate(
            """() => {
              window.open_ = 0;
              const add = EventTarget.prototype.addEventListener;
              EventTarget.prototype.addEventListener = function (type, f, options) {
                const signal = options && options.signal;
                const lasting = this === window || this === document || this instanceof MediaQueryList;
                if (lasting && type !== 'attnviz-pins') {
                  window.open_ += 1;
                  if (signal) add.call(signal, 'abort', () => { window.open_ -= 1; });
                }
                return add.call(this, type, f, options);
              };
            }"""
        )
        host.evaluate(MOUNT, [payload(danet), {}])
        host.wait_for_selector('#host[data-ready="1"]')
        assert host.evaluate("open_") > 0
        host.evaluate("p => v.update(p)", payload(danet))
        host.evaluate("v.destroy()")
        assert host.evaluate("open_") == 0
        assert host.evaluate("document.getElementById('host').outerHTML").replace(' class=""', "") == (
            '<div id="host" style=""></div>'
        )

    def test_a_second_mount_takes_the_place_of_the_first(self, host, bam, danet):
        host.evaluate(MOUNT, [payload(danet), {"view": "position"}])
        host.evaluate("window.first = v")
        host.evaluate(MOUNT, [payload(bam), {"view": "stages"}])
        host.evaluate("first.destroy()")
        host.wait_for_selector('#host[data-ready="1"]')
        expect(host.locator("#host > .av-view")).to_have_count(1)
        expect(host.locator(".av-view--stages")).to_be_visible()

    def test_views_of_one_payload_share_what_was_read(self, host, danet):
        same = """p => {
          const once = attnviz.read(p);
          return once === attnviz.read(p) && once !== attnviz.read({ ...p });
        }"""
        assert host.evaluate(same, payload(danet))

    def test_a_removed_picture_does_not_answer_any_more(self, host, danet):
        host.evaluate(MOUNT, [payload(danet), {"view": "position"}])
        host.evaluate(
            """() => {
              const old = document.querySelector('.av-picture--live');
              v.destroy();
              old.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
              window.pins = old.querySelectorAll('.av-mark').length;
            }"""
        )
        assert host.evaluate("pins") == 0

    def test_no_data_is_said_in_words(self, host):
        host.evaluate(MOUNT, [None, {"view": "stages"}])
        host.wait_for_selector('#host[data-ready="1"]')
        expect(host.locator("#host")).to_have_text("Nothing to show yet.")

    def test_a_view_that_the_network_lacks_is_said_in_words(self, host, bam):
        host.evaluate(MOUNT, [payload(bam), {"view": "position"}])
        expect(host.locator("#host")).to_have_text("made has no position attention.")

    def test_two_stages_of_one_photo_can_be_compared(self, host, bam):
        host.evaluate(MOUNT, [payload(bam), {"view": "compare"}])
        host.wait_for_selector('#host[data-ready="1"]')
        host.get_by_label("Difference", exact=True).check()
        one, two = bam.stages[0].gain.values, bam.stages[2].gain.values
        wanted = np.repeat(np.repeat(two, 4, 0), 4, 1) - one
        most = np.abs(wanted).max()
        drawn = pixels(host, ".av-side--difference canvas")
        assert differing(drawn, colored(wanted, -most, most, "RdBu_r")) < 0.01
        expect(host.locator(".av-side--difference")).to_contain_text("The grids differ")

    def test_two_viewers_on_one_page_do_not_meet(self, host, bam, danet):
        host.evaluate(
            """([a, b]) => {
              const other = document.body.appendChild(document.createElement('div'));
              other.id = 'other';
              attnviz.mount(document.getElementById('host'), a, {});
              attnviz.mount(other, b, { view: 'position' });
            }""",
            [payload(bam), payload(danet)],
        )
        host.locator("#host").get_by_label("Smooth").check()
        assert host.evaluate("['host', 'other'].map((id) => document.getElementById(id).dataset.smooth)") == ["1", "0"]
        ids = host.evaluate("[...document.querySelectorAll('[id]')].map((n) => n.id)")
        assert len(ids) == len(set(ids))

    def test_linked_viewers_share_their_looks_and_their_controls_keep_up(self, host, bam, danet):
        host.evaluate(
            """([a, b]) => {
              const other = document.body.appendChild(document.createElement('div'));
              other.id = 'other';
              attnviz.mount(document.getElementById('host'), a, { view: 'stages', link: 'page' });
              attnviz.mount(other, b, { link: 'page' });
            }""",
            [payload(bam), payload(danet)],
        )
        one, two = host.locator("#host"), host.locator("#other")
        one.get_by_label("Smooth").check()
        one.get_by_label("Map opacity").fill("0.3")
        one.get_by_label("Colour map").select_option("jet")
        one.get_by_label("Full", exact=True).check()
        expect(two.get_by_label("Smooth")).to_be_checked()
        expect(two.get_by_label("Map opacity")).to_have_value("0.3")
        expect(two.get_by_label("Colour map")).to_have_value("jet")
        expect(two.locator(".av-warning")).to_be_visible()
        two.get_by_role("tab", name="Channel attention").click()
        two.get_by_label("Cells").locator("visible=true").check()
        two.get_by_role("tab", name="Position attention").click()
        expect(two.get_by_label("Cells").locator("visible=true")).to_be_checked()
        expect(one.get_by_label("Cells")).to_be_checked()

    def test_it_takes_the_pages_colors_and_its_dark_mode(self, host, bam):
        host.add_style_tag(
            content=":root { --body-text-color: rgb(1, 2, 3); } .dark { --body-text-color: rgb(250, 251, 252); }"
        )
        host.evaluate(MOUNT, [payload(bam), {}])
        color = """() => {
          const { dataset } = document.getElementById("host");
          return [dataset.theme, getComputedStyle(document.querySelector(".av-heading")).color];
        }"""
        assert host.evaluate(color) == ["light", "rgb(1, 2, 3)"]
        host.evaluate("document.body.classList.add('dark')")
        host.wait_for_function("document.getElementById('host').dataset.theme === 'dark'")
        assert host.evaluate(color) == ["dark", "rgb(250, 251, 252)"]


def test_a_notebook_cell_shows_the_viewer_without_reaching_the_notebook(new_page, danet):
    page = new_page(WIDE)
    page.set_content(f"<!doctype html><html lang='en'><title>nb</title>{notebook_html(danet)}</html>")
    frame = page.frame_locator("iframe")
    expect(frame.locator('#viewer[data-ready="1"]')).to_be_visible()
    frame.locator(".av-picture--live").click()
    expect(frame.locator(".av-pin")).to_have_count(1)
    inner = page.frames[1]
    assert inner.evaluate("() => { try { return parent.document.title; } catch { return 'refused'; } }") == "refused"
