import dataclasses
import hashlib
import io
import json
import multiprocessing
import zipfile

import pytest
import torch

from attnviz.errors import CheckpointError, DownloadError, OptionError, UnknownModelError
from attnviz.models.weights import install as installing
from attnviz.models.weights.published import PUBLISHED, Address
from attnviz.models.weights.registry import list_models, load_model
from attnviz.models.weights.transfer import RetryPolicy
from tests.models import foreign
from tests.models.weights.file_server import FileServer

QUICK = RetryPolicy(stall=2, retries=2, first_wait=0.01, plain_hosts=("127.0.0.1",))
NAME = "bam_resnet50_authors"
STATE = foreign.filled(foreign.authors_bam(18, width=16, classes=1000))
CONFIG = {
    "architecture": "BamResNet",
    "trunk": {"depth": 18, "width": 16},
    "bams": [{"fusion": "product", "final_norm": False, "reduction": 16}] * 3,
    "num_classes": 1000,
}


def file_of(state=STATE):
    stream = io.BytesIO()
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, stream)
    return stream.getvalue()


CONTENT = file_of()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNVIZ_HOME", str(tmp_path / "home"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def point(monkeypatch, url, content=CONTENT, **changes):
    """Make published weights small enough for a test, and serve it here."""
    known = {"digits": hashlib.sha256(content).hexdigest()[:8], **changes}
    address = Address(file_name="weights.pth", url=f"{url}/weights.pth", **known)
    small = dataclasses.replace(PUBLISHED[NAME].card, config=CONFIG)
    monkeypatch.setitem(PUBLISHED, NAME, dataclasses.replace(PUBLISHED[NAME], card=small, address=address))


