import re
import threading
import time

import httpx
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import expect

from attnviz.bulk.export import export_photos
from attnviz.bulk.index import TableIndex, read_index
from attnviz.serve.gallery import HOST, MOST_ROWS, build_gallery
from tests.bulk.made import make_photos, settings


def serving(index):
    """A real server on a free port, and how to end it."""
    server = uvicorn.Server(uvicorn.Config(build_gallery(index), host=HOST, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    def stop():
        server.should_exit = True
        thread.join(60)

    return f"http://{HOST}:{port}", stop


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    make_photos(folder / "photos", 6)
    export_photos([folder / "photos"], folder / "out", settings())
    address, stop = serving(read_index(folder / "out"))
    yield address
    stop()


@pytest.fixture(scope="module")
def large(photo_path):
    """A hundred thousand rows of one photo."""
    count = 100_000
    rng = np.random.default_rng(0)
    numbers = {"score": rng.random(count, np.float32), "stage1.gain gini": rng.random(count, np.float32)}
    categories = ["cat", "dog", "teapot"]
    codes = rng.integers(0, 3, count).astype(np.int32)
    paths = [f"{photo_path}" for _ in range(count)]
    address, stop = serving(TableIndex(paths, codes, categories, numbers, {}))
    yield address, numbers["score"], codes
    stop()


def test_rows_come_in_windows(large):
    address, scores, codes = large
    asked = {"sort": "score", "descending": "1", "prediction": "dog", "low": "0.5", "start": "1000", "count": "3"}
    answer = httpx.get(f"{address}/rows", params=asked).json()
    expected = np.flatnonzero((codes == 1) & (scores >= 0.5))
    expected = expected[np.argsort(-scores[expected], kind="stable")]
    assert (answer["total"], answer["found"]) == (100_000, len(expected))
    assert [row["row"] for row in answer["rows"]] == expected[1000:1003].tolist()
    assert len(httpx.get(f"{address}/rows", params={"count": "1e6"}).json()["rows"]) == MOST_ROWS


@pytest.mark.parametrize(
    ("path", "status"),
    [("/rows?sort=none", 400), ("/rows?low=x", 400), ("/rows?sort=score&low=1", 200), ("/photo/x", 404), ("/no", 404)],
)
def test_odd_questions_get_a_plain_answer(large, path, status):
    answer = httpx.get(large[0] + path)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_only_this_machine_is_answered(large):
    assert httpx.get(f"{large[0]}/rows", headers={"Host": "example.org"}).status_code == 400


def test_a_hundred_thousand_photos_are_scrolled_with_few_of_them_on_the_page(page, large):
    page.goto(large[0])
    page.get_by_text("100000 of 100000 photos").wait_for()
    assert 0 < page.locator("main a").count() < 100
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    last = page.locator("main a[href='viewer/99999']")
    last.wait_for()
    assert page.locator("main a").count() < 100
    page.get_by_label("Prediction").select_option("teapot")
    page.get_by_label("Sort by").select_option("score")
    page.get_by_label("At least").fill("0.999")
    page.get_by_label("At least").press("Tab")
    expected = int(((large[2] == 2) & (large[1] >= 0.999)).sum())
    page.get_by_text(f"{expected} of 100000 photos").wait_for()
    assert page.locator("main a").first.inner_text().count("teapot 100 %") == 1


def test_a_photo_opens_in_the_viewer(page, gallery):
    page.goto(gallery)
    page.get_by_text("6 of 6 photos").wait_for()
    picture = page.locator("main a img").first
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") > 0
    with page.context.expect_page() as opened:
        page.locator("main a").first.click()
    viewer = opened.value
    viewer.locator("#viewer canvas").first.wait_for()
    assert viewer.title() == "Attention of bam_resnet18_w32"
    viewer.close()


def test_a_photo_that_is_gone_is_told_in_one_sentence(tmp_path):
    made = make_photos(tmp_path / "photos", 1)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    made[0].unlink()
    address, stop = serving(read_index(tmp_path / "out"))
    try:
        for kind in ("photo", "viewer"):
            answer = httpx.get(f"{address}/{kind}/0", timeout=60)
            assert (answer.status_code, answer.text.count("\n")) == (404, 0)
            assert "no such file" in answer.text
    finally:
        stop()


def test_the_gallery_speaks_chinese_and_can_be_switched(new_context, gallery):
    page = new_context(locale="zh-CN").new_page()
    page.goto(gallery)
    page.get_by_text("6 张照片中的 6 张").wait_for()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    assert page.title() == "注意力图图库"
    named = page.get_by_label("预测").locator("option").all_inner_texts()[1:]
    assert named
    assert all(re.search("[一-鿿]", name) for name in named)
    values = page.get_by_label("预测").locator("option").evaluate_all("all => all.map((one) => one.value)")[1:]
    assert not any(re.search("[一-鿿]", value) for value in values)  # asked for by the table's own names
    page.get_by_label("预测").select_option(values[0])
    page.wait_for_function("() => !document.querySelector('#said').textContent.startsWith('6 张照片中的 6')")
    assert named[0] in page.locator("main a").first.inner_text()

    page.get_by_role("link", name="English").click()
    page.get_by_text("6 of 6 photos").wait_for()
    expect(page.get_by_role("link", name="English")).to_have_attribute("aria-current", "true")
    assert not re.search("[一-鿿]", page.locator("main").inner_text())


def test_rows_viewer_and_refusals_are_in_the_language_asked_for(gallery):
    chinese = {"accept-language": "zh"}
    rows = httpx.get(f"{gallery}/rows", headers=chinese).json()
    assert set(rows["called"]) == set(rows["categories"])
    assert httpx.get(f"{gallery}/rows").json()["called"] == {}
    assert "attnvizWords" in httpx.get(f"{gallery}/viewer/0", headers=chinese, timeout=60).text
    assert "数字" in httpx.get(f"{gallery}/rows?low=x", headers=chinese).text
