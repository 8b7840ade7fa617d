"""The wheel installed alone, with its base dependencies and nothing else, explains a photo; what it lacks it says.

The environment is empty but for links to what the base needs: Python runs without site-packages (``-S``), and its path
holds the installed wheel and links to the files of the base dependencies, and of theirs, from this environment. So
matplotlib, Gradio, captum, torchvision and all else are not hidden from the program: they are not there.
"""

import os
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from attnviz.errors import MissingExtraError
from attnviz.extras import needs
from tests.models.own.files import net_file
from tests.test_packaging import EXTRAS, PROJECT

ROOT = Path(__file__).resolve().parent.parent
LACKING = (
    *("matplotlib", "captum", "gradio", "torchvision", "timm", "transformers", "gdown", "httpx", "cachetools"),
    *("pyarrow", "ray", "av"),
)


def needed(names: list[str]) -> set[str]:
    """Distributions, and all that they need without extras."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            waiting += [Requirement(line) for line in distribution(name).requires or []]
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A folder with the wheel as pip installs it, beside links to its base dependencies."""
    root = tmp_path_factory.mktemp("alone")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(root)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (wheel,) = root.glob("*.whl")
    folder = root / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, timeout=300)
    for name in needed(PROJECT["dependencies"]):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))).resolve())
    return folder


def run(alone, folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ATTNVIZ_", "PYTHON"))}
    environment |= {"PYTHONPATH": str(alone), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-S", *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_environment_lacks_what_it_should(alone, tmp_path):
    code = f"import importlib.util as u; print([n for n in {LACKING!r} if u.find_spec(n)])"
    shown = run(alone, tmp_path, "-c", code)
    assert (shown.stdout.strip(), shown.returncode) == ("[]", 0), shown.stderr


def test_no_extra_brings_what_is_there_already():
    there = needed(PROJECT["dependencies"])
    for extra in set(EXTRAS) - {"all"}:
        assert not {canonicalize_name(Requirement(line).name) for line in EXTRAS[extra]} & there


@pytest.mark.parametrize("model", ["bam_resnet18", "danet_resnet18_w32_camvid", "my_net.py:build"])
def test_a_photo_becomes_an_npz(alone, tmp_path, photo_path, model):
    net_file(tmp_path)
    shown = run(alone, tmp_path, "-m", "attnviz", "explain", photo_path, "-m", model, "-f", "npz", "--device", "cpu")
    assert (shown.returncode, shown.stderr) == (0, "")
    folder = tmp_path / "attnviz-out" / "cat"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "maps.npz"]
    with np.load(folder / "maps.npz") as maps:
        assert all(np.isfinite(maps[name]).all() for name in maps)
        assert {"stage3.gain", "position.query", "spatial_gate"} & set(maps)


def test_it_is_the_wheel_that_ran(alone, tmp_path):
    shown = run(alone, tmp_path, "-c", "import attnviz; print(attnviz.__file__)")
    assert Path(shown.stdout.strip()) == alone / "attnviz" / "__init__.py"
    assert (alone / "attnviz" / "py.typed").is_file()


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        (["explain", "cat.jpg"], "matplotlib", "figures"),
        (["explain", "cat.jpg", "-f", "html"], "matplotlib", "figures"),
        (["explain", "cat.jpg", "-f", "gif"], "matplotlib", "figures"),
        (["explain", "cat.jpg", "-f", "npz", "-m", "timm:resnet18"], "torchvision", "timm"),
        (["sites", "-m", "torchvision:resnet18"], "torchvision", "torchvision"),
        (["sites", "-m", "hf:nobody/nothing"], "transformers", "hf"),
        (["export", "cat.jpg", "--out", "attnviz-out"], "pyarrow", "export"),
        (["serve"], "gradio", "page"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_command_says_what_it_lacks_and_how_to_get_it(alone, tmp_path, photo_path, command, package, extra):
    (tmp_path / "cat.jpg").symlink_to(photo_path)
    shown = run(alone, tmp_path, "-m", "attnviz", *command)
    sentence = f"expected the package {package}, which this needs, got none: run `pip install 'attnviz[{extra}]'`"
    assert (shown.returncode, shown.stdout, shown.stderr) == (1, "", f"attnviz: {sentence}\n")
    assert not (tmp_path / "attnviz-out").exists()


@pytest.mark.parametrize(
    ("code", "package", "extra"),
    [
        ("import attnviz.observe.attributions", "captum", "attributions"),
        ("explanation.overlay('stage3.gain')", "matplotlib", "figures"),
        ("explanation.figure()", "matplotlib", "figures"),
        ("explanation._repr_html_()", "matplotlib", "figures"),
        ("fetch(Address('a.pth', url='https://127.0.0.1/a.pth'), Path('.'))", "httpx", "weights"),
        ("fetch(Address('a.pth', drive_id='x'), Path('.'))", "gdown", "weights"),
        ("categories_of('imagenet')", "torchvision", "weights"),
    ],
    ids=lambda value: value.partition("(")[0],
)
def test_a_function_says_what_it_lacks_and_how_to_get_it(alone, tmp_path, photo_path, code, package, extra):
    lines = [
        "from pathlib import Path",
        "import attnviz",
        "from attnviz.models.weights.categories import categories_of",
        "from attnviz.models.weights.download import fetch",
        "from attnviz.models.weights.published import Address",
        f"explanation = attnviz.explain({str(photo_path)!r}, 'bam_resnet18_w32', device='cpu', size=64)"
        if code.startswith("explanation")
        else "",
        "try:",
        f"    {code}",
        "except attnviz.AttnvizError as error:",
        "    print(type(error).__name__, error)",
    ]
    shown = run(alone, tmp_path, "-c", "\n".join(lines))
    words = f"MissingExtraError expected the package {package}, which this needs, got none: run "
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == f"{words}`pip install 'attnviz[{extra}]'`\n"


def test_the_command_that_installs_an_extra_names_one_there_is(alone):
    with zipfile.ZipFile(next(alone.parent.glob("*.whl"))) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    for extra in EXTRAS:
        assert f"Provides-Extra: {extra}\n" in text


def test_another_missing_package_is_not_taken_for_the_extra():
    with pytest.raises(ModuleNotFoundError, match="no_such_package") as caught, needs("matplotlib", extra="figures"):
        import_module("no_such_package")
    assert not isinstance(caught.value, MissingExtraError)


def test_a_missing_extra_is_an_import_error_too():
    with pytest.raises(ImportError, match=r"pip install 'attnviz\[x\]'"), needs("no_such_package", extra="x"):
        import_module("no_such_package")
