import hashlib
import io
import threading
import zipfile

import pytest

from attnviz.errors import DownloadError
from attnviz.models.weights.download import fetch
from attnviz.models.weights.published import Address
from attnviz.models.weights.transfer import RetryPolicy
from tests.models.weights.file_server import FileServer

CONTENT = bytes(range(256)) * 2000  # 512 kB
QUICK = RetryPolicy(stall=0.5, retries=3, first_wait=0.01, plain_hosts=("127.0.0.1",))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def address(server, **changes):
    known = {"digits": hashlib.sha256(CONTENT).hexdigest()[:12], **changes}
    return Address(file_name="weights.pth", url=f"{server.url}/weights.pth", **known)


def left(folder):
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_good_server_gives_the_file_once(tmp_path):
    steps = []
    with FileServer(CONTENT) as server:
        path = fetch(address(server), tmp_path, progress=lambda *step: steps.append(step), retry=QUICK)
        again = fetch(address(server), tmp_path, retry=QUICK)
    assert path == again == tmp_path / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert len(server.seen) == 1
    assert steps[0] == (0, len(CONTENT))
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert left(tmp_path) == {"weights.pth"}


def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path):
    def cut(handler, number):
        if number == 1:
            server.serve(handler, send=100_000)
            return True
        return False

    with FileServer(CONTENT, cut) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert [asked for _, asked in server.seen] == [None, "bytes=100000-"]


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(tmp_path):
    with FileServer(CONTENT, lambda handler, number: server.serve(handler, send=1000) or True) as server:
        with pytest.raises(DownloadError, match="in full"):
            fetch(address(server), tmp_path, retry=QUICK)
        assert left(tmp_path) == {"weights.pth.part"}
        server.misbehave = lambda handler, number: False
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert server.seen[-1][1] == "bytes=4000-"


def test_a_server_without_ranges_starts_over(tmp_path):
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:5000])
    with FileServer(CONTENT, ranges=False) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize("piece", [b"x" * 5000, CONTENT + b"more", b"x" * len(CONTENT)], ids=["short", "long", "other"])
def test_a_piece_of_another_file_is_thrown_away(tmp_path, piece):
    (tmp_path / "weights.pth.part").write_bytes(piece)
    with FileServer(CONTENT) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert left(tmp_path) == {"weights.pth"}


def test_a_range_that_was_not_asked_for_is_not_glued_on(tmp_path):
    def wrong_range(handler, number):
        if number > 1:
            return False
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-9/{len(CONTENT)}")
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        handler.wfile.write(CONTENT[:10])
        return True

    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:5000])
    with FileServer(CONTENT, wrong_range) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT


def test_a_stalled_connection_is_given_up_and_resumed(tmp_path):
    def stall(handler, number):
        if number > 1:
            return False
        server.serve(handler, send=3000)
        server.closing.wait(5)
        return True

    with FileServer(CONTENT, stall) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert server.seen[1][1] == "bytes=3000-"


def test_a_byte_now_and_then_counts_as_stalled(tmp_path):
    slow = RetryPolicy(stall=0.3, retries=1, first_wait=0.01, plain_hosts=("127.0.0.1",))
    with FileServer(CONTENT, lambda handler, number: server.trickle(handler, 0.05) or True) as server:
        with pytest.raises(DownloadError, match="bytes in"):
            fetch(address(server), tmp_path, retry=slow)
    assert len(server.seen) == 2


def test_an_announced_length_that_is_too_short_is_caught_by_the_hash(tmp_path):
    with FileServer(CONTENT, lambda handler, number: server.serve(handler, length=1000, send=1000) or True) as server:
        with pytest.raises(DownloadError, match=r"expected weights\.pth with sha256 \w{12}, got \w{12}"):
            fetch(address(server), tmp_path, retry=QUICK)
    assert left(tmp_path) == set()


def too_long(handler, number):
    server = handler.server.owner
    server.serve(handler, length=len(CONTENT) + 50)
    return True


def test_an_announced_length_that_is_too_long_is_no_file(tmp_path):
    with FileServer(CONTENT, too_long, ranges=False) as server:
        with pytest.raises(DownloadError, match="in full"):
            fetch(address(server), tmp_path, retry=QUICK)
    assert "weights.pth" not in left(tmp_path)


def test_an_announced_length_that_is_too_long_is_forgiven_where_the_hash_is_right(tmp_path):
    with FileServer(CONTENT, too_long) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert server.seen[1][1] == f"bytes={len(CONTENT)}-"  # answered 416: there is nothing more


def test_an_absurd_length_is_refused_before_anything_is_written(tmp_path):
    with FileServer(CONTENT, lambda handler, number: server.serve(handler, length=1 << 50) or True) as server:
        with pytest.raises(DownloadError, match="at most"):
            fetch(address(server), tmp_path, retry=QUICK)
    assert left(tmp_path) == set()
    assert len(server.seen) == 1


def test_a_body_without_end_is_cut_off(tmp_path):
    def endless(handler, number):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while not server.closing.is_set():
            handler.wfile.write(b"x" * 65536)
        return True

    few = RetryPolicy(stall=1, retries=0, largest=1 << 20, plain_hosts=("127.0.0.1",))
    with FileServer(CONTENT, endless) as server:
        with pytest.raises(DownloadError, match="got more"):
            fetch(address(server), tmp_path, retry=few)
    assert "weights.pth" not in left(tmp_path)