def names_left(home):
    return sorted(path.name for path in home.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_pulled_weights_are_cached_listed_and_loaded(monkeypatch, home):
    with FileServer(CONTENT) as server:
        point(monkeypatch, server.url)
        card = installing.pull(NAME, retry=QUICK)
        again = installing.pull(NAME, retry=QUICK)
    assert len(server.seen) == 1
    assert card == again
    assert names_left(home) == [f"{NAME}.json", f"{NAME}.safetensors"]  # the original is gone
    listed = list_models()[NAME]
    assert (listed.status, listed.licence, listed.categories[281]) == ("cached", "MIT", "tabby")
    assert listed.sha256 == hashlib.sha256(listed.path.read_bytes()).hexdigest()
    assert listed.metrics == PUBLISHED[NAME].card.metrics
    written = json.loads((home / "weights" / f"{NAME}.json").read_text())
    assert written["original"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    loaded = load_model(NAME, "cpu")
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert foreign.relative(loaded.net(x), foreign.forward_classifier(STATE, x)) < 1e-4
    assert listed.parameters == sum(p.numel() for p in loaded.net.parameters())


def test_half_precision_moves_logits_little(monkeypatch):
    with FileServer(CONTENT) as server:
        point(monkeypatch, server.url)
        card = installing.pull(NAME, retry=QUICK, dtype=torch.float16)
    assert card.bytes < 0.6 * len(CONTENT)
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert foreign.relative(load_model(NAME, "cpu").net(x), foreign.forward_classifier(STATE, x)) < 1e-2


def test_a_checkpoint_of_another_network_is_not_installed(monkeypatch, home):
    other = file_of(foreign.filled(foreign.authors_cbam(18, width=16)))
    with FileServer(other) as server:
        point(monkeypatch, server.url, content=other)
        with pytest.raises(CheckpointError, match="lacks"):
            installing.pull(NAME, retry=QUICK)
    assert names_left(home) == []
    assert list_models()[NAME].status == "available"


def test_a_wrong_hash_installs_nothing_and_says_what_to_do(monkeypatch, home):
    with FileServer(CONTENT) as server:
        point(monkeypatch, server.url, digits="00000000")
        with pytest.raises(DownloadError, match=r"sha256 00000000, got \w{8}"):
            installing.pull(NAME, retry=QUICK)
    assert names_left(home) == []


def test_without_a_network_one_line_says_what_to_do(monkeypatch, home):
    with FileServer(CONTENT) as server:
        point(monkeypatch, server.url)
    with pytest.raises(DownloadError) as caught:
        installing.pull(NAME, retry=QUICK)
    said = str(caught.value)
    assert "\n" not in said
    assert f"open {server.url}/weights.pth elsewhere" in said
    assert f"attnviz weights import weights.pth --as {NAME}" in said
    assert names_left(home) == []


def test_an_unlicensed_one_needs_consent(monkeypatch):
    with pytest.raises(OptionError, match="--accept-unlicensed"):
        installing.pull("sge_resnet50_pytorchinsight", retry=QUICK)
    asked = []
    monkeypatch.setattr(
        installing,
        "fetch",
        lambda address, folder, **rest: asked.append(address) or (_ for _ in ()).throw(DownloadError("no")),
    )
    with pytest.raises(DownloadError):
        installing.pull("sge_resnet50_pytorchinsight", accept_unlicensed=True, retry=QUICK)
    assert asked[0].drive_id == "13HPCjrEle6aFbiCo8Afkr2jJssdNwdRn"


@pytest.mark.parametrize("name", ["", "nothing", "bam_resnet18_w32", "../../x"])
def test_only_published_names_can_be_pulled(name):
    with pytest.raises(UnknownModelError):
        installing.pull(name)


def pull_in_a_process(url, digits, results):
    small = dataclasses.replace(PUBLISHED[NAME].card, config=CONFIG)
    address = Address(file_name="weights.pth", url=f"{url}/weights.pth", digits=digits)
    PUBLISHED[NAME] = dataclasses.replace(PUBLISHED[NAME], card=small, address=address)
    results.put(installing.pull(NAME, retry=QUICK).sha256)


def test_two_processes_pull_it_once(home):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with FileServer(CONTENT) as server:
        digits = hashlib.sha256(CONTENT).hexdigest()[:8]
        running = [context.Process(target=pull_in_a_process, args=(server.url, digits, results)) for _ in range(2)]
        for process in running:
            process.start()
        found = {results.get(timeout=120) for _ in running}
        for process in running:
            process.join(timeout=60)
    assert len(found) == 1
    assert len(server.seen) == 1
    assert names_left(home) == [f"{NAME}.json", f"{NAME}.safetensors"]
    results.close()


def test_a_cached_file_that_went_bad_is_told_and_pulled_again(monkeypatch, home):
    with FileServer(CONTENT) as server:
        point(monkeypatch, server.url)
        card = installing.pull(NAME, retry=QUICK)
        assert installing.verify(NAME) == [(NAME, None)]
        whole = card.path.read_bytes()
        card.path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        [(name, problem)] = installing.verify(NAME)
        assert (name, "SHA-256" in problem) == (NAME, True)
        with pytest.raises(CheckpointError, match="SHA-256"):
            load_model(NAME, "cpu")
        installing.pull(NAME, retry=QUICK)
    assert card.path.read_bytes() == whole
    assert len(server.seen) == 2
    load_model(NAME, "cpu")


def test_a_damaged_card_in_the_cache_stops_nothing(home, caplog):
    folder = home / "weights"
    folder.mkdir(parents=True)
    (folder / "mine.json").write_text("{")
    (folder / "other.json").write_text('{"name": "other"}')
    assert "bam_resnet18_w32" in list_models()
    assert "left out" in caplog.text
    found = dict(installing.verify())
    assert "model card" in found["mine"]
    assert "model card" in found["other"]
    assert installing.verify("mine")[0][0] == "mine"


def test_everything_shipped_verifies():
    found = installing.verify()
    assert {name for name, _ in found} >= {"bam_resnet18_w32"}
    assert [problem for _, problem in found if problem is not None] == []


def test_verify_knows_only_what_is_here():
    for name in ("nothing", "sge_resnet50_pytorchinsight"):
        with pytest.raises(UnknownModelError, match="on this machine"):
            installing.verify(name)


def test_a_file_of_ones_own_is_imported(tmp_path):
    path = tmp_path / "my best net.pth.tar"
    path.write_bytes(file_of(foreign.filled(foreign.authors_bam(18, width=16, classes=3))))
    card = installing.import_file(path)
    assert (card.name, card.status, card.licence) == ("my_best_net", "cached", None)
    assert card.categories == ("class 0", "class 1", "class 2")
    assert card.source == "imported from my best net.pth.tar"
    assert load_model("my_best_net", "cpu").card == card
    with pytest.raises(OptionError, match="free"):
        installing.import_file(path)
    assert installing.import_file(path, name="again").name == "again"


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", " ", "a" * 81, "con\n", "bam_resnet18_w32"])
def test_names_that_are_none_or_taken_are_refused(tmp_path, name, home):
    path = tmp_path / "x.pth"
    path.write_bytes(CONTENT)
    if name == "":
        path = tmp_path / "---.pth"
        path.write_bytes(CONTENT)
    with pytest.raises(OptionError):
        installing.import_file(path, name=name)
    assert names_left(home) == []


def test_classes_can_be_named(tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    assert installing.import_file(path, classes="imagenet").categories[0] == "tench"
    with pytest.raises(OptionError, match="150 classes for ade20k"):
        installing.import_file(path, name="other", classes="ade20k")


def test_a_published_file_is_recognised_by_name_and_by_hash(monkeypatch, tmp_path):
    point(monkeypatch, "https://example.invalid")
    for file_name in ("weights.pth", "renamed.bin"):
        path = tmp_path / file_name
        path.write_bytes(CONTENT)
        card = installing.import_file(path)
        assert (card.name, card.licence, card.categories[0]) == (NAME, "MIT", "tench")


def test_a_published_zip_is_recognised_packed_and_unpacked(monkeypatch, tmp_path):
    point(
        monkeypatch,
        "https://example.invalid",
        algorithm="sha1",
        digits=hashlib.sha1(CONTENT).hexdigest(),
        hash_of="member",
    )
    with zipfile.ZipFile(tmp_path / "any.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights-1234.pth", CONTENT)
    (tmp_path / "any.pth").write_bytes(CONTENT)
    for file_name in ("any.zip", "any.pth"):
        assert installing.import_file(tmp_path / file_name).name == NAME


def test_another_file_under_a_published_name_is_refused(monkeypatch, tmp_path, home):
    point(monkeypatch, "https://example.invalid", digits="00000000")
    path = tmp_path / "weights.pth"
    path.write_bytes(CONTENT)
    for name in (None, NAME):
        with pytest.raises(CheckpointError, match="sha256 00000000"):
            installing.import_file(path, name=name)
    assert names_left(home) == []


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ATTNVIZ_HOME", str(tmp_path / "file"))
    path = tmp_path / "x.pth"
    path.write_bytes(CONTENT)
    with pytest.raises(CheckpointError, match="expected to make the folder"):
        installing.import_file(path)


def test_a_file_that_cannot_be_read_is_told_in_one_sentence(tmp_path, monkeypatch):
    def unreadable(path, algorithm="sha256"):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(installing, "file_hash", unreadable)
    path = tmp_path / "x.pth"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match=r"expected safetensors or a PyTorch file, got x\.pth"):
        installing.import_file(path)
