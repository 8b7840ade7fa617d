"""The comparison's event, without a browser: what it sends and what it keeps."""

import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np

from attnviz.inputs.preprocess import Preprocessing
from attnviz.models.attention.block_attention import BlockAttention
from attnviz.models.attention_resnet import AttentionResNet
from attnviz.models.families import FAMILIES
from attnviz.models.resnet import TrunkOptions
from attnviz.models.weights.registry import from_network
from attnviz.pipeline import explain
from attnviz.serve import requests
from attnviz.serve.sessions import Session, SessionStore
from attnviz.serve.tabs import compare as tab
from attnviz.serve.tabs import family_files
from tests.serve.page_steps import DANET

ANNA, BERTA = (SimpleNamespace(session_hash=name, headers={}) for name in ("anna", "berta"))


def test_the_right_side_is_sent_and_pushes_nobody_out(photo):
    left = explain(photo)
    other = replace(left, photo=np.zeros((1000, 1000, 3), dtype=np.uint8))
    sessions = SessionStore(max_bytes=Session(left).nbytes + Session(other).nbytes)
    sessions.keep("ben", other)
    sessions.keep("anna", left)
    *_, (status, sides) = tab._handler(sessions)("model", DANET, None, "keep", "0", ANNA)
    assert status["state"] == "done"
    assert (sides["left"]["model"]["name"], sides["right"]["model"]["name"]) == (left.model.name, DANET)
    assert sessions.explanation("anna") is left
    assert sessions.explanation("ben") is other


def family(kind, name):
    net = AttentionResNet(TrunkOptions(depth=18, width=16, attention=BlockAttention(kind, groups=8)), 5).eval()
    loaded = from_network(net, name=name, device="cpu")
    return replace(loaded, card=replace(loaded.card, preprocessing=Preprocessing(size=64, multiple=32)))


def test_families_run_at_once_and_only_where_they_were_chosen(photo):
    requests.offer([family("sge", "my_sge"), family("se", "my_se")])
    try:
        sessions = SessionStore(max_bytes=1 << 30)
        left = explain(photo)
        sessions.keep("anna", left)
        at_once = tab._handler(sessions, only="families")
        assert list(at_once("model", DANET, None, "keep", "0", ANNA)) == [(gr.skip(), gr.skip())]
        *_, (status, value) = at_once("families", DANET, None, "keep", "128", ANNA)
        assert status["state"] == "done"
        shown = {entry["family"]: entry["explanation"] for entry in value["families"]}
        assert list(shown) == list(requests.families())
        assert shown["BAM"]["model"]["name"] == "bam_resnet18"
        ours = requests.families()["SGE"] != "my_sge"  # trained weights come before the visitor's random ones
        assert (shown["SGE"]["model"]["trained"], len(shown["SGE"]["group_gates"])) == (ours, 8)
        missing = [name for name in FAMILIES if name not in shown]
        assert status["text"].endswith(f"Not on this machine: {', '.join(missing)}." if missing else "the same photo.")
        assert sessions.explanation("anna") is left
    finally:
        requests.offer(())


def test_families_can_be_taken_away_as_page_and_figure_until_something_else_is_compared(photo_path):
    requests.offer([family("cbam", "my_cbam"), family("se", "my_se")])
    try:
        sessions = SessionStore(max_bytes=1 << 30)
        sessions.keep("anna", explain(photo_path), photo=Path(photo_path))
        files = family_files.handler(sessions, "compare")
        assert files(ANNA) == family_files.OFF
        list(tab._handler(sessions, only="families")("families", DANET, None, "keep", "128", ANNA))
        update = files(ANNA)
        assert update["interactive"] is True
        with zipfile.ZipFile(update["value"]) as archive:
            starts = {name: archive.read(name)[:5] for name in archive.namelist()}
            drawn = archive.read("families.svg").decode()
        wanted = {"families.html": b"<!doc", "families.png": b"\x89PNG\r", "families.pdf": b"%PDF-"}
        assert starts == wanted | {"families.svg": b"<?xml"}
        for name in requests.families():
            assert f">{name}" in drawn
        assert Path(photo_path).name in drawn
        assert files(BERTA) == family_files.OFF
        sessions.keep_beside("anna", {})
        assert files(ANNA) == family_files.OFF
    finally:
        requests.offer(())
