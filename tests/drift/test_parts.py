"""Data that comes in parts has the profile it has as a whole."""

import weakref

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nbmlops as nb
from nbmlops.drift import parts
from nbmlops.drift.profile import Profile, build
from nbmlops.errors import Invalid, NotFound

N = 30_000


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(N) < 0.1, np.nan, rng.lognormal(size=N)),
            "carrier": rng.choice(["UA", "DL", "MQ"], N, p=[0.6, 0.38, 0.02]),
            "paid": rng.random(N) < 0.3,
            "late": rng.integers(0, 2, N),
            "day": np.sort(rng.integers(1, 366, N)),
            "at": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 90 * 24, N), unit="h"),
            "month": np.repeat(["jan", "feb", "mar"], N // 3),
        }
    )


@pytest.fixture
def small(monkeypatch):
    """Let a few rows be many."""
    monkeypatch.setattr(parts, "BATCH_ROWS", 7_000)
    monkeypatch.setattr(parts, "LARGE_ROWS", 10_000)


@pytest.fixture
def kept(frame, tmp_path):
    """Write the frame as one Parquet file and as a folder of several."""
    frame.to_parquet(tmp_path / "one.parquet", row_group_size=4_000)
    (tmp_path / "many").mkdir()
    for i, start in enumerate(range(0, N, 9_000)):
        frame.iloc[start : start + 9_000].to_parquet(tmp_path / "many" / f"{i}.parquet")
    return tmp_path


def as_kind(kind, frame, kept, needed):
    if kind == "file":
        return str(kept / "one.parquet")
    if kind == "folder":
        return kept / "many"
    if kind == "table":
        return pa.Table.from_pandas(frame)
    if kind == "lazy":
        return pl.from_pandas(frame).lazy()
    return needed("dask.dataframe").from_pandas(frame, npartitions=5)


@pytest.mark.parametrize("kind", ["file", "folder", "table", "lazy", "dask"])
def test_parts_have_the_profile_of_the_whole(frame, kept, project, small, kind, needed):
    made = nb.profile(as_kind(kind, frame, kept, needed), chunk="month", target="late")
    whole = build(frame, chunk="month", target="late", like=made)
    assert (made.rows, list(made.columns)) == (N, list(whole.columns))
    assert made.state()["columns"] == whole.state()["columns"]  # counts, least, largest: bit for bit
    assert made.chunks == whole.chunks
    assert made.relations["carrier"].sums[0] == pytest.approx(whole.relations["carrier"].sums[0], rel=1e-12)


def test_edges_know_the_extremes_of_rows_that_were_not_drawn(project, small, monkeypatch, tmp_path):
    monkeypatch.setattr("nbmlops.stats.counts.SAMPLE_ROWS", 100)
    frame = pd.DataFrame({"x": np.ones(20_001), "flag": np.zeros(20_001)})
    frame.loc[12_345] = (1e6, 7.0)
    frame.to_parquet(tmp_path / "x.parquet")
    made = nb.profile(tmp_path / "x.parquet")
    assert (made.columns["x"].bins.low, made.columns["x"].bins.high) == (1.0, 1e6)
    assert made.columns["flag"].kind == "numeric"  # 0 and 1 in the rows that were drawn only
    assert sum(made.total["flag"].counts[made.columns["flag"].bins.regular :]) == 0


def test_a_reader_is_read_once_from_its_beginning(frame, project):
    batches = pa.Table.from_pandas(frame).to_batches(2_000)
    made = nb.profile(pa.RecordBatchReader.from_batches(batches[0].schema, batches))
    assert made.rows == N
    assert made.state()["columns"] == build(frame, like=made).state()["columns"]


def test_a_numpy_array_is_a_frame_of_numbered_columns(project):
    made = nb.profile(np.arange(12.0).reshape(-1, 2))
    assert (made.rows, list(made.columns)) == (6, ["0", "1"])


def test_parts_merge_with_parts_counted_like_them(frame, kept, project, small):
    first = nb.profile(kept / "one.parquet")
    second = nb.profile(kept / "many", like=first)
    assert first.merge(second).rows == 2 * N
    assert Profile.from_json(first.to_json()).state() == first.state()


def test_what_is_no_data_is_said(tmp_path, project):
    with pytest.raises(NotFound, match="No Parquet file"):
        nb.profile(tmp_path)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(Invalid, match=r"a\.parquet cannot be read"):
        nb.profile(tmp_path / "torn")
    with pytest.raises(Invalid, match="no frame"):
        nb.profile(np.zeros((2, 2, 2)))


def test_an_empty_source_has_an_empty_profile(project, tmp_path):
    (tmp_path / "none").mkdir()
    pq.write_table(pa.table({"x": pa.array([], pa.float64())}), tmp_path / "none" / "a.parquet")
    assert nb.profile(tmp_path / "none").rows == 0
    schema = pa.schema([("x", pa.float64())])
    assert nb.profile(pa.RecordBatchReader.from_batches(schema, [])).rows == 0


def test_the_rows_drawn_for_the_edges_do_not_keep_the_others():
    alive = []

    def frames():
        made = []
        for _ in range(4):
            values = np.ones((60_000, 2))
            made.append(weakref.ref(values))
            part = pd.DataFrame(values, columns=["a", "b"], copy=False)
            del values
            yield part
            alive.append(sum(ref() is not None for ref in made))

    drawn, _ = parts.planned(parts.Parts(240_000, frames))
    assert len(drawn) == 48_000
    assert max(alive) <= 2
