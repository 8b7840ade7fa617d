import os
import stat
import zipfile

import pytest

from attnviz.errors import ExportError
from attnviz.save import atomic_files as whole_files
from attnviz.save.atomic_files import add_to_zip, make_folder, write_files


def test_files_are_written_with_their_content_and_usual_permissions(tmp_path):
    old_mask = os.umask(0o022)
    try:
        paths = write_files(tmp_path, {"a.txt": b"one", "b.bin": b"\0\1"})
    finally:
        os.umask(old_mask)
    assert [path.read_bytes() for path in paths] == [b"one", b"\0\1"]
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o644
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_existing_files_are_replaced(tmp_path):
    write_files(tmp_path, {"a": b"old"})
    write_files(tmp_path, {"a": b"new"})
    assert (tmp_path / "a").read_bytes() == b"new"


def test_where_one_file_cannot_be_written_none_is(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ExportError, match="b is a folder"):
        write_files(tmp_path, {"a": b"new", "b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_files.os, "fsync", full)
    with pytest.raises(ExportError, match="no space left on device"):
        write_files(tmp_path, {"a": b"x", "b": b"y"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", "..", ".", "", "a\0"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(ExportError, match="plain file name"):
        write_files(tmp_path, {name: b"x"})
    assert list(tmp_path.parent.glob("a")) == []


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a").symlink_to(secret)
    write_files(folder, {"a": b"new"})
    assert secret.read_bytes() == b"secret"
    assert not (folder / "a").is_symlink()


def test_a_folder_is_made_with_its_parents(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("name", ["file", "file/below", "nul\0l", "x" * 300])
def test_folders_that_cannot_be_are_refused(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ExportError, match="expected a folder to write to"):
        make_folder(tmp_path / name)


def test_a_link_that_leads_out_is_refused(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "cat").symlink_to(outside)
    with pytest.raises(ExportError, match="a link that leads out of it"):
        make_folder(inside / "cat", within=inside)
    assert make_folder(inside / "dog", within=inside) == (inside / "dog").resolve()


def test_archives_do_not_tell_the_time(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        add_to_zip(archive, "figure.png", b"x" * 100)
        add_to_zip(archive, "manifest.json", b"x" * 100)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        png, manifest = archive.infolist()
    assert png.date_time == manifest.date_time == (1980, 1, 1, 0, 0, 0)
    assert png.compress_type == zipfile.ZIP_STORED
    assert manifest.compress_size < 20
