import contextlib
import io
import json
import os
import pickle
import struct
import threading
import zipfile

import pytest
import torch
from safetensors.torch import save, save_file

from attnviz.errors import CheckpointError
from attnviz.models.weights.checkpoint import load_checkpoint
from attnviz.models.weights.tensor_files import read_tensors

TENSORS = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.ones(2)}


def torch_bytes(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def refused(path):
    with pytest.raises(CheckpointError) as caught:
        read_tensors(path)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def written(tmp_path):
    def write(content, name="x.pth"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("name", ["x.pth", "x.pth.tar", "x", "x.safetensors", "x.bin"])
def test_the_content_decides_and_not_the_name(written, name):
    for content in (torch_bytes(TENSORS), torch_bytes(TENSORS, _use_new_zipfile_serialization=False), save(TENSORS)):
        found = read_tensors(written(content, name))
        assert all(torch.equal(found[key], TENSORS[key]) for key in TENSORS)


class Creates:
    """Pickles into a call that makes a file."""

    def __init__(self, path, call):
        self.path, self.call = path, call

    def __reduce__(self):
        return {
            "open": (open, (str(self.path), "w")),
            "system": (os.system, (f"touch '{self.path}'",)),
            "eval": (eval, (f"open({str(self.path)!r}, 'w')",)),
            "mkdir": (os.mkdir, (str(self.path),)),
        }[self.call]


@pytest.mark.parametrize("call", ["open", "system", "eval", "mkdir"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("place", ["alone", "beside", "as_name"])
def test_a_hostile_pickle_does_not_run(written, tmp_path, place, zipped, call):
    made = tmp_path / "made"
    evil = Creates(made, call)
    content = {"alone": evil, "beside": {"state_dict": TENSORS, "epoch": evil}, "as_name": {"state_dict": {"a": evil}}}
    said = refused(written(torch_bytes(content[place], _use_new_zipfile_serialization=zipped)))
    assert "not run" in said
    assert not made.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_plain_hostile_pickle_does_not_run(written, tmp_path, protocol):
    made = tmp_path / "made"
    refused(written(pickle.dumps(Creates(made, "open"), protocol=protocol)))
    assert not made.exists()


def test_a_hostile_pickle_inside_a_zip_does_not_run(written, tmp_path):
    made = tmp_path / "made"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("weights.pth", torch_bytes({"a": Creates(made, "open")}))
    refused(written(packed.getvalue(), "weights.pth.zip"))
    assert not made.exists()


def test_a_whole_pickled_module_is_refused(written):
    refused(written(torch_bytes(torch.nn.Linear(2, 2))))


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_file_cut_anywhere_is_refused(written, kind):
    whole = {
        "zip": torch_bytes(TENSORS),
        "legacy": torch_bytes(TENSORS, _use_new_zipfile_serialization=False),
        "safetensors": save(TENSORS),
    }[kind]
    for length in {1, 2, 3, 4, 8, 9, 15, 40, len(whole) // 2, len(whole) - 8, len(whole) - 1}:
        refused(written(whole[:length], "x.safetensors" if kind == "safetensors" else "x.pth"))


def test_bytes_changed_at_random_never_do_worse_than_an_error(written):
    whole = bytearray(torch_bytes(TENSORS, _use_new_zipfile_serialization=False))
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        changed = bytearray(whole)
        for position in torch.randint(len(whole), (3,), generator=generator).tolist():
            changed[position] = int(torch.randint(256, (1,), generator=generator))
        path = written(bytes(changed))
        with contextlib.suppress(CheckpointError):
            read_tensors(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"PK\x03\x04",
        b"PK\x05\x06" + b"\0" * 18,
        b"\x80",
        b"\x80\x02.",
        b"hello, world",
        b"<html></html>",
        b"\xff" * 100,
    ],
    ids=["empty", "zero", "zip-head", "empty-zip", "pickle-head", "empty-pickle", "text", "html", "noise"],
)
def test_what_is_no_checkpoint_is_refused(written, content):
    refused(written(content))
    refused(written(content, "x.safetensors"))


def test_no_file_and_a_folder_are_refused(tmp_path):
    assert "not there" in refused(tmp_path / "missing.pth")
    assert "a folder" in refused(tmp_path)
    for name in ("x" * 5000, "a\0b", ""):
        refused(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused(tmp_path / "pipe")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"state_dict": {}},
        {"a": 1},
        {1: torch.zeros(1)},
        torch.zeros(2),
        "text",
        None,
        {"a": {"b": torch.zeros(1)}},
    ],
)
def test_anything_but_named_tensors_is_refused(written, content):
    assert "named tensors" in refused(written(torch_bytes(content)))


def safetensors_with(header, data=b"\0" * 24):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        safetensors_with({"a": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 24]}}),
        safetensors_with({"a": {"dtype": "F32", "shape": [6], "data_offsets": [0, 2**40]}}),
        safetensors_with({"a": {"dtype": "F32", "shape": [6], "data_offsets": [24, 0]}}),
        safetensors_with({"a": {"dtype": "F32", "shape": [-6], "data_offsets": [0, 24]}}),
        safetensors_with({"a": {"dtype": "PICKLE", "shape": [6], "data_offsets": [0, 24]}}),
        safetensors_with({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}),
        safetensors_with(b"{" * 50),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 0) + b"{}",
    ],
    ids=["huge", "past-the-end", "backwards", "negative", "type", "gap", "json", "endless", "long", "none"],
)
def test_safetensors_with_a_lying_header_are_refused(written, content):
    refused(written(content, "x.safetensors"))
    refused(written(content, "x.pth"))


