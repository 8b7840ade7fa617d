"""The scripts of viewer and page: their own unit tests in node, their syntax, and how they are joined."""

import base64
import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from attnviz.errors import ExportError
from attnviz.render.viewer.bundle import SCRIPTS as VIEWER
from attnviz.render.viewer.bundle import STYLE, bundle, viewer_script
from attnviz.render.viewer.payload import payload
from attnviz.serve import tabs
from attnviz.serve.page import components
from attnviz.serve.page.components import SCRIPTS as PAGE
from attnviz.serve.page.components import page_script
from tests.render.viewer import made

VIEWER_MODULES, PAGE_MODULES = (sorted(folder.glob("*.js")) for folder in (VIEWER, PAGE))
MODULES = [*VIEWER_MODULES, *PAGE_MODULES]
SMALL_PAGES = [PAGE.parents[2] / "bulk/clip_page.js", PAGE.parents[1] / "gallery_page.js"]
REMEMBERS = "carry.js"  # what is on the page, in the storage of its tab, until it is open in the other language
SOURCES = {module: module.read_text(encoding="utf-8") for module in MODULES}
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


def with_many(danet):
    """The same with two position attentions, gates per channel, and more classes than a byte can tell apart."""
    segmentation = danet.segmentation
    cells = (300 * (segmentation.cells.astype(np.uint16) > 0)).astype(np.uint16)
    names = tuple(f"class {i}" for i in range(301))
    labels = {"fused": segmentation.labels["fused"].astype(np.uint16)}
    return dataclasses.replace(
        danet,
        positions={"position": danet.position, "second": made.danet(grid=(4, 5), seed=8).position},
        channel_gates=made.se().channel_gates,
        segmentation=dataclasses.replace(segmentation, categories=names, labels=labels, cells=cells),
    )


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
    many = with_many(danet)
    attentions = [["position", "Position attention"], ["second", "Second attention"]]
    wanted = {
        "positions": [[*names, list(p.grid)] for names, p in zip(attentions, many.positions.values(), strict=True)],
        "gates": [[g.label, g.title, g.stage, g.stride, len(g.values)] for g in many.channel_gates.values()],
        "values": [packed(g.values) for g in many.channel_gates.values()],
        "classes": many.segmentation.cells.ravel().tolist(),
    }
    sent = {"danet": danet, "many": many, **bams}
    data = {
        "payload": {name: payload(explanation) for name, explanation in sent.items()},
        "expected": {"cells": cells, "maps": list(danet.maps), "classes": classes, "many": wanted, **gates},
    }
    file = folder / "parity.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def test_the_unit_tests_pass_in_node_and_none_is_skipped(node, tmp_path):
    done = run(node, "--test", "--test-reporter=tap", *map(str, NODE_TESTS), ATTNVIZ_PARITY=str(parity_file(tmp_path)))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    names = ("tests", "pass", "skipped")
    counts = {name: int(re.search(rf"^# {name} (\d+)$", done.stdout, re.MULTILINE)[1]) for name in names}
    written = sum(len(re.findall(r"^ *test\(", test.read_text(encoding="utf-8"), re.MULTILINE)) for test in NODE_TESTS)
    assert counts["pass"] == counts["tests"] >= written > 0
    assert counts["skipped"] == 0


def test_the_parity_test_can_fail(node, tmp_path):
    file = parity_file(tmp_path)
    data = json.loads(file.read_text(encoding="utf-8"))
    first, second = data["expected"]["cells"][:2]
    first["row"], second["row"] = second["row"], first["row"]
    file.write_text(json.dumps(data), encoding="utf-8")
    test = next(t for t in NODE_TESTS if t.name == "parity.test.mjs")
    assert run(node, "--test", str(test), ATTNVIZ_PARITY=str(file)).returncode == 1


@pytest.mark.parametrize("module", MODULES, ids=lambda m: f"{m.parents[1].name}-{m.name}")
def test_a_module_says_what_it_is_for_and_stays_small(module):
    text = module.read_text(encoding="utf-8")
    assert text.startswith("// ")
    assert len(text.splitlines()) <= 400
    assert "\t" not in text


