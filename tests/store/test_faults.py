"""Disks that fail, power that goes, files that are damaged: nothing acknowledged is lost, nothing false is shown."""

import errno
import random
import shutil

import pytest

import faults
import nbmlops as nb
from nbmlops.errors import Unavailable
from nbmlops.store import driver
from nbmlops.tracking import session

SPARSE = 53  # in `make test` one call in this many fails


def verified(cases, folder, told, **about):
    found = cases.run(folder, "verify", told=told | about, mode=about.get("mode"))
    assert found["ended"] == 0, found["lines"][-1]
    return faults.words(found["lines"], "problems")


def failing(cases, folder, step, first=1, **about):
    """Fail each of the calls, one process each; return what was wrong by number of the call."""
    wrong = {}
    whole = cases.run(folder / "whole", "run")
    (calls,) = [calls for word, calls, _ in whole["lines"] if word == "calls"]
    for k in range(first, calls + 1, step):
        done = cases.run(folder / str(k), "run", at=k, what=faults.FAIL, **about)
        problems = faults.words(done["lines"], "raised")  # anything but a readable error
        problems += [f"{len(w)} warnings" for w in [faults.words(done["lines"], "warned")] if len(w) > 3]
        # Where half a record cannot be cut off, its segment is kept for whoever wants to look at it.
        problems += verified(cases, folder / str(k), faults.told(done["lines"]), strict=not about.get("half"))
        if problems:
            wrong[k] = problems
        shutil.rmtree(folder / str(k))
    return wrong


KINDS = [
    pytest.param({"error": errno.EIO}, id="EIO"),
    pytest.param({"error": errno.ENOSPC}, id="ENOSPC"),
    pytest.param({"error": errno.ENOSPC, "half": 1, "lasting": 1}, id="full-from-then-on"),
    pytest.param({"error": errno.EIO, "lasting": 1}, id="broken-from-then-on"),
]


@pytest.mark.parametrize("about", KINDS)
def test_whichever_call_fails_what_was_acknowledged_arrives(cases, tmp_path, about):
    assert failing(cases, tmp_path, SPARSE, about["error"], **about) == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("about", KINDS)
def test_every_call_that_fails_leaves_what_was_acknowledged(cases, tmp_path, about):
    assert failing(cases, tmp_path, 1, **about) == {}


def test_a_commit_that_was_made_and_then_failed_is_not_called_refused(cases, tmp_path):
    """The journal of SQLite is emptied, which is the commit, and the sync after it fails."""
    trace = tmp_path / "trace"
    said = cases.run(tmp_path / "whole", "run", trace=str(trace), mode="TRUNCATE")["lines"]
    steps = list(faults.read_trace(trace, str(tmp_path / "whole")))
    issued, acked = (
        next(c for w, c, f in said if w == word and f == [["event", "model@1"]]) for word in ("issue", "ack")
    )
    kinds = [(step[0], step[3].endswith("-journal")) for step in steps]
    k = next(k for k in range(acked, issued, -1) if kinds[k - 2 : k] == [("truncate", True), ("sync", True)])
    done = cases.run(tmp_path / "failed", "run", at=k, what=faults.FAIL, error=errno.EIO, mode="TRUNCATE")["lines"]
    told = faults.told(done)
    assert told["refused"] == []
    assert ["event", "model@1"] in told["ack"]
    assert verified(cases, tmp_path / "failed", told) == []


@pytest.mark.sqlite
def test_what_is_tracked_waits_while_the_store_is_damaged(project):
    """It is not taken for unsound, which would set it aside and delete its segment."""
    with session.run("before"):
        session.log(loss=1)
    store = session.store()
    store.sync()
    with driver.connect(session.project()) as connection:
        page, size = connection.scalar("SELECT rootpage FROM sqlite_master WHERE name = 'points'"), 4096
    with store.path.open("r+b") as file:
        file.seek((page - 1) * size)
        sound = file.read(size)
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with session.run("after"):
        session.log(loss=2)
    with pytest.raises(Unavailable, match="damaged"):
        store.sync()
    with store.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(sound)
    assert sorted(nb.runs("loss > 0")["experiment"]) == ["after", "before"]
    assert store.set_aside() == []


def outages(cases, folder, step, mode):
    """Cut the power after each call; return what was wrong, by number of the call and extent of what got lost."""
    trace, chance, wrong = folder / "trace", random.Random(step), {}
    said = cases.run(folder / "whole", "run", trace=str(trace), mode=mode)["lines"]
    assert faults.words(said, "refused") == []
    steps = list(faults.read_trace(trace, str(folder / "whole")))
    for k in range(0, len(steps) + 1, step):
        so_far = [line for line in said if line[1] <= k]
        promised = max((i + 1 for i, line in enumerate(so_far) if line[0] == "safe"), default=0)
        told, safe = faults.told(so_far), faults.told(so_far[:promised])["ack"]
        perhaps = [fact for fact in (*told["ack"], *told["maybe"]) if fact not in safe]
        for extent in ("nothing", "some", "all"):
            place = folder / f"{k} {extent}"
            place.mkdir()
            disk = faults.Disk()
            for line in steps[:k]:
                disk.do(*line)
            disk.crash(place, chance, extent)
            told = {"ack": safe, "maybe": perhaps, "refused": []}
            if problems := verified(cases, place, told, mode=mode, strict=False):
                wrong[k, extent] = problems
            shutil.rmtree(place)
    return wrong


