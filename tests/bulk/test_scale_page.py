"""What docs/scale.md tells people to type."""

import re
from pathlib import Path

import numpy as np

from attnviz.bulk.export import export_photos
from tests.bulk.made import make_photos, rows, settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"


def test_pandas_and_duckdb_read_the_table_in_two_lines_each(tmp_path, monkeypatch):
    make_photos(tmp_path / "photos", 12)
    export_photos([tmp_path / "photos"], tmp_path / "out", settings())
    monkeypatch.chdir(tmp_path)
    with_pandas, with_duckdb = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [[line for line in block.splitlines() if line] for block in (with_pandas, with_duckdb)]
    assert [len(block) for block in lines] == [2, 2]
    names: dict = {}
    exec(with_pandas, names)
    exec(with_duckdb, names)
    found = rows(tmp_path / "out")
    table, sharpest = names["table"], names["sharpest"].fetchall()
    assert table["path"].tolist() == [row["path"] for row in sorted(found, key=lambda row: -row["score"])]
    m = table["map.stage3.gain"].iloc[0]
    values = np.reshape(m["values"], (m["rows"], m["columns"]))
    assert values.dtype == np.float16
    assert np.float32(values.max()) == np.float32(np.float16(m["high"]))
    ginis = sorted((row["focus.stage3.gain"]["gini"] for row in found), reverse=True)[:10]
    np.testing.assert_allclose([gini for _, gini in sharpest], ginis)
