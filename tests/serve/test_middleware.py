"""The door of the server, against a small application and against the real page."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from attnviz.errors import OptionError
from attnviz.serve.middleware import (
    MAX_BODY_BYTES,
    MAX_PHOTO_BYTES,
    MEBIBYTE,
    SECURITY_HEADERS,
    RequestFilter,
    guards,
)

LIMIT = 1000


async def echo(scope, receive, send):
    """Read the whole body, as a web framework does: an error while reading becomes an answer of its own."""
    length = 0
    status = 200
    try:
        while True:
            message = await receive()
            length += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
    except Exception:  # what FastAPI does with an error while it reads
        status = 400
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(length).encode()})


def ask(method="GET", path="/", *, door=None, url="http://127.0.0.1", **options):
    async def go():
        transport = httpx.ASGITransport(app=door or RequestFilter(echo, max_body=LIMIT, max_upload=5 * LIMIT))
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            return await client.request(method, path, **options)

    return asyncio.run(go())


def guarded(app, **options):
    """The application behind everything that the page's server is behind."""
    for guard in reversed(guards(**options)):
        app = guard.cls(app, *guard.args, **guard.kwargs)
    return app


async def in_chunks(total, size=100) -> AsyncIterator[bytes]:
    for _ in range(total // size):
        yield b"x" * size


class TestBodies:
    def test_a_small_body_comes_through_whole(self):
        answer = ask("POST", "/gradio_api/queue/join", content=b"x" * LIMIT)
        assert (answer.status_code, answer.text) == (200, str(LIMIT))

    def test_a_declared_large_body_is_refused(self):
        answer = ask("POST", "/gradio_api/queue/join", content=b"x" * (LIMIT + 1))
        assert answer.status_code == 413
        assert "at most" in answer.text

    def test_a_large_body_in_chunks_without_a_length_is_refused(self):
        answer = ask("POST", "/gradio_api/queue/join", content=in_chunks(2 * LIMIT))
        assert "content-length" not in answer.request.headers
        assert answer.status_code == 413

    def test_a_large_body_in_one_last_piece_is_refused_at_once(self):
        sent = []

        async def go():
            pieces = [{"type": "http.request", "body": b"x" * 2 * LIMIT, "more_body": False}]

            async def receive():
                return pieces.pop() if pieces else await asyncio.sleep(3600)

            async def send(message):
                sent.append(message)

            scope = {"type": "http", "method": "POST", "path": "/gradio_api/queue/join"}
            scope["headers"] = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
            await asyncio.wait_for(RequestFilter(echo, max_body=LIMIT)(scope, receive, send), 5)

        asyncio.run(go())
        assert sent[0]["status"] == 413

    def test_a_chunked_body_at_the_limit_comes_through(self):
        answer = ask("POST", "/gradio_api/queue/join", content=in_chunks(LIMIT))
        assert (answer.status_code, answer.text) == (200, str(LIMIT))

    @pytest.mark.parametrize("length", ["-1", "abc", "1e9", ""])
    def test_a_length_that_is_no_number_is_refused(self, length):
        answer = ask("POST", "/gradio_api/queue/join", headers={"content-length": length}, content=b"x")
        assert answer.status_code == 413

    def test_uploads_may_be_larger_but_not_without_bound(self):
        assert ask("POST", "/gradio_api/upload", content=b"x" * 5 * LIMIT).status_code == 200
        assert ask("POST", "/gradio_api/upload", content=b"x" * (5 * LIMIT + 1)).status_code == 413


class TestAddresses:
    @pytest.mark.parametrize(
        "path",
        [
            "/gradio_api/file=http://example.com/a.png",
            "/gradio_api/file=https%3A%2F%2Fexample.com%2Fa.png",
            "/gradio_api/file=HTTP://example.com/a.png",
            "/gradio_api/file=ftp://example.com/x",
            "/gradio_api/file=relative.png",
            "/gradio_api/proxy=http://example.com/",
            "/monitoring",
            "/monitoring/summary",
            "/gradio_api/run-history/buckets",
            "/gradio_api/runs",
            "/gradio_api/vibe-edit/",
            "/gradio_api/component_server",
            "/gradio_api/process_recording",
            "/gradio_api/openapi.json",
            "/gradio_api/dev/reload",
            "/docs",
            "/openapi.json",
            "/login",
            "/nowhere",
        ],
    )
    def test_closed(self, path):
        assert ask("GET", path).status_code == 404
        assert ask("POST", path, content=b"{}").status_code == 404

    @pytest.mark.parametrize(
        "path", ["/", "/config", "/theme.css", "/assets/index.js", "/gradio_api/file=/tmp/x/a.png"]
    )
    def test_open(self, path):
        assert ask("GET", path).status_code == 200

    def test_other_methods_are_refused(self):
        assert ask("DELETE", "/").status_code == 405


class TestWhoAsks:
    @pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:80", "LOCALHOST", "[::1]:7860"])
    def test_this_machine(self, host):
        assert ask(headers={"host": host}, door=guarded(echo)).status_code == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost.evil.example:80"]
    )
    def test_a_rebound_name_is_refused(self, host):
        answer = ask(headers={"host": host}, door=guarded(echo))
        assert (answer.status_code, answer.text) == (400, "Invalid host header")
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS

    def test_a_rebound_name_is_refused_with_an_origin_to_match(self):
        headers = {"host": "evil.example", "origin": "http://evil.example"}
        assert ask("POST", "/gradio_api/upload", headers=headers, door=guarded(echo), content=b"x").status_code == 400

    @pytest.mark.parametrize("host", ["lab.example", "10.0.0.7:7860"])
    def test_any_name_where_the_server_is_public(self, host):
        assert ask(headers={"host": host}, door=guarded(echo, hosts=None)).status_code == 200

    @pytest.mark.parametrize(
        "origin",
        [
            *("http://evil.example", "null", "http://127.0.0.1:9999", "https://localhost"),
            *("http://[", "http://[::1", "http://]", "", "://", "http://127.0.0.1:7860/page", "http://\u2100@x"),
        ],
    )
    def test_another_sites_form_is_refused(self, origin):
        origin = origin.encode("utf-8")
        answer = ask("POST", "/gradio_api/upload", headers={"host": "127.0.0.1:7860", "origin": origin}, content=b"x")
        assert answer.status_code == 403

    def test_the_pages_own_requests_pass(self):
        headers = {"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860"}
        assert ask("POST", "/gradio_api/upload", headers=headers, content=b"x").status_code == 200