def test_another_file_is_deleted_and_the_hash_is_told(tmp_path):
    with FileServer(CONTENT) as server:
        with pytest.raises(DownloadError, match="with sha256 0123456789ab, got") as caught:
            fetch(address(server, digits="0123456789ab"), tmp_path, retry=QUICK)
    assert hashlib.sha256(CONTENT).hexdigest()[:12] in str(caught.value)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_gone_is_not_asked_for_again(tmp_path, status):
    with FileServer(CONTENT, lambda handler, number: handler.send_error(status) or True) as server:
        with pytest.raises(DownloadError, match=str(status)):
            fetch(address(server), tmp_path, retry=QUICK)
    assert len(server.seen) == 1


def test_a_busy_server_is_asked_again(tmp_path):
    def busy(handler, number):
        if number < 3:
            handler.send_error(503)
        return number < 3

    with FileServer(CONTENT, busy) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert len(server.seen) == 3


def test_a_log_in_page_is_no_file(tmp_path):
    def page(handler, number):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.send_header("Content-Length", "6")
        handler.end_headers()
        handler.wfile.write(b"<html>")
        return True

    with FileServer(CONTENT, page) as server:
        with pytest.raises(DownloadError, match="web page"):
            fetch(address(server, digits=None), tmp_path, retry=QUICK)
    assert left(tmp_path) == set()


def redirect(where, forever=False):
    def answer(handler, number):
        if number > 1 and not forever:
            return False
        handler.send_response(302)
        handler.send_header("Location", where)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return answer


def test_redirections_are_followed(tmp_path):
    with FileServer(CONTENT, redirect("/elsewhere")) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert [path for path, _ in server.seen] == ["/weights.pth", "/elsewhere"]


@pytest.mark.parametrize(
    "where", ["http://example.invalid/weights.pth", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://[bad"]
)
def test_redirections_off_encryption_are_refused(tmp_path, where):
    with FileServer(CONTENT, redirect(where)) as server:
        with pytest.raises(DownloadError):
            fetch(address(server), tmp_path, retry=QUICK)
    assert left(tmp_path) == set()


def test_redirections_in_a_circle_end(tmp_path):
    with FileServer(CONTENT, redirect("/weights.pth", forever=True)) as server:
        with pytest.raises(DownloadError, match="at most 5 redirections"):
            fetch(address(server), tmp_path, retry=QUICK)
    assert len(server.seen) == 6


def test_plain_http_is_refused_outside_of_tests(tmp_path):
    with FileServer(CONTENT) as server:
        with pytest.raises(DownloadError, match="expected an https address"):
            fetch(address(server), tmp_path, retry=RetryPolicy(retries=0))
    assert server.seen == []


def test_nobody_there_is_told_soon(tmp_path):
    with FileServer(CONTENT) as server:
        gone = address(server)
    with pytest.raises(DownloadError, match="in full"):
        fetch(gone, tmp_path, retry=QUICK)
    assert left(tmp_path) == set()


def test_a_hash_of_the_file_inside_a_zip(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.pth", CONTENT)
    digits = hashlib.sha1(CONTENT).hexdigest()
    with FileServer(packed.getvalue()) as server:
        known = {"algorithm": "sha1", "digits": digits, "hash_of": "member"}
        assert fetch(address(server, **known), tmp_path / "good", retry=QUICK).is_file()
        with pytest.raises(DownloadError, match="sha1"):
            fetch(address(server, **{**known, "digits": "00000000"}), tmp_path / "bad", retry=QUICK)
        server.content = CONTENT  # no zip at all
        with pytest.raises(DownloadError, match="no readab"):
            fetch(address(server, **known), tmp_path / "plain", retry=QUICK)


def test_a_file_that_went_bad_on_disk_is_fetched_again(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"rotten")
    with FileServer(CONTENT) as server:
        assert fetch(address(server), tmp_path, retry=QUICK).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with FileServer(CONTENT) as server, pytest.raises(DownloadError, match="expected to write"):
        fetch(address(server), tmp_path / "folder", retry=QUICK)


def test_two_at_once_fetch_it_once(tmp_path):
    got, errors = [], []

    def run():
        try:
            got.append(fetch(address(server), tmp_path, retry=QUICK).read_bytes())
        except DownloadError as error:
            errors.append(error)

    with FileServer(CONTENT, lambda handler, number: server.closing.wait(0.2)) as server:
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert got == [CONTENT] * 3
    assert len(server.seen) == 1


def test_a_zip_that_was_damaged_on_the_way_is_another_file(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.pth", CONTENT)
    damaged = bytearray(packed.getvalue())
    damaged[100:120] = b"\xff" * 20  # in the compressed data: zlib itself complains
    known = {"algorithm": "sha1", "digits": hashlib.sha1(CONTENT).hexdigest()[:8], "hash_of": "member"}
    with FileServer(bytes(damaged)) as server:
        with pytest.raises(DownloadError, match="got no readable zip; it was deleted"):
            fetch(address(server, **known), tmp_path, retry=QUICK)
    assert left(tmp_path) == set()
