"""The page on its own and the notebook cell: self-contained, bounded, and safe with hostile names."""

import html
import json
import re
from html.parser import HTMLParser

import pytest

from attnviz.errors import OptionError
from attnviz.language import translated
from attnviz.render.viewer.bundle import viewer_script
from attnviz.render.viewer.page import notebook_html, page, standalone_html
from attnviz.render.viewer.payload import compare_payload, payload
from tests.explanations import bam
from tests.render.viewer import made


class Parts(HTMLParser):
    """Start tags with their attributes, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.scripts.append(data)


def test_the_data_come_back_out_of_the_page_unchanged():
    explanation = made.danet()
    scripts = Parts(standalone_html(explanation)).scripts
    assert json.loads(scripts[0]) == payload(explanation)
    assert scripts[1] == viewer_script()


def test_hostile_names_stay_data():
    explanation = made.bam(name=made.HOSTILE, architecture="<!--<script>\u2028")
    text = standalone_html(explanation)
    parts = Parts(text)
    assert [tag for tag, _ in parts.tags].count("script") == 3
    assert "img" not in [tag for tag, _ in parts.tags]
    assert json.loads(parts.scripts[0])["model"]["name"] == made.HOSTILE
    assert "\u2028" not in text
    assert html.unescape(re.search("<title>(.*?)</title>", text)[1]) == f"Attention of {made.HOSTILE}"


def test_nothing_is_loaded_from_anywhere():
    parts = Parts(standalone_html(made.danet()))
    attributes = {name for _, given in parts.tags for name in given}
    assert not attributes & {"src", "href", "srcset", "action", "data"}
    policy = next(given["content"] for tag, given in parts.tags if given.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


@pytest.mark.parametrize(("channels", "features"), [(16, 128), (64, 512)])
def test_a_512_pixel_photo_stays_under_5_mb(channels, features):
    # The second is the size of the published DANet: 64 x 64 locations, 64 query channels, 512 features.
    text = standalone_html(made.danet(512, 512, channels=channels, features=features))
    assert len(text.encode()) < 5_000_000


def test_a_second_explanation_adds_the_comparison():
    one, other = made.bam(), made.danet()
    assert json.loads(Parts(standalone_html(one, other)).scripts[0]) == compare_payload(one, other)


def test_a_number_that_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        page({"value": float("nan")}, title="x")


def test_a_notebook_cell_is_one_isolated_frame():
    explanation = made.bam(name=made.HOSTILE)
    tags = Parts(notebook_html(explanation, height=500)).tags
    assert [tag for tag, _ in tags] == ["iframe"]
    frame = tags[0][1]
    assert frame["sandbox"] == "allow-scripts"
    assert frame["srcdoc"] == standalone_html(explanation)
    assert frame["title"] == f"Attention of {made.HOSTILE}"
    assert "height: 500px" in frame["style"]


def test_a_notebook_shows_an_explanation_by_itself():
    explanation = made.bam()
    assert explanation._repr_html_() == notebook_html(explanation)


def test_a_page_in_chinese_tells_its_scripts_before_they_run():
    explanation = bam()
    parts = Parts(standalone_html(explanation, language="zh"))
    assert ("html", {"lang": "zh"}) in parts.tags
    data, words, script, _ = parts.scripts
    assert "attnvizWords" in words
    assert script == viewer_script()
    titles = [entry["title"] for entry in json.loads(data)["maps"]]
    assert titles == [translated(entry["title"], "zh") for entry in payload(explanation)["maps"]]
    assert all(re.search("[一-鿿]", title) for title in titles)
    assert "lang=&quot;zh&quot;" in notebook_html(explanation, language="zh")


def test_a_page_in_an_unknown_language_is_refused():
    with pytest.raises(OptionError, match="expected a language"):
        standalone_html(made.bam(), language="xx")


def test_a_chinese_page_reads_chinese_in_a_browser(new_page, tmp_path):
    file = tmp_path / "viewer.html"
    file.write_text(standalone_html(made.danet(), language="zh"), encoding="utf-8")
    page = new_page({"width": 1440, "height": 900})
    page.goto(file.as_uri())
    page.locator("#viewer[data-ready='1']").wait_for()
    text = page.locator("#viewer").inner_text()
    assert translated("Position attention", "zh") in text
    assert not re.search(r"Map opacity|Where it looks|of its attention", text)
