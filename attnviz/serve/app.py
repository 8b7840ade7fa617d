"""The page, put together: controls on the left, pictures on the right."""

from collections.abc import Awaitable, Callable, Sequence

import gradio as gr
from starlette.concurrency import run_in_threadpool

from attnviz.models.sites import VIEWS
from attnviz.models.weights.registry import LoadedModel
from attnviz.serve import requests
from attnviz.serve.file_cache import VisitorFiles
from attnviz.serve.freed_memory import give_back
from attnviz.serve.launch import (
    MAX_WAITING,
    SECONDS_BETWEEN_SWEEPS,
    SECONDS_FILES_KEPT,
    launch_options,
    serve,
)
from attnviz.serve.page.components import View, masthead, tab_panel, tabs_part, view_part
from attnviz.serve.refusals import explain_refusals
from attnviz.serve.session_state import forget_visitor, keep_no_values, note_files
from attnviz.serve.sessions import SessionStore
from attnviz.serve.stops import Stops
from attnviz.serve.tabs import about as about_tab
from attnviz.serve.tabs import batch as batch_tab
from attnviz.serve.tabs import carry as carry_parts
from attnviz.serve.tabs import compare as compare_tab
from attnviz.serve.tabs import evidence as evidence_tab
from attnviz.serve.tabs import explain as explain_tab
from attnviz.serve.tabs import export as export_tab
from attnviz.serve.tabs import layers as layer_parts
from attnviz.serve.tabs import place as place_parts

__all__ = ["build_ui", "launch_options", "serve"]

SINGLE_VIEWS: tuple[View, ...] = (*VIEWS, "inside", "sites")  # of one explanation
MORE_TABS = ("compare", "evidence", "batch", "export", "about")


def build_ui(networks: Sequence[LoadedModel] = ()) -> gr.Blocks:
    """The page, ready for ``.launch(**launch_options())``.

    Args:
        networks: To offer in the menu of models before those of the registry, chosen by the names on their cards; the
            first is chosen when the page opens. They are those of the page that was built last in this process.

    Raises:
        OptionError: Two networks, or a network and known weights, have the same name.
    """
    requests.offer(networks)
    sessions, files, batches, measurements = SessionStore(), VisitorFiles(), Stops(), Stops()
    demo: gr.Blocks = gr.Blocks(
        title="attnviz",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(SECONDS_BETWEEN_SWEEPS, SECONDS_FILES_KEPT),
    )
    with demo:
        masthead()
        with gr.Row(elem_classes=["page-columns"]):
            with gr.Column(elem_classes=["page-rail"], scale=0, min_width=280):
                rail = explain_tab.build_rail()
            with gr.Column(elem_classes=["page-stage"], scale=1, min_width=300):
                area = explain_tab.build_result_area()
                layers = layer_parts.build()
                place = place_parts.build()
                carry = carry_parts.build()
                views = _offered_views()
                tabs_part((*views, *MORE_TABS))
                for view in views:
                    with tab_panel(view):
                        view_part(view)
                with tab_panel("compare"):
                    compare = compare_tab.build()
                with tab_panel("evidence"):
                    evidence = evidence_tab.build()
                with tab_panel("batch"):
                    batch = batch_tab.build()
                with tab_panel("export"):
                    export = export_tab.build()
                with tab_panel("about"):
                    about_tab.build()
        opened = carry_parts.wire(demo, carry, rail, sessions, files)
        explain_tab.wire(rail, area, sessions, opened)
        layer_parts.wire(layers, sessions)
        place_parts.wire(demo, place)
        compare_tab.wire(compare, rail, sessions)
        evidence_tab.wire(evidence, rail, area, sessions, measurements)
        batch_tab.wire(batch, rail, sessions, batches)
        export_tab.wire(export, area, sessions)
        demo.unload(_forget(demo, sessions, files, batches, measurements))
    demo.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    explain_refusals(demo)
    keep_no_values(demo)
    note_files(demo, files.uploaded)
    return demo


def _offered_views() -> list[View]:
    """`SINGLE_VIEWS`, without that of cross attention where no network has any: the row of tabs is long."""
    some = any("cross" in card.views for card in requests.known_models().values())
    return [view for view in SINGLE_VIEWS if view != "cross" or some]


def _forget(
    demo: gr.Blocks, sessions: SessionStore, files: VisitorFiles, *works: Stops
) -> Callable[..., Awaitable[None]]:
    """What happens when a page is closed: its work ends, and all that was its visitor's goes."""

    async def forget(request: gr.Request) -> None:
        if session := request.session_hash:
            for stops in works:
                stops.stop(session)
            sessions.forget(session)
            await forget_visitor(demo, session)  # after what runs for it now has come to its next step
            sessions.forget(session)
            files.forget(session)
            await run_in_threadpool(give_back)

    return forget
