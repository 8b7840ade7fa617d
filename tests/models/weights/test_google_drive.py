import pytest

from attnviz.errors import DownloadError
from attnviz.models.weights.download import fetch
from attnviz.models.weights.published import Address
from attnviz.models.weights.transfer import RetryPolicy
from tests.models.weights.file_server import FileServer

CONTENT = bytes(range(256)) * 2000  # 512 kB
QUICK = RetryPolicy(stall=0.5, retries=3, first_wait=0.01)


def left(folder):
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_google_drive_without_a_network_is_one_error(tmp_path, monkeypatch):
    with FileServer(CONTENT) as server:
        nobody = server.url  # after this block nothing listens there
    monkeypatch.setenv("HTTPS_PROXY", nobody)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    drive = Address(file_name="weights.pth", drive_id="1auVf70gfL0ol40bvaX5rlbpn9cKIxhAL")
    with pytest.raises(
        DownloadError, match=r"https://drive\.google\.com/file/d/1auVf70gfL0\w+/view .*connection failed"
    ):
        fetch(drive, tmp_path, retry=QUICK)
    assert "weights.pth" not in left(tmp_path)


def test_google_drive_gives_a_file(tmp_path, monkeypatch):
    asked = {}

    def download(**options):
        asked.update(options)
        options["progress"](len(CONTENT), len(CONTENT))
        with open(options["output"], "wb") as stream:
            stream.write(CONTENT)

    monkeypatch.setattr("gdown.download", download)
    steps = []
    drive = Address(file_name="weights.pth", drive_id="abc")
    path = fetch(drive, tmp_path, progress=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    assert asked["id"] == "abc"
    assert asked["use_cookies"] is False
    assert steps == [(len(CONTENT), len(CONTENT))]


def test_google_drive_is_asked_again_where_the_connection_broke(tmp_path, monkeypatch):
    calls = []

    def download(**options):
        calls.append(options)
        options["progress"](10, len(CONTENT))
        if len(calls) < 3:
            raise ConnectionResetError("broken")
        with open(options["output"], "wb") as stream:
            stream.write(CONTENT)

    monkeypatch.setattr("gdown.download", download)
    address = Address(file_name="weights.pth", drive_id="abc")
    assert fetch(address, tmp_path, retry=QUICK).read_bytes() == CONTENT
    assert len(calls) == 3
    assert all(options["resume"] for options in calls)


def test_what_google_drive_does_not_give_is_not_asked_for_again(tmp_path, monkeypatch):
    from gdown.exceptions import FileURLRetrievalError

    calls = []

    def download(**options):
        calls.append(options)
        raise FileURLRetrievalError("too many users have viewed this file\nlater")

    monkeypatch.setattr("gdown.download", download)
    with pytest.raises(DownloadError, match=r"too many users have viewed this file$"):
        fetch(Address(file_name="weights.pth", drive_id="abc"), tmp_path, retry=QUICK)
    assert len(calls) == 1
    assert left(tmp_path) == set()
