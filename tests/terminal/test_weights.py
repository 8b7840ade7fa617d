import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from attnviz.errors import DownloadError
from attnviz.models.weights import install as installing
from attnviz.models.weights.published import PUBLISHED
from attnviz.terminal.weights import weights_app
from tests.models import foreign

STATE = foreign.filled(foreign.authors_cbam(18, width=16, classes=4))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNVIZ_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def checkpoint(tmp_path):
    torch.save({"state_dict": STATE}, tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def run(*arguments):
    return CliRunner().invoke(weights_app, [str(argument) for argument in arguments])


def test_the_list_tells_shipped_cached_and_available_apart(checkpoint):
    assert run("import", checkpoint).exit_code == 0
    shown = run("list")
    assert shown.exit_code == 0
    shipped, rest = shown.stdout.split("Cached on this machine")
    cached, available = rest.split("Published elsewhere")
    assert "bam_resnet18_w32" in shipped
    assert "mine" in cached
    for name in PUBLISHED:
        assert name in available
    after = available.split("sge_resnet50_pytorchinsight")[1].splitlines()[:3]
    assert "NO LICENCE STATED" in "".join(after)
    assert "77.584" in "".join(after)
    after = available.split("danet_resnet50_cityscapes_512x1024_40k_mmseg")[1].splitlines()[:3]
    assert "Apache-2.0" in "".join(after)


def test_the_list_as_json():
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["bam_resnet18_w32"]["status"] == "shipped"
    assert rows["bam_resnet50_pytorchcv"]["status"] == "available"
    assert rows["bam_resnet50_pytorchcv"]["metrics"]["ImageNet val top-1 (%)"] == 79.09
    assert rows["sge_resnet50_pytorchinsight"]["licence"] is None


def test_import_and_verify(checkpoint, home):
    shown = run("import", checkpoint, "--as", "my_cbam", "--precision", "float16")
    assert shown.exit_code == 0
    assert shown.stdout == f"my_cbam is at {home / 'weights' / 'my_cbam.safetensors'}\n"
    assert run("verify", "my_cbam").stdout == "my_cbam: whole\n"
    (home / "weights" / "my_cbam.safetensors").write_bytes(b"rotten")
    shown = run("verify")
    assert shown.exit_code == 1
    assert "bam_resnet18_w32: whole" in shown.stdout
    assert "my_cbam: expected my_cbam.safetensors with SHA-256" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("import", "missing.pth"), 1, "not there"),
        (("verify", "nothing"), 2, "on this machine"),
        (("pull", "bam_resnet50_author"), 2, "such as bam_resnet50_authors, "),
        (("pull", "sge_resnet50_pytorchinsight"), 2, "--accept-unlicensed"),
        (("pull",), 2, "NAME"),
        (("import",), 2, "FILE"),
        (("list", "--wrong"), 2, "--wrong"),
        ((), 2, "import"),
    ],
)
def test_what_goes_wrong_is_told_with_a_code(arguments, code, said):
    shown = run(*arguments)
    assert shown.exit_code == code
    assert said in shown.output
    assert "Traceback" not in shown.output


