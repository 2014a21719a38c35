"""Files that are read and written are reported by whoever read and wrote them, and described by their bytes."""

import sys

import numpy as np
import pandas as pd
import pytest

from nbmlops.capture import watch
from nbmlops.capture.files import describe_file

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})


class Heard(watch.Sink):
    def __init__(self):
        self.files = []

    def file(self, path, role, value):
        self.files.append((path, role, value))

    def error(self, error):
        raise error


@pytest.fixture
def heard():
    heard = Heard()
    with watch.watching(heard):
        yield heard


def test_a_frame_written_and_read_is_one_file_each_however_it_is_opened_inside(heard, tmp_path):
    path = tmp_path / "flights.csv"
    FRAME.to_csv(path, index=False)
    back = pd.read_csv(str(path))
    assert [(p, r) for p, r, _ in heard.files] == [(str(path), "written"), (str(path), "read")]
    assert heard.files[0][2] is FRAME
    assert heard.files[1][2] is back


@pytest.mark.parametrize("library", ["pandas", "polars", "numpy", "pyarrow", "open"])
def test_the_usual_readers_and_writers_of_each_library(heard, tmp_path, library):
    path = tmp_path / "flights.parquet"
    if library == "pandas":
        FRAME.to_parquet(path)
        pd.read_parquet(path)
    elif library == "polars":
        import polars

        polars.DataFrame({"a": [1]}).write_parquet(path)
        polars.scan_parquet(path)
    elif library == "numpy":
        path = tmp_path / "rows.npy"
        np.save(path, np.arange(3))
        np.load(path)
    elif library == "pyarrow":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"a": [1]}), path)
        pq.read_table(path)
    else:
        path = tmp_path / "note.txt"
        path.write_text("tried")
        with open(path) as file:  # noqa: PTH123
            assert file.read() == "tried"
    assert [(p, r) for p, r, _ in heard.files] == [(str(path), "written"), (str(path), "read")]


def test_a_figure_that_is_saved_is_a_file(heard, tmp_path):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.savefig(tmp_path / "curve.png")
    assert [r for _, r, _ in heard.files] == ["written"]


def test_what_fails_or_lies_in_memory_or_elsewhere_is_no_file(heard, tmp_path):
    import io

    pd.read_csv(io.StringIO("a\n1\n"))
    with pytest.raises(FileNotFoundError):
        pd.read_csv(tmp_path / "none.csv")
    assert FRAME.to_csv() is not None
    assert heard.files == []


def test_a_file_opened_by_a_library_on_its_way_is_not_the_users(heard):
    import linecache

    linecache.getlines(__file__)
    assert heard.files == []


def test_writer_and_reader_agree_on_a_file_whatever_they_read_it_with(tmp_path):
    path = tmp_path / "flights.csv"
    FRAME.to_csv(path)
    written, read = describe_file(str(path), "written", FRAME), describe_file(str(path), "read")
    assert written.fingerprint == read.fingerprint
    assert (written.name, written.rows, written.strength) == ("flights.csv", 2, "full")
    path.write_text("other")
    assert describe_file(str(path), "read").fingerprint != read.fingerprint


def test_a_large_file_is_described_by_size_and_time(tmp_path, monkeypatch):
    from nbmlops.capture import files

    monkeypatch.setattr(files, "MOST_BYTES", 3)
    path = tmp_path / "large.bin"
    path.write_bytes(b"1234")
    assert describe_file(str(path), "read").strength == "shape"


def test_everything_is_put_back():
    import builtins

    before = builtins.open, pd.read_csv, vars(pd.core.generic.NDFrame)["to_csv"], np.load
    with watch.watching(Heard()):
        assert builtins.open is not before[0]
    assert (builtins.open, pd.read_csv, vars(pd.core.generic.NDFrame)["to_csv"], np.load) == before
    assert sys.modules["builtins"].open is open


def test_what_the_system_says_of_itself_and_what_we_read_is_no_data(heard):
    from nbmlops.capture.environment import peak_memory_bytes

    with open("/proc/self/status") as status:  # noqa: PTH123
        assert status.read(1)
    assert peak_memory_bytes()
    assert heard.files == []
