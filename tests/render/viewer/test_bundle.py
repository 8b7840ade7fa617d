"""The viewer's modules: their own unit tests in node, their syntax, and how they are joined."""

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from attnviz.errors import ExportError
from attnviz.render.class_colors import PIN_COLORS
from attnviz.render.viewer import bundle as joining
from attnviz.render.viewer.bundle import viewer_script, viewer_style
from attnviz.render.viewer.payload import payload
from tests.render.viewer import made

VIEWER = Path(joining.__file__).parent / "js"
MODULES = sorted(VIEWER.glob("*.js"))
NODE_TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.fixture(scope="session")
def node():
    found = shutil.which("node")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no node on PATH, and in CI the viewer's unit tests must run")
        pytest.skip("no node on PATH")
    return found


def run(*command, **env):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **env}, check=False)


def packed(values):
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def parity_file(folder):
    """A payload and what the server computes from the same explanation."""
    danet = made.danet(104, 136, seed=3)
    rows, columns = danet.position.grid
    places = [(0, 0), (rows - 1, columns - 1), (rows // 2, 3), (1, columns // 2)]
    rows_of = {place: packed(danet.position.row(*place)) for place in places}
    columns_of = {place: packed(danet.position.column(*place)) for place in places}
    cells = [{"cell": y * columns + x, "row": rows_of[y, x], "column": columns_of[y, x]} for y, x in places]
    bams = {fusion: made.bam(seed=4, fusion=fusion) for fusion in ("sum", "product")}
    gates = {
        fusion: [{"channel": c, "gate": packed(s.gate(c))} for c, s in enumerate(bam.stages)]
        for fusion, bam in bams.items()
    }
    classes = danet.segmentation.cells.ravel().tolist()
    data = {
        "payload": {"danet": payload(danet), **{fusion: payload(bam) for fusion, bam in bams.items()}},
        "expected": {"cells": cells, "maps": list(danet.maps), "classes": classes, **gates},
    }
    file = folder / "parity.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def test_the_unit_tests_pass_in_node_and_none_is_skipped(node, tmp_path):
    done = run(node, "--test", "--test-reporter=tap", *map(str, NODE_TESTS), ATTNVIZ_PARITY=str(parity_file(tmp_path)))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    counts = {name: int(re.search(rf"^# {name} (\d+)$", done.stdout, re.MULTILINE)[1]) for name in ("pass", "skipped")}
    assert counts["pass"] >= 40
    assert counts["skipped"] == 0


def test_the_parity_test_can_fail(node, tmp_path):
    file = parity_file(tmp_path)
    data = json.loads(file.read_text(encoding="utf-8"))
    first, second = data["expected"]["cells"][:2]
    first["row"], second["row"] = second["row"], first["row"]
    file.write_text(json.dumps(data), encoding="utf-8")
    test = next(t for t in NODE_TESTS if t.name == "parity.test.mjs")
    assert run(node, "--test", str(test), ATTNVIZ_PARITY=str(file)).returncode == 1


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_a_module_says_what_it_is_for_and_stays_small(module):
    text = module.read_text(encoding="utf-8")
    assert text.startswith("// ")
    assert len(text.splitlines()) <= 400
    assert "\t" not in text


def test_every_import_finds_what_it_names(node):
    # Importing the entry imports every module; a name that a module does not export is a SyntaxError.
    probe = f"const all = await import({json.dumps((VIEWER / joining.ENTRY).as_uri())}); console.log(Object.keys(all))"
    done = run(node, "--input-type=module", "-e", probe)
    assert done.stdout.strip() == "[ 'mount', 'read' ]", done.stderr


# Data from files and models is shown as text, never as markup; and nothing is fetched or compiled.
FORBIDDEN = (
    r"\b(?:inner|outer)HTML\b",
    r"\binsertAdjacentHTML\b",
    r"\bdocument\.write",
    r"\bcreateContextualFragment\b|\bDOMParser\b|\bsetHTML\w*\(",
    r"\beval\(|\bnew Function\b|\bsetTimeout\(\s*[\"'`]",
    r"\bfetch\(|\bXMLHttpRequest\b|\bWebSocket\b|\bEventSource\b|\bsendBeacon\b|\bimport\(",
    r"\blocalStorage\b|\bsessionStorage\b|\bdocument\.cookie\b",
    r"https?://(?!www\.w3\.org/2000/svg)",
)


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_module_makes_markup_from_data_or_reaches_out(pattern):
    lines = [(m.name, line.strip()) for m in MODULES for line in m.read_text(encoding="utf-8").splitlines()]
    hits = [f"{name}: {line}" for name, line in lines if re.search(pattern, line)]
    assert hits == []


def test_every_export_is_imported_somewhere():
    sources = {m.name: m.read_text(encoding="utf-8") for m in (*MODULES, *NODE_TESTS)}
    imported = {
        name
        for text in sources.values()
        for names in re.findall(r"^import \{([^}]*)\}", text, re.MULTILINE)
        for name in re.split(r"[,\s]+", names)
    }
    exports = re.compile(r"^export (?:async )?(?:function|const|class) ([\w$]+)", re.MULTILINE)
    exported = {name for m in MODULES if m.name != joining.ENTRY for name in exports.findall(sources[m.name])}
    assert len(exported) > 40
    assert exported - imported == set()


def test_every_module_is_in_the_script_once():
    script = viewer_script()
    for module in MODULES:
        assert len(re.findall(rf"^// {re.escape(module.name)}$", script, re.MULTILINE)) == 1, module.name


def test_the_script_is_one_classic_script(node, tmp_path):
    file = tmp_path / "viewer.cjs"
    file.write_text(viewer_script(), encoding="utf-8")
    done = run(node, "--check", str(file))
    assert done.returncode == 0, done.stderr
    probe = "globalThis.window = globalThis; require(process.argv[1]); console.log(Object.keys(attnviz).sort().join())"
    assert run(node, "-e", probe, str(file)).stdout.strip() == "mount,read,style"


def test_the_script_can_stand_in_a_script_element():
    assert not re.search(r"</script|<!--", viewer_script(), re.IGNORECASE)


def test_every_style_rule_is_about_the_viewer_only():
    bare = re.sub(r"/\*.*?\*/", "", viewer_style(), flags=re.DOTALL)
    selectors = [s.strip() for s in re.findall(r"([^{}]+)\{", bare) if not s.strip().startswith("@")]
    outside = [one for s in selectors for one in re.split(r",(?![^(]*\))", s) if not one.strip().startswith(".attnviz")]
    assert len(selectors) > 50
    assert outside == []


def test_every_class_name_has_a_style_and_every_style_is_used():
    scripts = "\n".join(m.read_text(encoding="utf-8") for m in MODULES)
    used = set(re.findall(r"\bav-[a-z_-]+[a-z]", scripts)) - {"av-range", "av-select", "av-radio", "av-choice"}
    styled = set(re.findall(r"\.(av-[a-z_-]+[a-z])", viewer_style()))
    assert styled - used - {"av-select", "av-radio"} == set()


def test_pins_have_the_same_colors_as_in_figures():
    text = (VIEWER / "pins.js").read_text(encoding="utf-8")
    found = re.search(r"PIN_COLORS = Object\.freeze\(\[(.*?)\]", text)[1]
    assert tuple(re.findall(r'"(#\w+)"', found)) == PIN_COLORS


class TestJoining:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch):
        (tmp_path / "js").mkdir()
        self.folder = tmp_path / "js"
        monkeypatch.setattr(joining, "_folder", lambda: tmp_path / "js")
        (tmp_path / "viewer.css").write_text("", encoding="utf-8")
        for cached in (viewer_script, viewer_style):
            cached.cache_clear()
        yield
        for cached in (viewer_script, viewer_style):
            cached.cache_clear()

    def write(self, **sources):
        for name, text in sources.items():
            (self.folder / f"{name}.js").write_text(text, encoding="utf-8")

    def test_names_inside_modules_do_not_collide(self, node):
        self.write(
            one="const secret = 1;\nexport const first = secret;\n",
            two='import { first } from "./one.js";\nconst secret = 20;\nexport const both = () => first + secret;\n',
            mount='import {\n  both,\n} from "./two.js";\nconst secret = 0;\nexport const sum = both() + secret;\n',
        )
        (self.folder.parent / "viewer.css").write_text("a { content: '`${1}\\2009' }", encoding="utf-8")
        script = "globalThis.window = globalThis;" + viewer_script() + "console.log(attnviz.sum, attnviz.style);"
        assert run(node, "-e", script).stdout == "21 a { content: '`${1}\\2009' }\n"

    def test_imports_in_a_circle_are_refused(self):
        self.write(
            mount='import { a } from "./one.js";\nexport const x = a;\n',
            one='import { x } from "./mount.js";\nexport const a = x;\n',
        )
        with pytest.raises(ExportError, match=r"circular imports, got mount\.js -> one\.js -> mount\.js"):
            viewer_script()

    @pytest.mark.parametrize(
        "line",
        ['import all from "./one.js";', 'import * as one from "./one.js";', "export default 1;", "export { a };"],
    )
    def test_other_forms_of_import_and_export_are_refused(self, line):
        self.write(mount=f"const a = 1;\n{line}\n", one="export const b = 1;\n")
        with pytest.raises(ExportError, match="expected plain named imports and exports in mount"):
            viewer_script()

    def test_an_end_tag_is_refused(self):
        self.write(mount='export const a = "</script>";\n')
        with pytest.raises(ExportError, match="got '</script'"):
            viewer_script()
