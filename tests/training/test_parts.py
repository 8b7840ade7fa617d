import json

import pytest

from training import parts


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.npy").write_bytes(bytes(range(256)) * 10)
    (folder / "even.npy").write_bytes(b"x" * 2000)
    (folder / "empty.json").write_bytes(b"")
    (folder / "unfinished.part").write_bytes(b"?")
    (folder / "sub").mkdir()
    return folder


def test_cut_and_joined_files_are_the_same(files, tmp_path, capsys):
    size = str(1000 / parts.MIB)
    parts.main(["cut", str(files), "--out", str(tmp_path / "parts"), "--largest", size])
    sizes = {p.name: p.stat().st_size for p in (tmp_path / "parts").iterdir() if p.name != parts.INDEX}
    assert sizes == {"a.npy.000": 1000, "a.npy.001": 1000, "a.npy.002": 560, "empty.json.000": 0,
                     "even.npy.000": 1000, "even.npy.001": 1000}  # fmt: skip
    parts.main(["join", str(tmp_path / "parts"), "--out", str(tmp_path / "joined")])
    assert {p.name: p.read_bytes() for p in (tmp_path / "joined").iterdir()} == {
        n: (files / n).read_bytes() for n in ("a.npy", "even.npy", "empty.json")
    }
    assert "3 files" in capsys.readouterr().out


@pytest.mark.parametrize("harm", ["shorter", "changed"])
def test_a_damaged_part_is_noticed(files, tmp_path, harm):
    first = parts.cut(files, tmp_path / "parts", 1000)[0]
    content = first.read_bytes()
    first.write_bytes(content[:-1] if harm == "shorter" else b"?" + content[1:])
    with pytest.raises(ValueError, match=r"expected a\.npy with 2560 bytes"):
        parts.join(tmp_path / "parts", tmp_path / "joined")
    assert not list((tmp_path / "joined").iterdir())


def test_a_missing_part_is_named(files, tmp_path):
    parts.cut(files, tmp_path / "parts", 1000)[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.npy\.001"):
        parts.join(tmp_path / "parts", tmp_path / "joined")


def test_names_that_lead_out_are_refused(files, tmp_path):
    parts.cut(files, tmp_path / "parts", 1000)
    listed = {"../out.npy": {"bytes": 0, "sha256": "", "parts": 0}}
    (tmp_path / "parts" / parts.INDEX).write_text(json.dumps(listed))
    with pytest.raises(ValueError, match="plain file names"):
        parts.join(tmp_path / "parts", tmp_path / "joined")


def test_nothing_to_cut(tmp_path):
    with pytest.raises(ValueError, match="got 0 and 5"):
        parts.cut(tmp_path, tmp_path / "parts", 5)