@pytest.mark.parametrize("mode", ["TRUNCATE", "WAL"])
def test_after_a_power_loss_everything_up_to_the_last_ended_cell_is_there(cases, tmp_path, mode):
    assert outages(cases, tmp_path, 67, mode) == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["TRUNCATE", "WAL"])
def test_after_a_power_loss_at_any_call_everything_up_to_the_last_ended_cell_is_there(cases, tmp_path, mode):
    assert outages(cases, tmp_path, 1, mode) == {}


def flip(data, chance):
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def cut(data, chance):
    return data[: chance.randrange(len(data))]


HARMS = pytest.mark.parametrize("harm", [flip, cut])


def damages(cases, folder, whole, pattern, harm, number):
    """Damage one file in many copies of a project; yield (what is read, what should be, whether anything was said)."""
    (file,) = [path.relative_to(whole) for path in sorted(whole.glob(pattern))[:1]]
    content, chance = (whole / file).read_bytes(), random.Random(f"{pattern} {harm.__name__}")
    right = read(cases, shutil.copytree(whole, folder / "right"))[0]
    assert right
    for k in range(number):
        place = shutil.copytree(whole, folder / f"case {k}")
        (place / file).write_bytes(harm(content, chance))
        found, errors, warned = read(cases, place)
        yield found, right, bool(errors or warned)
        shutil.rmtree(place)


def read(cases, place):
    """Read a project in a process of its own, which must not crash nor raise anything but a readable error."""
    answer = cases.run(place, "read")
    assert answer["ended"] == 0, answer["lines"]
    found, errors, warned = answer["lines"][-1][2]
    return {tuple(fact) for fact in found}, errors, warned


def sure(facts):
    """Leave out what a loss changes: a status, when the run's end is lost; a point's place, when one before it is."""
    return {fact[:3] + fact[4:] if fact[0] == "point" else fact for fact in facts if fact[0] != "status"}


@pytest.fixture
def waiting(cases, tmp_path):
    """A project whose runs wait in the journal."""
    assert cases.run(tmp_path / "whole", "journal")["ended"] == 0
    return tmp_path / "whole"


@pytest.fixture
def arrived(cases, tmp_path):
    """A project whose runs are in the database."""
    assert cases.run(tmp_path / "whole", "run")["ended"] == 0
    read(cases, tmp_path / "whole")
    return tmp_path / "whole"


@HARMS
def test_a_damaged_journal_never_says_what_was_not_tracked(cases, waiting, tmp_path, harm):
    for found, right, _ in damages(cases, tmp_path, waiting, ".nbmlops/journal/*.journal", harm, 25):
        assert sure(found) <= sure(right)
        assert len(found) <= len(right)


def test_a_record_damaged_in_the_middle_of_a_journal_is_told_and_the_others_arrive(cases, waiting, tmp_path):
    for found, right, told in damages(cases, tmp_path, waiting, ".nbmlops/journal/*.journal", flip, 25):
        assert told or sure(found) == sure(right)  # the last record cannot be told from one that was cut off
        assert len(sure(right)) - len(sure(found)) <= 4  # one event: where it is that of a start, the run is missing


@HARMS
def test_a_damaged_artifact_is_refused(cases, arrived, tmp_path, harm):
    for found, _, told in damages(cases, tmp_path, arrived, ".nbmlops/artifacts/*/*", harm, 10):
        assert told
        assert not found


@HARMS
def test_a_damaged_store_never_crashes_and_never_shows_a_false_event_or_file(cases, arrived, tmp_path, harm):
    for found, right, told in damages(cases, tmp_path, arrived, ".nbmlops/store.sqlite", harm, 25):
        checked = {fact for fact in right if fact[0] in ("event", "artifact")}
        assert told or {fact for fact in found if fact[0] in ("event", "artifact")} == checked


@pytest.mark.slow
@pytest.mark.timeout(1800)
@HARMS
def test_how_often_a_damaged_store_shows_something_else(cases, arrived, tmp_path, harm, capsys):
    """SQLite keeps no checksums of its pages: the figure is in docs/durability.md."""
    seen = {"right": 0, "refused": 0, "wrong": 0}
    for found, right, told in damages(cases, tmp_path, arrived, ".nbmlops/store.sqlite", harm, 500):
        seen["right" if found == right else "refused" if told else "wrong"] += 1
    with capsys.disabled():
        print(harm.__name__, seen)
    assert seen["wrong"] <= {"flip": 25, "cut": 0}[harm.__name__]
