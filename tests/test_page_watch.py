"""The tests' own guards work: a page that complains, a page that phones out, a connection that leaves the machine."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.page_watch import PageWatch, is_local


@pytest.mark.parametrize("url", ["http://127.0.0.1:7860/x", "ws://localhost:1/", "data:text/plain,x", "about:blank"])
def test_requests_that_stay_here_are_local(url):
    assert is_local(url)


@pytest.mark.parametrize("url", ["https://example.org/", "http://127.0.0.1.example.org/", "wss://192.168.0.1/"])
def test_requests_that_leave_are_not_local(url):
    assert not is_local(url)


@pytest.fixture
def judged(browser):
    """A context with a watch of its own, so that misbehaving in it is not this test's failure."""
    watch, context = PageWatch(), browser.new_context()
    watch.watch(context)
    yield watch, context.new_page()
    context.close()


def test_a_quiet_page_is_fine(judged):
    watch, page = judged
    page.set_content("<h1>Hello</h1><script>console.log('fine'); console.warn('fine too')</script>")
    assert watch.verdict() == []


def test_an_error_on_the_console_is_a_problem(judged):
    watch, page = judged
    page.evaluate("console.error('broken thing')")
    assert len(watch.verdict()) == 1
    assert "broken thing" in watch.verdict()[0]


def test_an_uncaught_exception_is_a_problem(judged):
    watch, page = judged
    page.evaluate("setTimeout(() => { throw new Error('nobody caught me') }, 0)")
    page.wait_for_timeout(200)
    assert any("nobody caught me" in problem for problem in watch.verdict())


def test_a_request_that_leaves_the_machine_is_a_problem_and_never_arrives(judged):
    watch, page = judged
    page.set_content("<img id=i src='http://example.org/spy.png' onerror='this.dataset.failed=1'>")
    page.wait_for_selector("#i[data-failed]", state="attached")
    assert any("outside request: GET http://example.org/spy.png" in problem for problem in watch.verdict())


def test_no_address_but_this_machines_own_is_reached(judged):
    watch, page = judged
    arrived = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            arrived.append(self.headers["Host"].partition(":")[0])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            """Says nothing."""

    with ThreadingHTTPServer(("0.0.0.0", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for host in ("127.0.0.2", "192.0.2.1", "127.0.0.1"):
            page.evaluate(
                "url => fetch(url, {mode: 'no-cors'}).catch(() => null)", f"http://{host}:{server.server_port}"
            )
        for host in ("127.0.0.2", "192.0.2.1"):
            page.evaluate(
                "url => new Promise((done) => { new WebSocket(url).onclose = done })",
                f"ws://{host}:{server.server_port}",
            )
        server.shutdown()
    assert set(arrived) == {"127.0.0.1"}
    assert [problem for problem in watch.verdict() if "outside request: GET http://127.0.0.1" in problem] == []
    assert sum(problem.startswith("outside request") for problem in watch.verdict()) == 2


def test_what_is_no_longer_watched_is_nobodys_problem(judged):
    watch, page = judged
    watch.leave(page.context)
    page.evaluate("console.error('afterwards')")
    assert watch.verdict() == []


def test_an_expected_problem_is_fine_and_a_missing_one_is_not(judged):
    watch, page = judged
    watch.expect("as planned")
    assert len(watch.verdict()) == 1
    page.evaluate("console.error('as planned')")
    assert watch.verdict() == []


@pytest.mark.asks_outside
@pytest.mark.parametrize("address", [("example.org", 80), ("192.0.2.1", 80)], ids=["name", "number"])
def test_a_connection_that_would_leave_the_machine_is_refused(address):
    with pytest.raises(OSError, match="may not reach"):
        socket.create_connection(address, timeout=5)
