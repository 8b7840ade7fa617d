"""The command line, mostly in this process; a few runs in processes of their own, as a shell would."""

import inspect
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest
from typer.testing import CliRunner

import attnviz
from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.render.figure_options import FigureOptions
from attnviz.terminal import app as cli
from attnviz.terminal.app import app

QUICK = ["--device", "cpu", "--size", "64", "--width", "40", "--dpi", "50"]


def invoke(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def shell(*args, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "attnviz", *map(str, args)],
        capture_output=True, text=True, env=environment, timeout=120, check=False, **options,
    )  # fmt: skip


@pytest.fixture
def cat(tmp_path, photo_path):
    return shutil.copy(photo_path, tmp_path / "cat.jpg")


@pytest.mark.parametrize(
    "args", [["explain"], ["replay"], ["frobnicate"], ["serve", "--port", "99999"], ["models", "x"]]
)
def test_commands_that_do_not_exist_or_lack_something(args):
    assert invoke(*args).exit_code == 2


def test_replay_says_whether_the_maps_are_the_same(tmp_path, cat):
    assert invoke("explain", cat, "-o", tmp_path, "-f", "png,npz", *QUICK).exit_code == 0
    result = invoke("replay", tmp_path / "cat" / "manifest.json")
    assert result.exit_code == 0
    assert result.stdout.startswith("identical: all ")
    assert "figure.png: the same bytes" in result.stdout
    told = invoke("replay", tmp_path / "cat" / "manifest.json", "--json", "--out", tmp_path / "again")
    assert json.loads(told.stdout)["identical"] is True
    other = invoke("replay", tmp_path / "cat" / "manifest.json", "--photo", tmp_path / "cat" / "figure.png")
    assert other.exit_code == 1
    assert other.stderr.count("\n") == 1
    assert "another photo" in other.stderr


def test_replay_of_something_else_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    for path in (tmp_path / "x.json", tmp_path / "missing.json"):
        result = invoke("replay", path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("attnviz: expected ")
        assert result.stderr.count("\n") == 1


def test_models_as_text_and_as_json():
    assert f"{DEFAULT_MODEL} (default)" in invoke("models").stdout
    assert json.loads(invoke("models", "--json").stdout)[0]["name"]


def test_weights_has_its_own_commands():
    result = invoke("weights", "--help")
    assert result.exit_code == 0
    assert "pull" in result.stdout


def test_a_port_that_is_taken_is_one_line(monkeypatch):
    def serve(*args, **kwargs):
        raise OSError("Cannot find empty port in range: 7860-7860.")

    monkeypatch.setattr("attnviz.serve.app.serve", serve)
    monkeypatch.setattr("attnviz.serve.app.build_ui", lambda networks: None)
    result = invoke("serve")
    assert result.exit_code == 1
    words = "expected to be able to listen on 127.0.0.1 port 7860, got a port that is taken: choose another with --port"
    assert result.stderr == f"attnviz: {words}\n"


def test_serve_listens_on_this_machine_only_unless_told(monkeypatch):
    asked = {}
    monkeypatch.setattr("attnviz.serve.app.serve", lambda demo, **options: asked.update(options))
    monkeypatch.setattr("attnviz.serve.app.build_ui", lambda networks: None)
    assert invoke("serve").exit_code == 0
    assert asked == {"host": "127.0.0.1", "port": 7860, "open_browser": False, "frames": []}
    assert invoke("serve", "--allow-frame", "https://a.example", "--allow-frame", "https://b.example").exit_code == 0
    assert asked["frames"] == ["https://a.example", "https://b.example"]


@pytest.mark.parametrize("origin", ["*", "https://a.example; script-src *", "a.example"])
def test_serve_refuses_what_is_no_origin(monkeypatch, origin):
    monkeypatch.setattr("attnviz.serve.app.build_ui", lambda own: None)
    result = invoke("serve", "--allow-frame", origin)
    assert result.exit_code == 2
    assert "expected an origin" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("x"), 70, "ZeroDivisionError: x"),
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 70, "MemoryError"),
    ],
)
def test_no_traceback_reaches_a_person(monkeypatch, capsys, error, code, words):
    def broken():
        raise error

    monkeypatch.setattr("attnviz.terminal.model_list.models_as_text", broken)
    monkeypatch.setattr(sys, "argv", ["attnviz", "models"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.err.count("\n") <= 1


# --- in processes of their own ---------------------------------------------------------------------------------------


def test_version_and_help_load_neither_torch_nor_matplotlib():
    code = (
        "import sys\n"
        "from attnviz.terminal.app import main\n"
        "sys.argv = ['attnviz', 'explain', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        "loaded = {'torch', 'matplotlib', 'gradio', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    version = shell("--version")
    assert (version.stdout, version.returncode) == (f"attnviz {attnviz.__version__}\n", 0)


@pytest.mark.parametrize("args", [["--help"], ["models"], ["weights", "list", "--json"]])
def test_a_reader_who_leaves_is_not_complained_about(args):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        result = subprocess.run(
            [sys.executable, "-m", "attnviz", *args], stdout=closed, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert result.stderr == b""
    assert result.returncode == 1  # as every program made with click


def test_standard_output_may_be_closed():
    command = f"exec {shlex.quote(sys.executable)} -m attnviz models >&-"
    result = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_full_disk_behind_standard_output_is_no_traceback():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "attnviz", "--version"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert b"Traceback" not in result.stderr
    assert result.stderr.count(b"\n") == 1  # nor does Python complain when it ends
    assert result.returncode != 0


def test_ctrl_c_ends_it_quietly(tmp_path, cat):
    many = [str(cat)] * 200
    process = subprocess.Popen(
        [sys.executable, "-m", "attnviz", "explain", *many, "-o", str(tmp_path / "out"), "-f", "npz", *QUICK],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores Ctrl-C
    )  # fmt: skip
    assert process.stdout.readline().startswith(os.fsencode(cat))  # at work
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b""
    assert list((tmp_path / "out").rglob("*.tmp")) == []


def test_a_figure_of_the_command_line_begins_as_one_of_python():
    # The command line states its defaults itself: reading them from the options would load matplotlib for --help.
    given = {name: entry.default for name, entry in inspect.signature(cli.explain_photos).parameters.items()}
    names = {"opacity": "map_opacity", "width": "width_mm"}
    own = FigureOptions()
    for name in (
        "spread",
        "cells",
        "opacity_by",
        "colormap",
        "scaling",
        "opacity",
        "width",
        "dpi",
        "font_size",
        "title",
        "caption",
        "columns",
    ):
        assert given[name] == getattr(own, names.get(name, name)), name
    assert (given["smooth"], own.interpolation) == (False, "nearest")