def test_every_answer_is_labelled():
    for answer in (ask(), ask("GET", "/nowhere"), ask("POST", "/gradio_api/queue/join", content=b"x" * 2 * LIMIT)):
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


class TestFrames:
    def headers(self, *frames):
        return ask(door=guarded(echo, frames=frames)).headers

    def test_nobody_may_by_default(self):
        assert self.headers()["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in self.headers()["content-security-policy"]

    def test_sites_that_are_named_may_and_nothing_else_changes(self):
        found = self.headers("https://space.example", "HTTP://127.0.0.1:8000/")
        assert "x-frame-options" not in found
        policy = found["content-security-policy"]
        assert policy.split("; ")[-1] == "frame-ancestors 'self' https://space.example http://127.0.0.1:8000"
        assert policy.split("; ")[:-1] == SECURITY_HEADERS["Content-Security-Policy"].split("; ")[:-1]
        for name in SECURITY_HEADERS.keys() - {"X-Frame-Options", "Content-Security-Policy"}:
            assert found[name] == SECURITY_HEADERS[name]

    def test_refusals_are_labelled_alike(self):
        answer = ask("GET", "/nowhere", door=guarded(echo, frames=["https://space.example"]))
        assert answer.status_code == 404
        assert "https://space.example" in answer.headers["content-security-policy"]

    @pytest.mark.parametrize(
        "origin",
        [
            *(
                "*",
                "https://*.example",
                "space.example",
                "https://",
                "",
                "null",
                "'none'",
                "data:",
                "javascript:alert(1)",
            ),
            *("https://a.example; script-src *", "https://a.example\r\nX: y", "https://a.example https://b.example"),
            *("https://a.example/path", "https://user@a.example", "https://a..example", "https://-a.example"),
            *("ftp://a.example", "https://a.example:123456", "https://\u2100.example"),
        ],
    )
    def test_what_is_no_origin_is_refused(self, origin):
        with pytest.raises(OptionError, match="expected an origin"):
            guards(frames=[origin])


def test_pictures_stay_out_of_shared_caches():
    assert ask("GET", "/gradio_api/file=/tmp/a.png").headers["cache-control"].startswith("private")


def test_websockets_are_closed_and_lifespans_pass():
    sent, seen = [], []

    async def send(message):
        sent.append(message)

    async def app(scope, receive, send):
        seen.append(scope["type"])

    door = RequestFilter(app)
    asyncio.run(door({"type": "websocket", "path": "/"}, None, send))
    asyncio.run(door({"type": "lifespan"}, None, send))
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert seen == ["lifespan"]


class TestServedPage:
    def test_headers(self, demo_url):
        answer = httpx.get(demo_url)
        assert answer.status_code == 200
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS

    @pytest.mark.parametrize(
        "path", ["monitoring", "openapi.json", "docs", "gradio_api/runs", "gradio_api/openapi.json"]
    )
    def test_closed(self, demo_url, path):
        assert httpx.get(demo_url + path).status_code == 404

    def test_it_fetches_nothing_for_a_visitor(self, demo_url):
        assert httpx.get(demo_url + "gradio_api/file=http://example.com/").status_code == 404

    @pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/tmp/../etc/passwd"])
    def test_it_serves_no_other_files(self, demo_url, path):
        assert httpx.get(f"{demo_url}gradio_api/file={path}").status_code in (403, 404)

    def test_a_picture_inside_json_is_refused(self, demo_url):
        body = json.dumps({"data": [{"url": "data:image/png;base64," + "A" * MAX_BODY_BYTES}], "fn_index": 0})
        answer = httpx.post(
            demo_url + "gradio_api/queue/join", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413

    def test_one_file_over_the_limit_is_refused(self, demo_url):
        files = {"files": ("large.png", b"x" * (MAX_PHOTO_BYTES + MEBIBYTE), "image/png")}
        assert httpx.post(demo_url + "gradio_api/upload", files=files).status_code == 413

    def test_a_chunked_flood_is_refused(self, demo_url):
        where = urlsplit(demo_url)
        head = (
            f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: {where.netloc}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with socket.create_connection((where.hostname, where.port), timeout=20) as line:
            line.sendall(head.encode())
            for _ in range(MAX_BODY_BYTES // 0x10000 + 2):
                line.sendall(chunk)
            line.sendall(b"0\r\n\r\n")
            assert line.recv(100).split()[1] == b"413"

    @pytest.mark.parametrize("origin", ["http://[", "http://evil.example"])
    def test_another_origin_is_refused(self, demo_url, origin):
        assert httpx.get(demo_url, headers={"origin": origin}).status_code == 403

    def test_another_host_is_refused(self, demo_url):
        assert httpx.get(demo_url, headers={"host": "rebound.example"}).status_code == 400
