import tarfile

import numpy as np
import pytest

from attnviz.bulk.export import export_photos
from attnviz.bulk.index import TableIndex, read_index
from attnviz.bulk.prepare import read_photo
from attnviz.errors import OptionError
from tests.bulk.made import make_photos, rows, settings


def made_index():
    scores = np.array([0.5, 0.25, np.nan, 0.75, 0.5], np.float32)
    return TableIndex(
        ["d", "b", "c", "a", "e"], np.array([0, 1, -1, 0, 1], np.int32), ["cat", "dog"], {"score": scores}, {}
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [3, 1, 2, 0, 4]),
        ({"descending": True}, [4, 0, 2, 1, 3]),
        ({"sort": "score"}, [1, 0, 4, 3, 2]),
        ({"sort": "score", "descending": True}, [3, 4, 0, 1, 2]),
        ({"sort": "score", "low": 0.5}, [0, 4, 3]),
        ({"sort": "score", "low": 0.3, "high": 0.5}, [0, 4]),
        ({"sort": "score", "prediction": "dog"}, [1, 4]),
        ({"prediction": "bird"}, []),
    ],
)
def test_rows_are_sorted_and_filtered(asked, expected):
    assert made_index().rows(**asked).tolist() == expected


@pytest.mark.parametrize("asked", [{"sort": "entropy"}, {"low": 0.5}])
def test_what_cannot_be_sorted_is_refused(asked):
    with pytest.raises(OptionError, match="expected"):
        made_index().rows(**asked)


def test_an_index_holds_the_numbers_of_the_table(tmp_path):
    make_photos(tmp_path / "photos", 10)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    index, found = read_index(tmp_path / "out"), {row["path"]: row for row in rows(tmp_path / "out")}
    assert sorted(index.paths) == sorted(found)
    assert {"score", "stage1.gain gini", "stage3.gain entropy", "stage2.gain border_share"} <= set(index.numbers)
    for number, path in enumerate(index.paths):
        row = found[path]
        assert index.categories[index.predictions[number]] == row["prediction"]
        assert index.numbers["score"][number] == np.float32(row["score"])
        assert index.numbers["stage1.gain gini"][number] == np.float32(row["focus.stage1.gain"]["gini"])


def test_photos_in_tar_files_are_found_again(tmp_path):
    made = make_photos(tmp_path / "photos", 3)
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(tmp_path / "photos", "photos")
    export_photos([tmp_path / "photos.tar"], tmp_path / "out", settings())
    index = read_index(tmp_path / "out")
    read = {read_photo(index.ref(row)) for row in range(3)}
    assert read == {path.read_bytes() for path in made}


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(OptionError, match="wrote a table to"):
        read_index(tmp_path)
