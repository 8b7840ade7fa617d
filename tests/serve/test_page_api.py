"""The page asked by a program: what is right works, what is wrong is refused in words."""

import json

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from attnviz.models.weights.registry import DEFAULT_MODEL as MODEL


@pytest.fixture(scope="module")
def client(demo_url, tmp_path_factory):
    client = Client(demo_url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))
    yield client
    client.close()


def ask(client, photo, model=MODEL, resize_mode="keep", size="0"):
    return client.predict(photo, model, resize_mode, size, api_name="/explain")


def test_one_endpoint_is_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/explain"}


def test_it_explains(client, photo_path):
    status, payload, cost = ask(client, handle_file(str(photo_path)))
    assert status["state"] == "done"
    assert payload["model"]["name"] == MODEL
    assert len(payload["predictions"]) == 5
    assert [stage["stage"] for stage in payload["stages"]] == [1, 2, 3]
    assert "free" in cost or "Takes" in cost


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "no_such_model"}, "expected one of"),
        ({"model": None}, "expected the name of a model"),
        ({"model": [MODEL]}, "expected the name of a model"),
        ({"model": "../../etc/passwd"}, "expected one of"),
        ({"resize_mode": "bend"}, "expected one of keep, stretch, center_crop"),
        ({"resize_mode": 7}, "expected one of keep, stretch, center_crop"),
        ({"size": "100000"}, "input size"),
        ({"size": {"a": 1}}, "input size"),
        ({"size": -1}, "input size"),
    ],
)
def test_wrong_values_are_refused_in_words(client, photo_path, wrong, words):
    with pytest.raises(AppError, match=words):
        ask(client, handle_file(str(photo_path)), **wrong)


def test_no_photo_is_refused(client):
    with pytest.raises(AppError, match="expected a photo"):
        ask(client, None)


@pytest.mark.parametrize(
    "photo",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "/proc/self/environ", "meta": {"_type": "gradio.FileData"}},
        {"path": "../../../etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "http://127.0.0.1:1/a.png", "meta": {"_type": "gradio.FileData"}},
        {"path": "https://example.com/a.png", "meta": {"_type": "gradio.FileData"}},
        {"path": None, "url": "http://127.0.0.1:1/a.png", "meta": {"_type": "gradio.FileData"}},
        {"path": "x", "url": "data:image/png;base64,AAAA", "meta": {"_type": "gradio.FileData"}},
        {"path": 3},
        "not a file",
        12,
        ["a", "b"],
        True,
    ],
)
def test_what_is_no_uploaded_file_is_refused_in_words(demo_url, photo):
    answer = raw(demo_url, [photo, MODEL, "keep", "0"])
    assert answer["success"] is False
    assert "expected a" in answer["output"]["error"].lower()
    assert "/tmp" not in answer["output"]["error"]


@pytest.mark.parametrize("data", [[], ["only one"], "text", {"a": 1}, [None] * 40])
def test_wrong_shapes_are_refused(demo_url, data):
    answer = raw(demo_url, data)
    assert answer["success"] is False
    assert answer["output"]["error"]


@pytest.mark.parametrize("number", [-1, 10_000, "x", None])
def test_events_that_do_not_exist_are_refused(demo_url, number):
    body = {"data": [], "fn_index": number, "session_hash": "abc"}
    answer = httpx.post(demo_url + "gradio_api/queue/join", json=body)
    assert answer.status_code >= 400


def test_uploaded_text_is_refused_as_a_photo(client, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not a picture")
    with pytest.raises(AppError, match="picture"):
        ask(client, handle_file(str(path)))


def test_every_event_survives_nonsense(demo_url):
    """No event answers nonsense with silence or with the bare word "Error"."""
    config = httpx.get(demo_url + "config").json()
    for event in config["dependencies"]:
        if not event["backend_fn"]:
            continue
        nonsense = [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}} for _ in event["inputs"]]
        if not nonsense:
            continue
        answer = raw(demo_url, nonsense, event["id"], queued=event["queue"] is not False)
        if answer["success"]:
            continue  # it takes no files and ignores what it was sent
        assert len(answer["output"]["error"] or "") > 20, event["id"]
        assert "root:" not in json.dumps(answer)


def raw(url, data, number=None, *, queued=True):
    """What the server answers to an event, past the client's own checks."""
    with httpx.Client(base_url=url, timeout=60) as http:
        if number is None:
            events = http.get("config").json()["dependencies"]
            number = next(event["id"] for event in events if event["api_name"] == "explain")
        body = {"data": data, "fn_index": number, "session_hash": "somebody"}
        if not queued:
            answer = http.post("gradio_api/run/predict", json=body)
            content = answer.json()
            return {"success": answer.is_success, "output": content}
        joined = http.post("gradio_api/queue/join", json=body)
        if joined.status_code in (400, 422):
            return {"success": False, "output": {"error": joined.text}}
        joined.raise_for_status()
        with http.stream("GET", "gradio_api/queue/data", params={"session_hash": "somebody"}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    if message["msg"] == "process_completed":
                        return message
    pytest.fail("the server never answered")