def bomb(name, size=100 << 20):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(name, "w", force_zip64=True) as stream:
            for _ in range(size >> 20):
                stream.write(b"\0" * (1 << 20))
    return packed.getvalue()


@pytest.mark.parametrize("name", ["weights.pth", "archive/data.pkl", "archive/data/0"])
def test_a_zip_bomb_is_not_unpacked(written, name):
    content = bomb(name)
    assert len(content) < 1 << 20
    said = refused(written(content, "x.pth.zip"))
    assert "unpack" in said


def test_a_zip_of_none_or_several_files_is_refused(written):
    for names in ([], ["readme.txt"], ["a.pth", "b.pth"]):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        if names:
            assert "one checkpoint inside" in refused(written(packed.getvalue(), "x.zip"))
        else:
            refused(written(packed.getvalue(), "x.zip"))


def test_a_zip_of_zips_of_zips_is_refused(written):
    content = torch_bytes(TENSORS)
    for _ in range(3):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("../../x.pth", content)
        content = packed.getvalue()
    refused(written(content, "x.zip"))


def test_names_inside_a_zip_do_not_choose_where_it_unpacks(written, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"..{tmp_path}/escaped.pth", torch_bytes(TENSORS))
    assert set(read_tensors(written(packed.getvalue(), "x.zip"))) == set(TENSORS)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["x.zip"]


def test_a_storage_that_claims_more_than_the_file_has_is_refused(written):
    whole = torch_bytes({"a": torch.zeros(64)}, _use_new_zipfile_serialization=False)
    claimed = whole.replace(b"K@", b"J\xff\xff\xff\x7f", 1) if b"K@" in whole else whole[:-100]
    refused(written(claimed))


def test_threads_may_read_at_once(tmp_path):
    save_file(TENSORS, tmp_path / "x.safetensors")
    torch.save({"state_dict": TENSORS, "score": torch.tensor(1.0).double().numpy()[()]}, tmp_path / "x.pth")
    problems = []

    def read(name):
        try:
            for _ in range(5):
                read_tensors(tmp_path / name)
        except CheckpointError as error:
            problems.append(error)

    threads = [threading.Thread(target=read, args=(name,)) for name in ("x.pth", "x.safetensors") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_file_larger_than_any_published_one_is_not_read(tmp_path):
    path = tmp_path / "x.pth"
    with path.open("wb") as stream:
        stream.write(b"\x80\x02")
        stream.truncate(5 << 30)  # takes no room on the disk
    assert "expected at most" in refused(path)
