"""Each part of Gradio that the page uses without its being promised: still there, still as it is used."""

import inspect
from pathlib import Path

import gradio as gr
import gradio.processing_utils
import gradio.queueing
import gradio.utils
import pytest
from gradio.data_classes import FileData, ImageData
from gradio.state_holder import SessionState

from attnviz.serve import middleware
from attnviz.serve.app import build_ui
from attnviz.serve.environment import _OFFLINE

HOOKS = {
    # serve/refusals.py: wrapped, so that what Gradio itself refuses is said in words
    gr.Blocks.preprocess_data: ["self", "block_fn", "inputs"],
    # serve/session_state.py: wrapped, so that no session keeps what its page showed
    gr.Blocks.postprocess_data: ["self", "block_fn", "predictions", "state"],
    # serve/session_state.py: wrapped, to know whose an uploaded file is
    gradio.queueing.Queue.push: ["self", "body"],
    # serve/session_state.py: ends what waits for a visitor who left
    gradio.queueing.Queue.clean_events: ["self", "session_hash"],
    # serve/tabs/explain.py: replaced, so that our own decoder gets the file untouched
    gr.Image.preprocess: ["self", "payload"],
    # serve/tabs/explain.py: what a script sent with an event
    gr.EventData.__getattr__: ["self", "name"],
    # serve/file_cache.py: copies that the page may show
    gradio.processing_utils.save_file_to_cache: ["file_path", "cache_dir"],
    gradio.utils.get_upload_folder: [],
}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__qualname__)
def test_a_function_takes_what_it_is_given(hook):
    wanted = HOOKS[hook]
    assert list(inspect.signature(hook).parameters)[: len(wanted)] == wanted


def test_the_hooks_are_called_by_gradio():
    assert "self.preprocess_data(" in inspect.getsource(gr.Blocks.process_api)
    assert "block.preprocess" in inspect.getsource(gr.Blocks.preprocess_data)
    assert inspect.iscoroutinefunction(gr.Blocks.preprocess_data)


def test_what_is_dropped_of_a_visitor_is_where_gradio_keeps_it():
    demo = build_ui()
    gr.routes.App.create_app(demo)
    assert set(vars(SessionState(demo))) >= {"blocks_config", "config_values"}
    assert set(vars(demo.state_holder)) >= {"session_data", "time_last_used"}
    assert set(vars(demo._queue)) >= {"pending_messages_per_session", "pending_event_ids_session", "active_jobs"}
    assert set(vars(gradio.queueing.EventQueue("photo", 1))) >= {"queue", "current_concurrency"}
    assert "event_queue_per_concurrency_id" in vars(demo._queue)
    assert "self.postprocess_data(" in inspect.getsource(gr.Blocks.process_api)


def test_the_values_that_are_handed_on_have_their_fields():
    assert {"path", "url"} <= set(ImageData.model_fields)
    assert {"path", "url", "orig_name"} <= set(FileData.model_fields)


def test_an_error_has_the_switches_that_are_set():
    assert {"visible", "title", "print_exception"} <= set(inspect.signature(gr.Error).parameters)


@pytest.mark.parametrize("name", [name for name in _OFFLINE if name.startswith("GRADIO_")] + ["GRADIO_TEMP_DIR"])
def test_a_variable_of_the_environment_is_read(name):
    package = Path(gr.__file__).parent
    assert any(name in source.read_text(encoding="utf-8") for source in package.glob("*.py"))


@pytest.fixture(scope="module")
def routes():
    return gr.routes.App.create_app(build_ui()).routes


def is_served(routes, path):
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "app_root_path": "", "headers": []}
    return any(route.matches(scope)[0].name != "NONE" for route in routes)


@pytest.mark.parametrize("path", sorted(middleware._OPEN_PATHS))
def test_an_address_that_is_open_is_one_of_gradios(routes, path):
    assert is_served(routes, path)


@pytest.mark.parametrize("prefix", [*middleware._OPEN_PREFIXES, middleware._FILE])
def test_a_folder_that_is_open_is_one_of_gradios(routes, prefix):
    assert is_served(routes, f"{prefix}name")


def test_other_addresses_are_none_of_gradios(routes):
    assert not is_served(routes, "/gradio_api/no_such_address")
