"""Samples, launch settings and error words, without a browser."""

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import gradio as gr
import httpx
import pytest
from PIL import Image

from attnviz.errors import AttnvizError, ImageError
from attnviz.serve.launch import is_loopback, launch_options
from attnviz.serve.page.samples import samples, thumbnail_url
from attnviz.serve.refusals import in_plain_words, noting, page_error, plain_error, sentence
from attnviz.serve.sessions import SessionStore


def test_samples_are_pictures_with_words(assets):
    found = samples()
    assert {sample.path.name for sample in found} == {path.name for path in assets.glob("*.jpg")}
    assert all(len(sample.description) > 5 for sample in found)


def test_thumbnails_are_small_squares():
    import base64

    for sample in samples():
        data = base64.b64decode(thumbnail_url(sample).partition(",")[2])
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (144, 144)
        assert len(data) < 20_000


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3")),
        *((host, False) for host in ("0.0.0.0", "192.168.1.2", "lab.example", "")),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


def allowed_hosts(options):
    (guard,) = [guard for guard in options["app_kwargs"]["middleware"] if guard.cls.__name__ == "TrustedHostMiddleware"]
    return set(guard.kwargs["allowed_hosts"])


def test_launch_options_keep_to_this_machine():
    options = launch_options()
    assert options["server_name"] == "127.0.0.1"
    assert options["share"] is False
    assert options["enable_monitoring"] is False
    assert options["run_history"] is False
    assert "allowed_paths" not in options
    assert allowed_hosts(options) == {"127.0.0.1", "localhost", "[::1]"}
    assert allowed_hosts(launch_options("127.1.2.3")) == {"127.0.0.1", "localhost", "[::1]", "127.1.2.3"}
    assert allowed_hosts(launch_options("0.0.0.0")) == {"*"}
    assert options["head"].count("<script>") == options["head"].count("</script>") == 1


def test_error_words_are_text_not_html():
    error = page_error(ImageError("expected a picture, got <img src=x onerror=alert(1)>"))
    assert "<img" not in error.message
    assert "&lt;img" in error.message
    assert error.print_exception is False
    assert error.title == "This picture cannot be used"


@pytest.mark.parametrize(("given", "said"), [("expected a", "Expected a."), ("done.", "Done."), ("", ".")])
def test_sentence(given, said):
    assert sentence(given) == said


def test_handlers_say_what_went_wrong(caplog):
    @in_plain_words
    def refuses():
        raise AttnvizError("expected this, got that")

    @in_plain_words
    def breaks():
        yield 1
        raise KeyError("secret detail")

    @in_plain_words
    def runs_out():
        raise MemoryError

    with pytest.raises(gr.Error, match="expected this, got that"):
        refuses()
    with pytest.raises(gr.Error, match="fits into memory"):
        runs_out()
    stream = breaks()
    assert next(stream) == 1
    with pytest.raises(gr.Error, match="KeyError") as caught:
        next(stream)
    assert "secret detail" not in caught.value.message
    assert "secret detail" in caplog.text


def test_why_something_failed_is_noted_for_the_part_that_asked():
    sessions = SessionStore()
    with pytest.raises(ImageError), noting(sessions, "anna", "explain"):
        raise ImageError("expected a picture,\ngot none")
    with pytest.raises(AttnvizError), noting(sessions, "anna", "batch"):
        raise AttnvizError("expected photos, got none")
    assert sessions.take_note("anna", "explain") == "expected a picture, got none"
    assert sessions.take_note("anna", "batch") == "expected photos, got none"


def test_an_unexpected_failure_is_noted_without_its_details():
    sessions = SessionStore()
    with pytest.raises(KeyError), noting(sessions, "anna", "explain"):
        raise KeyError("secret detail")
    words = "attnviz met something it did not expect (KeyError); the server's log has the details"
    assert sessions.take_note("anna", "explain") == words


def test_a_plain_error_passes_through():
    error = plain_error("expected a, got b", "Title")

    @in_plain_words
    def raises():
        raise error

    with pytest.raises(gr.Error) as caught:
        raises()
    assert caught.value is error


def test_the_launcher_serves_says_where_and_cleans_up(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if k != "GRADIO_TEMP_DIR"}
    env |= {"PORT": str(port), "TMPDIR": str(tmp_path)}
    launcher = Path(__file__).parents[2] / "app.py"
    with subprocess.Popen(
        [sys.executable, str(launcher)], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as page:
        try:
            said = page.stdout.readline()
            assert f"http://127.0.0.1:{port}" in said
            assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
            assert [path.name[:8] for path in tmp_path.iterdir()] == ["attnviz-"]
            second = subprocess.run(
                [sys.executable, str(launcher)], env=env, cwd=tmp_path, capture_output=True, text=True
            )
            assert second.returncode == 1
            assert second.stderr.count("\n") == 1
            assert "port that is taken" in second.stderr
        finally:
            page.terminate()
        assert page.wait(timeout=30) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
