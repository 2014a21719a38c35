"""Writes that a reader never sees half of."""

from __future__ import annotations

import os

import pytest
from papermill.iorw import papermill_io

from nbmlops.jobs import files


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "out.ipynb"
    files.replace(path, b"old")
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        files.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.ipynb"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"output folder .*nowhere"):
        files.replace(tmp_path / "nowhere" / "out.ipynb", b"x")


def test_papermill_itself_writes_whole_files(tmp_path, monkeypatch):
    files.make_atomic()
    moved = []
    real = os.replace
    monkeypatch.setattr(files.os, "replace", lambda a, b: (moved.append(b), real(a, b)))
    papermill_io.write("{}", str(tmp_path / "out.ipynb"))
    assert moved == [tmp_path / "out.ipynb"]
    assert papermill_io.read(str(tmp_path / "out.ipynb")) == "{}"


def test_it_is_put_in_once():
    files.make_atomic()
    before = papermill_io.get_handler("local")
    files.make_atomic()
    assert papermill_io.get_handler("local") is before
    assert isinstance(before, files.AtomicLocal)


def test_an_address_is_no_local_file():
    files.make_atomic()
    assert files.resolve("s3://bucket/nb.ipynb") is None
    assert files.resolve("-") is None