def test_a_file_that_fits_nothing_is_one_line(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    shown = run("import", tmp_path / "x.pth")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    [line] = shown.stderr.splitlines()
    assert "nearest known scheme" in line


def test_names_that_are_taken_are_wrong_usage(checkpoint):
    shown = run("import", checkpoint, "--as", "bam_resnet18_w32")
    assert shown.exit_code == 2
    assert "free" in shown.stderr


def test_classes_must_fit(checkpoint):
    assert run("import", checkpoint, "--classes", "imagenet").exit_code == 2
    assert run("import", checkpoint, "--classes", "martian").exit_code == 2


def test_one_pull_that_fails_does_not_stop_the_next(monkeypatch):
    class Card:
        path = "/somewhere/second.safetensors"

    asked = []

    def pull(name, *, callbacks, **options):
        asked.append((name, options))
        callbacks.progress(5, 10)
        callbacks.waiting()
        if name == "first":
            raise DownloadError("expected a network, got none")
        return Card()

    monkeypatch.setattr(installing, "pull", pull)
    shown = run("pull", "first", "second", "--accept-unlicensed")
    assert shown.exit_code == 1
    assert "first: expected a network, got none" in shown.stderr
    assert "second: waiting for another process" in shown.stderr
    assert shown.stdout == "second is at /somewhere/second.safetensors\n"
    assert [(name, options["accept_unlicensed"], options["dtype"]) for name, options in asked] == [
        ("first", True, torch.float32),
        ("second", True, torch.float32),
    ]


def test_a_pull_without_a_network_says_what_to_do(monkeypatch):
    def unreachable(address, folder, **options):
        raise DownloadError(f"expected {address.page} to answer in full, got: no route")

    monkeypatch.setattr(installing, "fetch", unreachable)
    shown = run("pull", "bam_resnet50_pytorchcv")
    assert shown.exit_code == 1
    [line] = shown.stderr.splitlines()
    assert "https://github.com/osmr/imgclsmob/releases/download/v0.0.499/" in line
    assert "attnviz weights import bam_resnet50-0547-a04adf3c.pth.zip --as bam_resnet50_pytorchcv" in line


def test_the_original_is_named_in_the_card(checkpoint, home):
    run("import", checkpoint)
    card = json.loads((home / "weights" / "mine.json").read_text())
    assert card["original"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert card["config"]["trunk"]["attention"]["kind"] == "cbam"


def test_names_that_are_refused_do_not_stop_the_others(monkeypatch):
    real = installing.pull

    def pull(name, **options):
        if name == "good":
            return PUBLISHED["bam_resnet50_authors"].card
        return real(name, **options)

    monkeypatch.setattr(installing, "pull", pull)
    shown = run("pull", "sge_resnet50_pytorchinsight", "nothing", "good")
    assert shown.exit_code == 1
    unlicensed, unknown = shown.stderr.splitlines()
    assert unlicensed.startswith("attnviz: sge_resnet50_pytorchinsight: expected --accept-unlicensed")
    assert unknown.startswith("attnviz: nothing: expected a name from")
    assert shown.stdout.startswith("good is at ")


def test_where_every_name_is_wrong_usage_so_is_the_command():
    shown = run("pull", "sge_resnet50_pytorchinsight", "nothing")
    assert (shown.exit_code, shown.stderr.count("\n"), shown.stdout) == (2, 2, "")


def test_wrong_usage_beside_another_error_is_not_the_whole_of_it(monkeypatch):
    monkeypatch.setattr(installing, "fetch", lambda *args, **options: (_ for _ in ()).throw(DownloadError("none")))
    assert run("pull", "nothing", "bam_resnet50_pytorchcv").exit_code == 1


EVIL = "a\x1b[31m\n\u202eb"


def test_no_name_reaches_the_terminal_raw(tmp_path, home, monkeypatch):
    shutil.copy(Path(installing.__file__), tmp_path / EVIL)  # no checkpoint
    shown = [run("pull", EVIL), run("import", tmp_path / EVIL), run("verify", EVIL)]
    (home / "weights").mkdir(parents=True, exist_ok=True)
    (home / "weights" / f"{EVIL}.json").write_text("{")
    shown.append(run("verify"))
    monkeypatch.setenv("ATTNVIZ_HOME", str(tmp_path / EVIL / "below"))
    shown.append(run("import", tmp_path / EVIL, "--as", "x"))
    torch.save({"state_dict": STATE}, tmp_path / "mine.pth")
    shown.append(run("import", tmp_path / "mine.pth"))
    for result in shown:
        assert result.exit_code in (1, 2)
        assert result.stderr.endswith("\n")
        assert all(line.startswith("attnviz: ") for line in result.stderr.split("\n")[:-1])
        assert not {"\x1b", "\u202e"} & set(result.output)


def test_a_file_in_a_folder_of_any_name_is_told_on_one_line(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setenv("ATTNVIZ_HOME", str(tmp_path / EVIL))
    shown = run("import", checkpoint)
    assert (shown.exit_code, shown.stdout.count("\n"), "\x1b" in shown.stdout) == (0, 1, False)


@pytest.mark.parametrize("name", ["[/nothing]", "[red]nothing", EVIL])
def test_a_name_in_brackets_is_no_style_of_the_progress_bar(monkeypatch, name):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich draws as on a terminal
    shown = run("pull", name)
    assert shown.exit_code == 2
    assert "expected a name from" in shown.stderr
    assert name == EVIL or name in shown.stderr
