import hashlib
import os
import zipfile

import pytest

from attnviz.models.weights.file_hash import file_hash, member_hash

CONTENT = b"weights" * 400_000  # more than one block


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_a_file_and_the_one_file_in_a_zip(tmp_path, algorithm):
    (tmp_path / "x").write_bytes(CONTENT)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("folder/x", CONTENT)
    right = hashlib.new(algorithm, CONTENT).hexdigest()
    assert file_hash(tmp_path / "x", algorithm) == right
    assert member_hash(tmp_path / "x.zip", algorithm) == right


def test_what_is_no_zip_of_one_file_has_no_such_hash(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a", b"a")
        archive.writestr("b", b"b")
    (tmp_path / "plain").write_bytes(CONTENT)
    assert member_hash(tmp_path / "two.zip") == ""
    assert member_hash(tmp_path / "plain") == ""


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_damaged_zip_has_no_such_hash(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("x", os.urandom(5000))
    damaged = bytearray((tmp_path / "x.zip").read_bytes())
    damaged[40:120] = b"\xff" * 80
    (tmp_path / "x.zip").write_bytes(damaged)
    assert member_hash(tmp_path / "x.zip") == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        file_hash(tmp_path / "pipe")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_hash(tmp_path / "missing")
