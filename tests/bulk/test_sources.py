import io
import os
import tarfile

import pytest

from attnviz.bulk.prepare import read_photo
from attnviz.bulk.sources import find_photos, text_path
from attnviz.errors import ImageError, OptionError
from tests.bulk.made import make_photos


def names(*sources, **options):
    return [os.path.basename(ref.path) for ref in find_photos(sources, **options)]


def test_a_folder_is_searched_with_all_folders_in_it_in_order(tmp_path):
    make_photos(tmp_path, 5)
    (tmp_path / "notes.doc").write_text("no photo")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "thumbnail.jpg").write_bytes(b"")
    assert names(tmp_path) == ["0000.png", "0002.jpg", "0004.jpg", "0001.jpg", "0003.jpg"]
    assert names(str(tmp_path)) == names(tmp_path)


def test_the_folder_of_the_results_is_no_source(tmp_path):
    make_photos(tmp_path, 2)
    make_photos(tmp_path / "out", 2)
    assert len(names(tmp_path)) == 4
    assert len(names(tmp_path, without=tmp_path / "out")) == 2


def test_folders_that_are_links_are_not_followed_in_a_circle(tmp_path):
    make_photos(tmp_path, 2)
    (tmp_path / "even" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(names(tmp_path)) == 2


def test_a_pattern_gives_what_matches_it(tmp_path):
    make_photos(tmp_path, 6)
    assert names(f"{tmp_path}/**/*.jpg") == ["0002.jpg", "0004.jpg", "0001.jpg", "0003.jpg"]
    with pytest.raises(OptionError, match="a pattern that some file matches"):
        names(f"{tmp_path}/*.gif")


def test_a_list_gives_its_lines_relative_to_its_folder(tmp_path):
    made = make_photos(tmp_path, 3)
    (tmp_path / "list.txt").write_text(f"even/0002.jpg\n\n{made[1]}\r\neven/gone.jpg\n")
    assert names(tmp_path / "list.txt") == ["0002.jpg", "0001.jpg", "gone.jpg"]


def test_a_photo_that_several_sources_hold_comes_once(tmp_path):
    made = make_photos(tmp_path, 3)
    (tmp_path / "list.txt").write_text("even/0000.png\neven/../even/0000.png\n")
    assert len(names(tmp_path, tmp_path / "even", tmp_path / "list.txt", made[0])) == 3


def test_a_tar_file_is_read_in_place(tmp_path):
    made = make_photos(tmp_path / "photos", 3)
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(tmp_path / "photos", "photos")
        text = b"no photo"
        member = tarfile.TarInfo("photos/read.me")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    refs = list(find_photos([tmp_path / "photos.tar"]))
    assert {ref.path for ref in refs} == {
        f"{tmp_path}/photos.tar::{path.relative_to(tmp_path).as_posix()}" for path in made
    }
    for ref in refs:
        assert read_photo(ref) == (tmp_path / ref.inside).read_bytes()


def test_a_tar_file_that_was_cut_off_since_is_told(tmp_path):
    make_photos(tmp_path / "photos", 2)
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "photos", "photos")
    last = list(find_photos([path]))[-1]
    os.truncate(path, last.start + 10)
    with pytest.raises(ImageError, match="ends within this photo"):
        read_photo(last)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("photos.tar", b"no tar file at all" * 100, "expected a whole tar file"),
        ("photos.tar.gz", b"", "expected a tar file that is not compressed"),
        ("clip.mp4", b"no clip", "expected a clip with pictures"),
    ],
)
def test_a_source_that_is_damaged_is_refused_in_one_sentence(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OptionError, match=expected):
        names(tmp_path / name)


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OptionError, match="which is not there"):
        names(tmp_path / "gone")


def test_two_photos_never_share_a_path(tmp_path):
    """Names that are no UTF-8 and look alike once they are shown are told apart."""
    for name in (b"a\xff.jpg", b"a\\udcff.jpg", b"a.jpg"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    refs = list(find_photos([tmp_path]))
    assert len({ref.path for ref in refs}) == 3
    assert all(ref.path.encode("utf-8") for ref in refs)
    assert [text_path(ref.path) for ref in refs] == [ref.file for ref in refs]
