"""The command line, mostly in this process; a few runs in processes of their own, as a shell would."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import attnviz
from attnviz.models.weights.registry import DEFAULT_MODEL
from attnviz.render.figure_options import FigureOptions
from attnviz.terminal import app as cli
from attnviz.terminal.app import app

DANET = "danet_resnet18_w32_camvid"
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


def test_a_photo_becomes_a_folder_of_files(tmp_path, cat):
    result = invoke("explain", cat, "--out", tmp_path / "out", *QUICK)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith(f"{cat}: ")
    assert result.stdout.rstrip().endswith(f"-> {tmp_path / 'out' / 'cat'}")
    names = sorted(path.name for path in (tmp_path / "out" / "cat").iterdir())
    assert names == ["figure.pdf", "figure.png", "figure.svg", "manifest.json", "maps.npz"]


def test_a_refused_photo_is_one_line_and_the_others_are_done(tmp_path, cat):
    (tmp_path / "text.jpg").write_text("no picture")
    result = invoke(
        "explain", tmp_path / "text.jpg", cat, tmp_path / "none.png", "-o", tmp_path / "o", "-f", "npz", *QUICK
    )
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith(f"attnviz: {tmp_path / 'text.jpg'}: expected a JPEG")
    assert second.startswith(f"attnviz: {tmp_path / 'none.png'}: expected a picture file")
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["cat"]
    assert result.stdout.count("\n") == 1


def test_json_is_one_document_and_nothing_else(tmp_path, cat):
    (tmp_path / "text.jpg").write_text("no picture")
    result = invoke(
        "explain", cat, tmp_path / "text.jpg", "-o", tmp_path / "out", "-f", "npz", "--json", "--top", 2, *QUICK
    )
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    done, refused = document["photos"]
    assert document["model"]["device"] == "cpu"
    assert len(done["predictions"]) == 2
    assert done["maps"]["stage1.gain"]["low"] > 1.0
    assert [os.path.exists(path) for path in done["files"]] == [True, True]
    assert refused["refused"].startswith("expected a JPEG")
    assert result.stderr.count("\n") == 1


def test_photos_of_one_name_have_folders_of_their_own(tmp_path, cat):
    (tmp_path / "b").mkdir()
    other = shutil.copy(cat, tmp_path / "b" / "CAT.jpg")
    assert invoke("explain", cat, other, "-o", tmp_path / "out", "-f", "npz", *QUICK).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["CAT-2", "cat"]


@pytest.mark.parametrize(
    "name", ["$x_{1}^2$.jpg", "CON.jpg", "-rf.jpg", "two\nlines.jpg", "猫" * 60 + ".jpg", "…....jpg"]
)
def test_photos_of_any_name(tmp_path, cat, name):
    shutil.copy(cat, tmp_path / name)
    result = invoke("explain", "-o", tmp_path / "out", "-f", "png,npz", *QUICK, "--", tmp_path / name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    (folder,) = (tmp_path / "out").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["photo"]["name"] == name


def test_a_link_in_the_place_of_a_folder_is_not_followed_out(tmp_path, cat):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "cat").symlink_to(tmp_path / "elsewhere")
    result = invoke("explain", cat, "-o", tmp_path / "out", "-f", "npz", *QUICK)
    assert result.exit_code == 1
    assert "a link that leads out of it" in result.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_pixel_chosen_with_at_is_the_query(tmp_path, cat):
    options = ["-m", DANET, "--at", "100,50", "--at", "300.5,200", "-f", "npz", "-o", tmp_path]
    assert invoke("explain", cat, *options, *QUICK).exit_code == 0
    with np.load(tmp_path / "cat" / "maps.npz") as archive:
        assert archive["row:1"].sum() == pytest.approx(1, abs=1e-4)
        energy = np.tensordot(archive["position.query"][:, 1, 2], archive["position.key"], axes=1)
        grid = archive["position.query"].shape[1:]
        assert (int(50 * grid[0] / 300), int(100 * grid[1] / 451)) == (1, 2)
        assert np.allclose(archive["row:1"], np.exp(energy) / np.exp(energy).sum(), atol=1e-5)
        assert "row:2" in archive.files


def test_a_pixel_outside_of_the_photo_is_refused(tmp_path, cat):
    result = invoke("explain", cat, "-m", DANET, "--at", "9999,5", "-f", "npz", "-o", tmp_path, *QUICK)
    assert result.exit_code == 1
    assert "got (9999, 5)" in result.stderr


def test_figure_options_reach_the_figure(tmp_path, cat):
    options = ["--colormap", "magma", "--scaling", "shared", "--opacity", "0.25", "--columns", "1", "--no-title"]
    options += ["--caption", "--smooth", "--panels", "photo, stage2.gain", "--resize-mode", "center_crop", "-f", "png"]
    assert invoke("explain", cat, "-o", tmp_path, *options, *QUICK).exit_code == 0
    recipe = json.loads((tmp_path / "cat" / "manifest.json").read_text())
    assert recipe["figure"] == {
        "panels": ["photo", "stage2.gain"],
        "pins": [],
        "columns": 1,
        "colormap": "magma",
        "scaling": "shared",
        "map_opacity": 0.25,
        "interpolation": "bilinear",
        "width_mm": 40.0,
        "dpi": 50,
        "font_size": 7.0,
        "title": False,
        "caption": True,
    }
    assert recipe["preprocessing"]["resize_mode"] == "center_crop"
    with Image.open(tmp_path / "cat" / "figure.png") as picture:
        assert picture.width == round(40 / 25.4 * 50)


def test_html_comes_on_top(tmp_path, cat):
    assert invoke("explain", cat, "-o", tmp_path, "-f", "npz", "--html", *QUICK).exit_code == 0
    names = sorted(path.name for path in (tmp_path / "cat").iterdir())
    assert names == ["manifest.json", "maps.npz", "viewer.html"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "tiff"], "expected formats out of"),
        (["--format", ","], "expected at least one format"),
        (["--model", "nope"], "expected one of bam_resnet18"),
        (["--device", "tpu"], "expected device auto"),
        (["--device", "cuda:99"], "expected a device"),
        (["--at", "1,2"], "expected a model with position attention"),
        (["--at", "x"], "expected X,Y in photo pixels"),
        (["--at", "1,2,3"], "expected X,Y in photo pixels"),
        (["--at", "nan,1", "-m", DANET], "expected a pin's x"),
        (["-m", DANET, "-f", "gif"], "expected a model with stages"),
        (["--size", "0"], "--size"),
        (["--size", "x"], "--size"),
        (["--resize-mode", "bend"], "--resize-mode"),
        (["--colormap", "rainbow"], "--colormap"),
        (["--opacity", "2"], "--opacity"),
        (["--top", "0"], "--top"),
        (["--no-such-option"], "--no-such-option"),
        (["--out", "cat.jpg/below"], "expected a folder to write to"),
    ],
)
def test_wrong_usage_is_code_2_and_writes_nothing(tmp_path, cat, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    result = invoke("explain", "cat.jpg", *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["cat.jpg"]


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
    monkeypatch.setattr("attnviz.serve.app.build_ui", lambda: None)
    result = invoke("serve")
    assert result.exit_code == 1
    words = "expected to be able to listen on 127.0.0.1 port 7860, got a port that is taken: choose another with --port"
    assert result.stderr == f"attnviz: {words}\n"


def test_serve_listens_on_this_machine_only_unless_told(monkeypatch):
    asked = {}
    monkeypatch.setattr("attnviz.serve.app.serve", lambda demo, **options: asked.update(options))
    monkeypatch.setattr("attnviz.serve.app.build_ui", lambda: None)
    assert invoke("serve").exit_code == 0
    assert asked == {"host": "127.0.0.1", "port": 7860, "open_browser": False}


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


def test_color_maps_on_the_command_line_are_those_there_are():
    from typing import get_args

    from attnviz.render.colormaps import names
    from attnviz.terminal.explain_options import ColormapName

    assert get_args(ColormapName) == names()


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


def test_a_reader_who_leaves_is_not_complained_about():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        result = subprocess.run(
            [sys.executable, "-m", "attnviz", "--help"], stdout=closed, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert result.stderr == b""
    assert result.returncode in (1, 141)


def test_a_full_disk_behind_standard_output_is_no_traceback():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "attnviz", "--version"], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert b"Traceback" not in result.stderr
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
    for name in ("colormap", "scaling", "opacity", "width", "dpi", "font_size", "title", "caption", "columns"):
        assert given[name] == getattr(own, names.get(name, name)), name
    assert (given["smooth"], own.interpolation) == (False, "nearest")
