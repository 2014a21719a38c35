"""The journal keeps what it returned for, and never gives back what it was not given."""

import os
import threading
import warnings
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbmlops.store import journal, segments


@pytest.fixture
def book(tmp_path):
    book = journal.Journal(tmp_path / "home" / "journal")
    yield book
    book.close()


def events(path, offset=0):
    return [event for _, event in journal.read(path, offset)]


def test_what_was_appended_is_read_back_in_order(book):
    for i in range(5):
        book.append({"t": "metric", "value": i})
    (path,) = journal.journals(book.folder)
    assert [e["value"] for e in events(path)] == [0, 1, 2, 3, 4]


def test_reading_goes_on_from_an_offset(book):
    book.append({"n": 1})
    (path,) = journal.journals(book.folder)
    ((offset, _),) = journal.read(path)
    book.append({"n": 2})
    assert events(path, offset) == [{"n": 2}]


@pytest.mark.parametrize("cut", [1, 7, 9, 20])
def test_a_record_cut_short_ends_the_file_and_harms_nothing_before(book, cut):
    book.append({"n": 1})
    book.append({"n": 2, "text": "x" * 30})
    (path,) = journal.journals(book.folder)
    path.write_bytes(path.read_bytes()[:-cut])
    assert events(path) == [{"n": 1}]


@given(data=st.data())
def test_a_flipped_bit_takes_one_record_which_is_told_unless_it_was_the_last(tmp_path_factory, data):
    book = journal.Journal(tmp_path_factory.mktemp("flip") / "home" / "journal")
    written = [{"n": i, "text": "abc" * i} for i in range(4)]
    for event in written:
        book.append(event)
    book.close()
    (path,) = journal.journals(book.folder)
    ends = [end for end, _ in journal.read(path)]
    sizes = [end - start for start, end in pairwise((0, *ends))]
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    read = events(path)
    (lost,) = [n for n, event in enumerate(written) if event not in read]
    told = [] if lost == 3 else [{"t": "damaged", "bytes": sizes[lost]}]
    assert read == written[:lost] + told + written[lost + 1 :]


def test_a_folder_that_cannot_be_written_is_one_warning_and_the_events_wait(tmp_path):
    blocked = tmp_path / "home"
    blocked.write_text("a file where the folder should be")
    book = journal.Journal(blocked / "journal")
    with pytest.warns(RuntimeWarning, match="waits in") as caught:
        book.append({"n": 1})
        book.append({"n": 2})
    assert len(caught) == 1
    waiting = journal.journals(blocked / "journal")
    assert events(waiting[-1]) == [{"n": 1}, {"n": 2}]
    book.close()
    waiting[-1].unlink()


def test_what_waited_for_a_project_that_was_moved_is_found(project, monkeypatch, tmp_path):
    from nbmlops.cli.doctor import diagnose
    from nbmlops.config import find_project

    (tmp_path / "temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (project / ".nbmlops").write_text("a file where the folder should be")
    book = journal.Journal(project / ".nbmlops" / "journal")
    with pytest.warns(RuntimeWarning, match="waits in"):
        book.append({"n": 1})
    book.close()

    def left():
        return [line.says for line in diagnose(find_project()) if line.what == "left behind"]

    assert not list(segments.strays())
    (project / ".nbmlops").unlink()
    moved = project.rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    (says,) = left()
    assert str(book.waiting) in says
    assert str(project / ".nbmlops" / "journal") in says
    for path in book.waiting.iterdir():
        (moved / ".nbmlops" / "journal").mkdir(parents=True, exist_ok=True)
        path.rename(moved / ".nbmlops" / "journal" / path.name)
    assert [events(p) for p in journal.journals(moved / ".nbmlops" / "journal")] == [[{"n": 1}]]
    assert left() == []


def test_a_full_disk_is_one_warning_and_nothing_is_lost(book, monkeypatch):
    book.append({"n": 1})
    first = journal.journals(book.folder)
    real = os.write
    monkeypatch.setattr(
        os,
        "write",
        lambda fd, data: (
            (_ for _ in ()).throw(OSError(28, "No space left on device"))
            if fd == book._fd and book.folder.parent.name == "home"
            else real(fd, data)
        ),
    )
    with pytest.warns(RuntimeWarning, match="No space left"):
        book.append({"n": 2})
    every = journal.journals(first[0].parent)
    assert [e for path in every for e in events(path)] == [{"n": 1}, {"n": 2}]
    every[-1].unlink()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_writes_its_own_file(book):
    book.append({"who": "parent"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        book.append({"who": "child"})
        os._exit(0)
    os.waitpid(child, 0)
    book.append({"who": "parent again"})
    found = sorted([e["who"] for e in events(path)] for path in journal.journals(book.folder))
    assert found == [["child"], ["parent", "parent again"]]


@pytest.fixture
def disk(monkeypatch):
    """A disk that fails when it is told to, and does something first."""

    class Disk:
        fails, first = False, staticmethod(lambda: None)

    usual = journal.sync_file

    def sync(fd):
        first, Disk.first = Disk.first, staticmethod(lambda: None)
        first()
        if Disk.fails:
            raise OSError(5, "broken")
        usual(fd)

    monkeypatch.setattr(journal, "sync_file", sync)
    yield Disk
    Disk.fails = False


def test_settling_keeps_nobody_from_appending(book, disk):
    book.append({"n": 1})
    other = threading.Thread(target=book.append, args=({"n": 2},))
    disk.first = lambda: (other.start(), other.join(10))
    book.settle()
    assert not other.is_alive()
    assert [e["n"] for path in journal.journals(book.folder) for e in events(path)] == [1, 2]


def test_settling_says_that_the_disk_failed_once_and_goes_on_elsewhere(book, disk):
    book.settle()  # nothing was written
    book.append({"n": 1})
    disk.fails = True
    with pytest.raises(OSError, match="broken"):
        book.settle()
    disk.fails = False
    book.settle()
    book.append({"n": 2})
    book.settle()
    assert [e["n"] for path in journal.journals(book.folder) for e in events(path)] == [1, 2]


def test_what_came_while_the_disk_failed_hears_of_it_at_its_own_call(book, disk):
    book.append({"n": 1})
    disk.fails, disk.first = True, lambda: book.append({"n": 2})
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            book.settle()
    disk.fails = False
    book.settle()


def test_a_segment_that_was_left_unsynced_is_no_secret(book, disk):
    book.append({"n": 1})
    disk.fails = True
    book.close()
    disk.fails = False
    book.append({"n": 2})
    with pytest.raises(OSError, match="broken"):
        book.settle()
    book.settle()