# As much of a browser as the modules touch while they are loaded.
BROWSER = (
    "globalThis.window = globalThis; globalThis.MutationObserver = class { observe() {} };"
    "globalThis.document = { documentElement: {}, addEventListener() {} };"
)


@pytest.mark.parametrize(("folder", "name"), [(VIEWER, "attnviz"), (PAGE, "attnvizPage")])
def test_every_import_finds_what_it_names(node, folder, name):
    # Importing the entry imports every module; a name that a module does not export is a SyntaxError.
    probe = f"{BROWSER} await import({json.dumps((folder / 'main.js').as_uri())}); console.log(typeof {name})"
    done = run(node, "--input-type=module", "-e", probe)
    assert done.stdout.strip() == "object", done.stderr


def test_the_page_has_each_function_that_its_parts_call_and_no_other(node):
    callers = [Path(components.__file__), *Path(tabs.__file__).parent.glob("*.py")]
    text = "\n".join(caller.read_text(encoding="utf-8") for caller in callers)
    called = set(re.findall(r"\b(?:page|attnvizPage)\.(\w+)\(", text)) - {"{receiver}"}
    called |= set(re.findall(r'(?:payload_bridge|request_part|_drawn_as)\("(\w+)"', text))
    probe = (
        f"{BROWSER} await import({json.dumps((PAGE / 'main.js').as_uri())}); console.log(...Object.keys(attnvizPage))"
    )
    assert set(run(node, "--input-type=module", "-e", probe).stdout.split()) == called


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
    lines = [(m.name, line.strip()) for m, source in SOURCES.items() for line in source.splitlines()]
    lines = [(name, line.replace("sessionStorage.", "") if name == REMEMBERS else line) for name, line in lines]
    hits = [f"{name}: {line}" for name, line in lines if re.search(pattern, line)]
    assert hits == []


def code(source):
    """A module without comments and without its texts, which may say any word."""
    bare = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    bare = re.sub(r"(?:^|(?<=\s))//.*$", "", bare, flags=re.MULTILINE)
    return re.sub(r'"[^"\n]*"', '""', bare)


def test_every_export_is_used_by_the_program_itself():
    imported = {
        (target, name)
        for module, source in [*SOURCES.items(), *((page, page.read_text(encoding="utf-8")) for page in SMALL_PAGES)]
        for names, path in re.findall(r'^import \{([^}]*)\} from "([^"]+)"', source, re.MULTILINE)
        for target in [(module.parent / path).resolve()]
        for name in re.split(r"[,\s]+", names)
    }
    exports = re.compile(r"^export (?:async )?(?:function|const|class) ([\w$]+)", re.MULTILINE)
    exported = [(module, name) for module, source in SOURCES.items() for name in exports.findall(source)]
    at_home = {
        (module, name)
        for module, name in exported
        if len(re.findall(rf"(?<![\w$])(?<![\w)\]]\.){re.escape(name)}(?![\w$])", code(SOURCES[module]))) > 1
    }
    assert exported
    assert {(module.name, name) for module, name in {*exported} - imported - at_home} == set()


SCRIPTS = [(VIEWER, viewer_script, VIEWER_MODULES), (PAGE, page_script, PAGE_MODULES)]


@pytest.mark.parametrize(("folder", "script", "modules"), SCRIPTS, ids=["viewer", "page"])
def test_every_module_is_in_its_script_once(folder, script, modules):
    names = re.findall(r"^// (\S+\.js)$", script(), re.MULTILINE)
    assert len(set(names)) == len(names)
    assert {module.resolve() for module in modules} <= {(folder / name).resolve() for name in names}


@pytest.mark.parametrize(("script", "name"), [(viewer_script, "attnviz"), (page_script, "attnvizPage")])
def test_a_script_is_one_classic_script(node, tmp_path, script, name):
    file = tmp_path / "script.cjs"
    file.write_text(script(), encoding="utf-8")
    done = run(node, "--check", str(file))
    assert done.returncode == 0, done.stderr
    probe = f"{BROWSER} require(process.argv[1]); console.log(typeof {name})"
    assert run(node, "-e", probe, str(file)).stdout.strip() == "object"


def test_the_page_carries_the_viewer_once_with_its_style():
    for script in (viewer_script(), page_script()):
        assert script.count(json.dumps(STYLE.read_text(encoding="utf-8")).replace("</", "<\\/")) == 1


