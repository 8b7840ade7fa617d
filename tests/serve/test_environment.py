"""Who sets the environment: the process that serves the page, before it imports Gradio, and nobody else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW_IN_A_NOTEBOOK = """
from attnviz.pipeline import explain
assert "attnviz" in explain("assets/cat.jpg", device="cpu")._repr_html_()
"""
IMPORT_THE_PAGE = "import attnviz.serve.app"
SERVE = """
import sys, types
page = types.ModuleType("attnviz.serve.app")
page.build_ui = lambda own: None
page.serve = lambda demo, **options: None
sys.modules[page.__name__] = page
from attnviz.terminal.app import serve_page
serve_page(host="127.0.0.1", port=7860, open_browser=False)
assert not {"gradio", "huggingface_hub"} & set(sys.modules)
"""
PREPARED = """
from attnviz.serve.environment import prepare_environment
prepare_environment()
import os
import attnviz.serve.app
from gradio import analytics, route_utils
from huggingface_hub import constants
assert constants.HF_HUB_OFFLINE
assert constants.HF_HUB_DISABLE_TELEMETRY
assert not analytics.analytics_enabled()
assert route_utils.DEFAULT_TEMP_DIR == os.environ["GRADIO_TEMP_DIR"]
"""


def changes_of(code, **variables):
    """The variables of Gradio and its libraries that a new process has set after it ran the code."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GRADIO", "HF_"))} | variables
    script = f"{code}\nimport json, os\nprint(json.dumps(dict(os.environ)))"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    now = json.loads(done.stdout)
    return {name: now[name] for name in now if name.startswith(("GRADIO", "HF_")) and name not in variables}


@pytest.mark.parametrize("code", [SHOW_IN_A_NOTEBOOK, IMPORT_THE_PAGE], ids=["notebook", "import"])
def test_a_process_that_does_not_serve_keeps_its_environment(code):
    assert changes_of(code) == {}


@pytest.mark.parametrize("code", [SERVE, PREPARED], ids=["command", "modules"])
def test_serving_keeps_to_this_machine_before_gradio_is_imported(code):
    changed = changes_of(code)
    folder = Path(changed.pop("GRADIO_TEMP_DIR"))
    assert folder.name.startswith("attnviz-")
    assert not folder.exists()  # it went with the process
    assert changed["HF_HUB_OFFLINE"] == changed["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert changed["GRADIO_ANALYTICS_ENABLED"] == changed["GRADIO_RUN_HISTORY"] == "False"


def test_what_is_set_already_stays(tmp_path):
    changed = changes_of(SERVE, HF_HUB_OFFLINE="0", GRADIO_TEMP_DIR=str(tmp_path))
    assert not {"HF_HUB_OFFLINE", "GRADIO_TEMP_DIR"} & set(changed)
    assert tmp_path.exists()
