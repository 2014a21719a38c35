"""Versions of data sets: numbered once, the same data the same version, rows kept on demand, differences in words."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.quality.versions import dataset_version, difference
from nbmlops.store import events, garbage, health
from nbmlops.tracking import session


def flights(n=120):
    return pd.DataFrame(
        {
            "delay": [1.5, 2.0, None] * (n // 3),
            "origin": ["JFK", "LGA", "EWR"] * (n // 3),
            "at": pd.date_range("2024-01-01", periods=n, tz="UTC"),
            "late": [True, False, True] * (n // 3),
        }
    )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def anywhere(request, project, monkeypatch):
    """A project whose store is a file, and one on a server."""
    if request.param == "postgres":
        monkeypatch.setenv("NBMLOPS_STORE", request.getfixturevalue("postgres")())
        session.reset()
    return project


def test_numbers_count_up_and_the_same_data_is_the_same_version(anywhere):
    first = nb.dataset("flights", flights())
    assert (first.ref, first.rows, len(first.columns), first.digest) == ("flights@1", 120, 4, None)
    assert nb.dataset("flights", flights()) == first
    assert nb.dataset("flights", flights(150)).ref == "flights@2"
    assert nb.dataset("flights", flights()).ref == "flights@3"  # the newest was other data
    assert nb.dataset("other", flights()).ref == "other@1"
    assert nb.datasets()["ref"].tolist() == ["flights@3", "flights@2", "flights@1", "other@1"]
    with session.store().reading() as connection:
        assert events.verify(connection) is None
        assert [e["subject"] for e in events.listed(connection)][:2] in (
            ["flights@1", "flights@2"],
            ["other@1", "flights@3"],
        )


CODE = """
import sys, pandas as pd, nbmlops as nb
sys.stdin.read(1)
print([nb.dataset("flights", pd.DataFrame({"x": [int(sys.argv[1]), i]})).version for i in range(4)])
"""


def test_writers_at_once_get_different_numbers(anywhere):
    nb.dataset("flights", flights())  # the store is made
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([sys.executable, "-c", CODE, str(k)], cwd=anywhere, **pipes) for k in range(2)]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda process: process.communicate("x"), started))
    numbers = [number for out, _ in said for number in json.loads(out)]
    assert sorted(numbers) == list(range(2, 10)), said


def test_kept_rows_come_back_as_they_were(anywhere):
    nb.dataset("flights", flights(), keep=True)
    assert nb.load_dataset("flights@1").equals(flights())
    nb.dataset("flights", flights(150))
    assert len(nb.load_dataset("flights@1")) == 120
    with pytest.raises(NotFound, match=r"flights@2 were not kept, only what they were\. Kept: flights@1"):
        nb.load_dataset("flights")
    assert nb.dataset("flights", flights(150), keep=True).version == 2  # kept later, and the same version
    assert len(nb.load_dataset("flights")) == 150
    assert nb.dataset("again", nb.load_dataset("flights@1")).fingerprint == dataset_version("flights@1").fingerprint


@pytest.mark.parametrize("kind", ["category", "Int64", "string", "datetime64[ns]"])
def test_the_fingerprint_survives_parquet(project, kind):
    values = {"Int64": [1, None, 3], "datetime64[ns]": ["2024-01-01", None, "2024-01-03"]}.get(kind, ["a", None, "b"])
    frame = pd.DataFrame({"x": pd.Series(values).astype(kind), "n": np.arange(3)})
    first = nb.dataset("odd", frame, keep=True)
    assert nb.dataset("odd", nb.load_dataset("odd")) == first


def test_kept_rows_and_profiles_are_no_garbage_and_are_verified(project):
    version = nb.dataset("flights", flights(), keep=True)
    garbage.gc(session.project(), older_than_s=0, dry_run=False, now_s=4e9)
    assert len(nb.load_dataset("flights")) == 120
    path = project / ".nbmlops" / "artifacts" / version.digest[:2] / version.digest
    path.chmod(0o644)
    path.write_bytes(b"other")
    with pytest.raises(Conflict, match="damaged"):
        nb.load_dataset("flights")
    assert "damaged" in next(c.says for c in health.verify(session.project()) if c.what == "files")


def test_rules_of_the_name_are_asked_and_kept_with_the_version(project):
    (project / "rules").mkdir()
    (project / "rules" / "flights.yaml").write_text("columns: {delay: {missing_max: 0.1}, late: {dtype: booleans}}")
    found = nb.dataset("flights", flights())
    assert [(f.code, f.outcome) for f in found.findings] == [("missing_max", "issue"), ("dtype", "passed")]
    assert dataset_version("flights").verdict == "alert"
    assert nb.dataset("bare", flights()).findings == ()
    with pytest.raises(NotFound, match="No rules 'nix'"):
        nb.dataset("bare", flights(150), rules="nix")


def test_secrets_of_a_query_are_masked_wherever_the_version_shows(project):
    secret = "postgresql://ann:hunter2hunter2@db/x"
    found = nb.dataset("flights", flights(), source=secret, query=f"-- {secret}\nSELECT 1")
    assert "hunter2" not in json.dumps(found.to_dict()) + repr(found) + found._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("name", ["", "a b", "../x", "flights@7", 7])
def test_a_bad_name_is_refused(project, name):
    with pytest.raises(Invalid, match="no name of a data set"):
        nb.dataset(name, flights())


def test_what_cannot_be_kept_says_so_without_a_value(project):
    frame = pd.DataFrame({"x": pd.Series([1, "Ann Example"], dtype=object)})
    with pytest.raises(Invalid, match="cannot be kept as Parquet") as told:
        nb.dataset("odd", frame, keep=True)
    assert "Ann" not in str(told.value)
    with pytest.raises(NotFound, match="No dataset 'odd'"):  # nothing was recorded
        dataset_version("odd")


def test_unknown_versions_name_the_known_ones(project):
    nb.dataset("flights", flights())
    with pytest.raises(NotFound, match="Did you mean 'flights'"):
        nb.load_dataset("flight")
    with pytest.raises(NotFound, match=r"No version of flights '7'.*Known: 1"):
        nb.load_dataset("flights@7")


def test_the_difference_in_words(project):
    nb.dataset("flights", flights())
    frame = pd.concat([flights(), flights()]).drop(columns="at")
    frame["gate"] = 1
    frame["delay"] = frame["delay"].fillna(9.0)
    frame["origin"] = frame["origin"].replace("EWR", "BOS")
    frame["late"] = 1 * frame["late"]
    nb.dataset("flights", frame)
    found = difference("flights@1", "flights@2")
    assert repr(found).splitlines() == [
        "From flights@1 to flights@2: alert",
        "  120 rows became 240 (+100.0 %)",
        "  at is gone",
        "  gate is new (int64)",
        "  delay was 33.3 % missing and is 0 %",
        "  delay was 1.5 to 2 (median 1.5) and is 1.5 to 9 (median 2)",
        "  origin: 1 new, such as 'BOS'; 1 gone, such as 'EWR'",
        "  late was bool and is int64",
    ]
    assert "<script" not in found._repr_mimebundle_()["text/html"]
    assert difference("flights@1", "flights@1").findings[0].message == "the same data"


def test_other_values_are_said_where_nothing_else_differs(project):
    one = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1, 2, 3]})
    nb.dataset("a", one)
    nb.dataset("a", one.assign(x=[3.0, 2.0, 1.0]))
    nb.dataset("a", one[["y", "x"]])
    assert [f.message for f in difference("a@1", "a@2").findings] == ["x holds other values"]
    assert [f.code for f in difference("a@1", "a@3").findings] == ["order"]


def test_no_rows_have_no_shares_to_compare(project):
    nb.dataset("a", flights())
    nb.dataset("a", flights()[:0])
    assert [f.message for f in difference("a@1", "a@2").findings] == ["120 rows became 0 (-100.0 %)"]


def test_a_hostile_name_is_text_in_the_view(project):
    frame = pd.DataFrame({"<script>alert(1)</script>": [1, 2]})
    assert "<script>" not in nb.dataset("odd", frame)._repr_mimebundle_()["text/html"]


def typed(*words):
    return CliRunner().invoke(main, ["dataset", *words])


def test_function_command_and_magic_say_the_same(shell, project):
    flights().to_csv("flights.csv", index=False)
    said = json.loads(typed("flights", "flights.csv", "--keep", "--json").output)
    expected = nb.dataset("flights", pd.read_csv("flights.csv")).to_dict()
    assert said == expected
    assert json.loads(typed("flights@1", "--json").output) == expected
    nb.dataset("flights", flights(150))
    words = difference("flights@1", "flights@2")
    assert json.loads(typed("diff", "flights@1", "flights@2", "--json").output) == words.to_dict()
    shell.run_line_magic("nbmlops", "dataset diff flights@1 flights@2")
    assert [r["ref"] for r in json.loads(typed("--json").output)] == ["flights@2", "flights@1"]
    assert typed("flights@1", "-o", "back.csv").exit_code == 0
    assert (project / "back.csv").read_text() == (project / "flights.csv").read_text()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 0, "no data sets yet"),
        (["nix"], 5, "No dataset 'nix'"),
        (["flights", "nix.csv"], 5, "No frame or file 'nix.csv'"),
        (["a", "b", "c"], 2, "diff BEFORE AFTER"),
    ],
)
def test_commands_end_as_the_design_says(project, words, code, told):
    result = typed(*words)
    assert (result.exit_code, told in result.output) == (code, True), result.output