@pytest.mark.parametrize("script", [viewer_script, page_script])
def test_a_script_can_stand_in_a_script_element(script):
    assert not re.search(r"</script|<!--", script(), re.IGNORECASE)


def test_every_style_rule_is_about_the_viewer_only():
    bare = re.sub(r"/\*.*?\*/", "", STYLE.read_text(encoding="utf-8"), flags=re.DOTALL)
    selectors = [s.strip() for s in re.findall(r"([^{}]+)\{", bare) if not s.strip().startswith("@")]
    outside = [one for s in selectors for one in re.split(r",(?![^(]*\))", s) if not one.strip().startswith(".attnviz")]
    assert selectors
    assert outside == []


def class_names(pattern, texts):
    return {name for text in texts for name in re.findall(pattern, text)}


def test_every_style_of_the_viewer_is_used():
    styled = class_names(r"\.(av-[a-z_-]+[a-z])", [STYLE.read_text(encoding="utf-8")])
    assert styled - class_names(r"\bav-[a-z_-]+[a-z]", [SOURCES[module] for module in VIEWER_MODULES]) == set()


def test_every_style_of_the_page_is_used():
    serve = Path(components.__file__).parents[1]
    users = [*(SOURCES[m] for m in PAGE_MODULES), *(file.read_text(encoding="utf-8") for file in serve.rglob("*.py"))]
    styled = class_names(r"[.#](page-[a-z_-]+[a-z])", [(PAGE.parent / "page.css").read_text(encoding="utf-8")])
    assert styled - class_names(r"\bpage-[a-z_-]+[a-z]", users) == set()


class TestJoining:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "js"
        self.folder.mkdir()

    def joined(self):
        return bundle(self.folder / "main.js")

    def write(self, **sources):
        for name, text in sources.items():
            (self.folder / f"{name}.js").write_text(text, encoding="utf-8")

    def test_names_inside_modules_do_not_collide(self, node):
        self.write(
            one="const secret = 1;\nexport const first = secret;\n",
            two='import { first } from "./one.js";\nconst secret = 20;\nexport const both = () => first + secret;\n',
            main='import {\n  both,\n} from "./two.js";\nconst secret = 0;\nconsole.log(both() + secret);\n',
        )
        assert run(node, "-e", self.joined()).stdout == "21\n"

    def test_modules_of_one_name_in_two_folders_are_two(self, node):
        (self.folder / "deep").mkdir()
        self.write(main='import { a } from "./deep/main.js";\nconsole.log(a);\n', one="export const b = 7;\n")
        deep = 'import { b } from "../one.js";\nexport const a = b + 1;\n'
        (self.folder / "deep" / "main.js").write_text(deep, encoding="utf-8")
        assert run(node, "-e", self.joined()).stdout == "8\n"

    def test_the_style_sheet_stands_in_its_module(self, node):
        style = "a { content: '`${1}\\2009</script>\"' }"
        (self.folder.parent / "viewer.css").write_text(style, encoding="utf-8")
        self.write(main='import { S } from "./style.js";\nconsole.log(S);\n', style='export const S = "";\n')
        assert run(node, "-e", self.joined()).stdout == f"{style}\n"
        assert "</script" not in self.joined()

    def test_imports_in_a_circle_are_refused(self):
        self.write(
            main='import { a } from "./one.js";\nexport const x = a;\n',
            one='import { x } from "./main.js";\nexport const a = x;\n',
        )
        with pytest.raises(ExportError, match=r"circular imports, got main\.js -> one\.js -> main\.js"):
            self.joined()

    @pytest.mark.parametrize(
        "line",
        ['import all from "./one.js";', 'import * as one from "./one.js";', "export default 1;", "export { a };"],
    )
    def test_other_forms_of_import_and_export_are_refused(self, line):
        self.write(main=f"const a = 1;\n{line}\n", one="export const b = 1;\n")
        with pytest.raises(ExportError, match="expected plain named imports and exports in main"):
            self.joined()

    def test_an_end_tag_is_refused(self):
        self.write(main='export const a = "</script>";\n')
        with pytest.raises(ExportError, match="got '</script'"):
            self.joined()
