"""Rows of a fan-out: read, crossed and checked before anything starts."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from nbmlops.errors import Invalid, NotFound
from nbmlops.jobs.parameters import Parameter
from nbmlops.jobs.works import rows
from nbmlops.jobs.works.rows import Row

KNOWN = {p.name: p for p in (Parameter("shop", "int", "1"), Parameter("city", "str", '"Ulm"'))}


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file_is_text_and_an_empty_cell_is_the_default(tmp_path):
    path = written(tmp_path / "shops.csv", '\ufeffshop,city\n007,"Ulm, Donau"\n8,\n\n')
    read = rows.of_file(path)
    assert [r.texts for r in read] == [{"shop": "007", "city": "Ulm, Donau"}, {"shop": "8"}]
    assert rows.checked("a.ipynb", read, KNOWN) == [{"shop": 7, "city": "Ulm, Donau"}, {"shop": 8}]


def test_json_lines_and_parquet_keep_their_types(tmp_path):
    lines = written(tmp_path / "shops.jsonl", '{"shop": 7, "city": null}\n\n{"shop": 8}\n')
    assert [r.values for r in rows.of_file(lines)] == [{"shop": 7, "city": None}, {"shop": 8}]
    pd.DataFrame({"shop": pd.array([7, None], dtype="Int64"), "city": ["Ulm", "Bern"]}).to_parquet(
        tmp_path / "shops.parquet"
    )
    read = [r.values for r in rows.of_file(tmp_path / "shops.parquet")]
    assert read == [{"shop": 7, "city": "Ulm"}, {"city": "Bern"}]
    assert type(read[0]["shop"]) is int


def test_frames_and_mappings_are_rows():
    frame = pd.DataFrame({"shop": [1, 2], "city": ["Ulm", None]})
    read = [r.values for r in rows.of_python(frame)]
    assert json.dumps(read) == '[{"shop": 1, "city": "Ulm"}, {"shop": 2}]'
    assert [r.values for r in rows.of_python([{"city": None}])] == [{"city": None}]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "shop\n", "has no rows"),
        ("a.csv", "", "has no rows"),
        ("a.csv", "shop,shop\n1,2\n", "names 'shop' twice"),
        ("a.csv", "shop,\n1,2\n", "a column without a name"),
        ("a.csv", "shop,city\n1\n", "Line 2 of a.csv has 1 cells, its head 2"),
        ("a.jsonl", "{\n", "Line 1 of a.jsonl is no JSON object"),
        ("a.jsonl", "[1]\n", "Line 1 of a.jsonl is no JSON object"),
        ("a.parquet", "shop", "no readable Parquet"),
        ("a.xlsx", "shop", r"The format of 'a.xlsx' is not known. It ends in one of .csv"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path, name, text, says):
    with pytest.raises(Invalid, match=says):
        rows.of_file(written(tmp_path / name, text))


def test_other_encodings_and_missing_files_are_told(tmp_path):
    (tmp_path / "a.csv").write_bytes("city\nM\u00fcnchen\n".encode("latin-1"))
    with pytest.raises(Invalid, match="Save it as UTF-8"):
        rows.of_file(tmp_path / "a.csv")
    with pytest.raises(NotFound, match="no file"):
        rows.of_file(tmp_path / "b.csv")


def test_a_grid_is_every_combination_in_order():
    found = [dict(r.texts) for r in rows.grid(["C=0.1,1", "depth=2,4"])]
    assert found == [
        {"C": "0.1", "depth": "2"},
        {"C": "0.1", "depth": "4"},
        {"C": "1", "depth": "2"},
        {"C": "1", "depth": "4"},
    ]
    assert [r.texts["m"] for r in rows.grid(["m=[1,2],{'a': 1, 'b': 2},'x,y'"])] == [
        "[1,2]",
        "{'a': 1, 'b': 2}",
        "'x,y'",
    ]


@pytest.mark.parametrize("axis", ["C", "=1,2", "C=", "C=1,,2"])
def test_what_is_no_axis_is_refused(axis):
    with pytest.raises(Invalid, match="is no axis"):
        rows.grid([axis])
    with pytest.raises(Invalid, match="names 'C' twice"):
        rows.grid(["C=1", "C=2"])


def test_rows_times_grid_and_no_name_twice():
    crossed = rows.crossed([Row({"a": "1"}), Row({"a": "2"})], rows.grid(["b=3,4"]), [Row(values={"c": 5})])
    assert [({**r.texts}, {**r.values}) for r in crossed] == [
        ({"a": a, "b": b}, {"c": 5}) for a in ("1", "2") for b in ("3", "4")
    ]
    with pytest.raises(Invalid, match="'b' is given in two places"):
        rows.crossed(rows.grid(["b=3,4"]), [Row(values={"b": 5})])


def test_all_rows_are_checked_and_the_wrong_ones_named():
    given = [Row({"shop": text}, where=f"line {n + 2}") for n, text in enumerate(["1", "x", "3", "y"])]
    with pytest.raises(Invalid) as refused:
        rows.checked("a.ipynb", given, KNOWN)
    said = str(refused.value)
    assert said.startswith("2 of 4 rows do not fit a.ipynb:\n  row 1 (line 3): Parameter 'shop' of a.ipynb is 'x'")
    assert "row 3 (line 5)" in said
    with pytest.raises(Invalid, match=r"4 of 4 rows do not fit a.ipynb: .*no parameter 'shp'.*Did you mean 'shop'"):
        rows.checked("a.ipynb", [Row({"shp": "1"})] * 4, KNOWN)


def test_a_row_without_a_needed_parameter_is_refused():
    known = {"shop": Parameter("shop", "int", "...")}
    with pytest.raises(Invalid, match=r"1 of 2 rows do not fit a.ipynb: .*needs shop"):
        rows.checked("a.ipynb", [Row({"shop": "1"}), Row()], known)
